/** The seeded tree that everything is measured on: the same bytes for the same size, wherever it is made. */
import { createCipheriv, createHash } from "node:crypto"
import * as fs from "node:fs"
import { join } from "node:path"

/** Bytes of the big files: random ones, those again behind a few bytes more, lines of words, and zeros. */
export type Big = Readonly<Record<"random" | "shifted" | "text" | "zeros", number>>

export interface Size {
  readonly name: string
  readonly smallFiles: number
  /** Bytes of the shortest and longest small file, which are then a hundred to a folder; else `smallLength` and 32. */
  readonly between?: readonly [shortest: number, longest: number]
  readonly big?: Big
}

const each = (bytes: number): Big => ({ random: bytes, shifted: bytes, text: bytes, zeros: bytes })

export const sizes: Readonly<Record<string, Size>> = {
  full: { name: "full", smallFiles: 20_000, big: each(224 << 20) },
  middle: { name: "middle", smallFiles: 20_000, big: each(16 << 20) },
  small: { name: "small", smallFiles: 2_000, big: each(8 << 20) }
}

/** Bytes without end that no compressor shrinks. */
const randomBytes = (seed: string) => {
  const key = createHash("sha256").update(seed).digest()
  const cipher = createCipheriv("chacha20", key, Buffer.alloc(16))
  return (length: number): Buffer => cipher.update(Buffer.alloc(length))
}

const words = (() => {
  const letters = "etaoinshrdlucmfwypvbgkqjxz"
  const draw = randomBytes("words")
  return Array.from({ length: 4096 }, () => {
    const bytes = draw(12)
    return Array.from(bytes.subarray(0, 2 + (bytes[11]! % 9)), (byte) => letters[(byte * byte) >> 12]!).join("")
  })
})()

/** Lines of made-up words, common ones more often, as prose and source code have them. */
const text = (draw: (length: number) => Buffer, length: number): Buffer => {
  const out = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; ) {
    const dice = draw(64)
    let line = ""
    for (let i = 0; i < 64; i += 4) {
      const pick = dice.readUInt32LE(i)
      // the product of two draws prefers the front of the list
      line += `${words[((pick & 0xfff) * ((pick >> 12) & 0xfff)) >> 12]} `
    }
    at += out.write(`${line.trimEnd()}\n`, at, "latin1")
  }
  return out
}

/** From 1 byte to 64 KiB, most of them small: 8 KiB on average. */
const smallLength = (draw: (length: number) => Buffer): number => {
  const dice = draw(8)
  const power = 7 + (dice[0]! % 10)
  return 1 + (dice.readUInt32LE(4) % (1 << power))
}

export interface Corpus {
  readonly directory: string
  readonly files: number
  readonly bytes: number
}

/** Makes the tree in `directory`, which must not exist. */
export const make = (directory: string, size: Size): Corpus => {
  const counted = { directory, files: 0, bytes: 0 }
  const draw = randomBytes(size.name)
  const put = (path: string, bytes: Uint8Array) => {
    fs.writeFileSync(join(directory, path), bytes)
    counted.files += 1
    counted.bytes += bytes.length
  }
  const perFolder = size.between === undefined ? 32 : 100
  const [shortest, longest] = size.between ?? [0, 0]
  for (let index = 0; index < size.smallFiles; index++) {
    const nth = Math.floor(index / perFolder)
    const folder = `small/${String(nth >> 3).padStart(3, "0")}/${nth & 7}`
    if (index % perFolder === 0) fs.mkdirSync(join(directory, folder), { recursive: true })
    const length = longest === 0 ? smallLength(draw) : shortest + (draw(4).readUInt32LE() % (longest - shortest + 1))
    put(`${folder}/${String(index).padStart(6, "0")}`, index % 4 === 0 ? draw(length) : text(draw, length))
  }
  if (size.big === undefined) return counted
  fs.mkdirSync(join(directory, "big"), { recursive: true })
  const big = (name: keyof Big, bytes: number, part: (length: number) => Buffer, before = "") => {
    const fd = fs.openSync(join(directory, "big", name), "wx")
    let length = fs.writeSync(fd, before)
    for (let left = bytes; left > 0; left -= 1 << 20) length += fs.writeSync(fd, part(Math.min(left, 1 << 20)))
    fs.closeSync(fd)
    counted.files += 1
    counted.bytes += length
  }
  big("random", size.big.random, randomBytes("big"))
  big("shifted", size.big.shifted, randomBytes("big"), "a few bytes more at the front")
  big("text", size.big.text, (length) => text(draw, length))
  big("zeros", size.big.zeros, (length) => Buffer.alloc(length))
  return counted
}

const filesBelow = (directory: string): ReadonlyArray<string> =>
  fs
    .readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))

/** Bytes of all files below `directory`, as long as they say they are. */
export const bytesBelow = (directory: string): number =>
  filesBelow(directory).reduce((bytes, path) => bytes + fs.statSync(path).size, 0)

/** Gives all files below `directory` the time that it is, so that a backup has to read them again. */
export const touch = (directory: string): void => {
  const now = new Date()
  for (const path of filesBelow(directory)) fs.utimesSync(path, now, now)
}

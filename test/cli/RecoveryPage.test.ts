/** The printable page: its square code reads as the words, and its commands are those that recover. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { wordlist } from "@scure/bip39/wordlists/english.js"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import * as RecoveryPage from "../../src/cli/RecoveryPage.ts"

const pageOf = (words: string, stores: ReadonlyArray<RecoveryPage.Store> = []) =>
  RecoveryPage.render({ words: Redacted.make(words), did: "did:s5:x", stores, madeAt: 0 })

/** The dark modules of the page's code, line by line, without its margin. */
const modulesOf = (page: string): ReadonlyArray<ReadonlyArray<boolean>> => {
  const squares = [...page.matchAll(/M(\d+),(\d+)h10v10h-10z/g)].map(
    ([, x, y]) => [Number(x) / 10, Number(y) / 10] as const
  )
  const margin = Math.min(...squares.map(([x]) => x))
  const size = Math.max(...squares.map(([x]) => x)) - margin + 1
  const dark = new Set(squares.map(([x, y]) => `${x - margin},${y - margin}`))
  const total = Number(/viewBox="0 0 (\d+) /.exec(page)?.[1]) / 10
  expect([margin, total]).toEqual([4, size + 8])
  return Array.from({ length: size }, (_, y) => Array.from({ length: size }, (_, x) => dark.has(`${x},${y}`)))
}

// ISO/IEC 18004, table 9 for level M: how many blocks of how many data codewords, and where alignment patterns are
const blocksOfVersion: Readonly<Record<number, ReadonlyArray<number>>> = {
  3: [44],
  4: [32, 32],
  5: [43, 43],
  6: [27, 27, 27, 27],
  7: [31, 31, 31, 31]
}
const alignments: Readonly<Record<number, ReadonlyArray<number>>> = {
  3: [6, 22],
  4: [6, 26],
  5: [6, 30],
  6: [6, 34],
  7: [6, 22, 38]
}
const masks: ReadonlyArray<(x: number, y: number) => boolean> = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0
]

/**
 * What a code of level M in bytes reads as, by ISO/IEC 18004 and none of the library that made it; it corrects no errors. For
 * 60 phrases it was compared with what a program for cameras reads from the page.
 */
const read = (modules: ReadonlyArray<ReadonlyArray<boolean>>): string => {
  const size = modules.length
  const version = (size - 17) / 4
  const at = (x: number, y: number) => modules[y]?.[x] === true
  // format information beside the upper left finder, most significant bit first, under its own mask
  const format =
    Array.from({ length: 15 }, (_, bit) =>
      bit < 6 ? at(bit, 8) : bit === 6 ? at(7, 8) : bit === 7 ? at(8, 8) : bit === 8 ? at(8, 7) : at(8, 14 - bit)
    ).reduce((bits, bit) => bits * 2 + Number(bit), 0) ^ 0b101010000010010
  expect(format >> 13, "level M").toBe(0)
  const mask = masks[(format >> 10) & 7]!
  const centres = alignments[version]!
  const last = centres.at(-1)!
  const isFinder = (x: number, y: number) => (x < 9 && y < 9) || (x >= size - 8 && y < 9) || (x < 9 && y >= size - 8)
  const isAlignment = (x: number, y: number) =>
    centres.some((cx) =>
      centres.some(
        (cy) =>
          Math.abs(cx - x) <= 2 &&
          Math.abs(cy - y) <= 2 &&
          !(cx === 6 && cy === 6) &&
          !(cx === 6 && cy === last) &&
          !(cx === last && cy === 6)
      )
    )
  const isVersion = (x: number, y: number) => version >= 7 && ((x < 6 && y >= size - 11) || (y < 6 && x >= size - 11))
  const isData = (x: number, y: number) =>
    x !== 6 && y !== 6 && !isFinder(x, y) && !isAlignment(x, y) && !isVersion(x, y)
  const bits: Array<number> = []
  // pairs of columns from the right, up and down in turns; the column of the timing pattern is passed over
  for (let right = size - 1, isUp = true; right > 0; right -= right === 8 ? 3 : 2, isUp = !isUp)
    for (let step = 0; step < size; step++)
      for (const x of [right, right - 1]) {
        const y = isUp ? size - 1 - step : step
        if (isData(x, y)) bits.push(Number(at(x, y) !== mask(x, y)))
      }
  const codewords = Array.from({ length: Math.floor(bits.length / 8) }, (_, index) =>
    bits.slice(index * 8, index * 8 + 8).reduce((value, bit) => value * 2 + bit, 0)
  )
  const blocks = blocksOfVersion[version]!
  const data = blocks.flatMap((length, block) =>
    Array.from({ length }, (_, index) => codewords[index * blocks.length + block]!)
  )
  const nibbles = data.flatMap((byte) => [byte >> 4, byte & 15])
  expect(nibbles[0], "bytes").toBe(4)
  const length = nibbles[1]! * 16 + nibbles[2]!
  const text = Array.from({ length }, (_, index) => nibbles[3 + index * 2]! * 16 + nibbles[4 + index * 2]!)
  return Buffer.from(text).toString("latin1")
}

describe("the page's square code", () => {
  it("reads as the twelve words and nothing else, whichever they are", () => {
    const versions = new Set<number>()
    const check = (words: ReadonlyArray<string>) => {
      const modules = modulesOf(pageOf(words.join(" ")))
      versions.add((modules.length - 17) / 4)
      expect(read(modules)).toBe(words.join(" "))
    }
    const word = FastCheck.constantFrom(...wordlist)
    FastCheck.assert(FastCheck.property(FastCheck.array(word, { minLength: 12, maxLength: 12 }), check), {
      numRuns: 60
    })
    // the shortest and the longest that there are
    for (const one of ["act", "abstract"]) check(Array.from({ length: 12 }, () => one))
    expect(versions.size).toBeGreaterThan(2)
  })
})

describe("the page's file", () => {
  it("is not left behind, with a part of the words, where it could not be written", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cairn-page-"))
    const file = join(folder, "page.html")
    // more than any square code holds
    const words = Redacted.make("word ".repeat(2000))
    const written = await Effect.runPromise(
      Effect.either(RecoveryPage.write(file, { words, did: "did:s5:x", stores: [], madeAt: 0 }))
    )
    const left = readdirSync(folder)
    rmSync(folder, { recursive: true })
    expect(written._tag).toBe("Left")
    expect(left).toEqual([])
  })
})

describe("the page's command", () => {
  const commandsOf = (name: string, table: object) =>
    RecoveryPage.storeOf(name, Redacted.make(JSON.stringify(table))).commands

  it("is one that recovers from that kind of store, and holds no secret", () => {
    expect(commandsOf("usb", { type: "local", base_path: "/media/my disk" })).toEqual([
      "cairn recover '/media/my disk'"
    ])
    expect(commandsOf("r", { type: "relay", url: "https://r.example", token: "hidden" })).toEqual([
      "cairn recover https://r.example"
    ])
    const bucket = { type: "s3", bucket_name: "b", endpoint: "https://s3.example", secret_key: "hidden" }
    const commands = commandsOf("my bucket", { ...bucket, access_key: "hidden" })
    expect(commands).toHaveLength(2)
    expect(commands[0]).toMatch(/^cairn store add 'my bucket' --type s3 --endpoint https:\/\/s3\.example .*--bucket b /)
    expect(commands[1]).toBe("cairn recover --store 'my bucket'")
    const page = pageOf("a b", [RecoveryPage.storeOf("my bucket", Redacted.make(JSON.stringify(bucket)))])
    expect(page).not.toContain("hidden")
    expect(page).toContain("cairn recover --store &#39;my bucket&#39;")
  })
})

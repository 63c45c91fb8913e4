/** Reading, cutting and hashing files where they lie, on worker threads and on the calling one. */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Chunker from "../../src/fs5/Chunker.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as Files from "../../src/layers/internal/files.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as SealerWorkers from "../../src/layers/SealerWorkers.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as LocalPath from "../../src/schema/LocalPath.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import type { ListedFile } from "../../src/services/LocalTree.ts"
import { type Cut, type Filed, Sealer, type Service } from "../../src/services/Sealer.ts"
import * as Built from "../e2e/cairn.ts"
import { noise } from "../e2e/cairn.ts"
import { temporaryFolder } from "../support/folders.ts"

const script = pathToFileURL(`${Built.repository}/dist/internal/sealerWorker.js`)
const crypto = await Effect.runPromise(CryptoAuto.make())
const { primitives } = crypto
const context = TraversalContext.plain

const listed = (path: string | Buffer): ListedFile => ({
  path: LocalPath.make(new Uint8Array(Buffer.from(path))),
  expect: Files.statusOf(fs.lstatSync(path, { bigint: true }))
})

/** The chunks' lengths and hashes by the chunker that takes a stream. */
const expected = (bytes: Uint8Array) => {
  const chunker = Either.getOrThrow(Chunker.make(undefined))
  const chunks = [...chunker.push(bytes)]
  const rest = chunker.finish()
  if (rest !== undefined || chunks.length === 0) chunks.push(rest ?? new Uint8Array(0))
  return chunks.map((chunk) => `${chunk.length} ${Hash.toHex(primitives.blake3(chunk))}`)
}
/** What came: the hashes as told, after the bytes were held against them. */
const came = (cut: Cut | undefined) =>
  cut?.chunks.map((chunk, at) => {
    const hash = Hash.toHex(cut.hashes![at]!)
    assert.strictEqual(Hash.toHex(primitives.blake3(chunk)), hash)
    return `${chunk.length} ${hash}`
  })

/** Each is done to a file that was listed, after which nothing may stand for it. */
const changes: Record<string, (path: string) => void> = {
  "written to": (path) => fs.writeFileSync(path, noise(90, 5000)),
  "written to, its size and time put back": (path) => {
    const { atime, mtime } = fs.statSync(path)
    fs.writeFileSync(path, noise(91, 5000))
    fs.utimesSync(path, atime, mtime)
  },
  replaced: (path) => {
    fs.writeFileSync(`${path}~`, fs.readFileSync(path))
    fs.renameSync(`${path}~`, path)
  },
  "a link": (path) => {
    fs.renameSync(path, `${path}~`)
    fs.symlinkSync(`${path}~`, path)
  },
  "a pipe": (path) => {
    fs.rmSync(path)
    execFileSync("mkfifo", [path])
  },
  "a directory": (path) => {
    fs.rmSync(path)
    fs.mkdirSync(path)
  },
  deleted: (path) => fs.rmSync(path),
  longer: (path) => fs.appendFileSync(path, "x"),
  shorter: (path) => fs.truncateSync(path, 4999),
  emptied: (path) => fs.truncateSync(path, 0)
}

for (const [where, options] of [
  ["on worker threads", { workers: 2, inlineBytes: 0, script }],
  ["on the calling thread", { workers: 1 }]
] as ReadonlyArray<[string, SealerWorkers.Options]>) {
  const fact = <E>(name: string, run: (filed: Filed, folder: string, sealer: Service) => Effect.Effect<void, E>) =>
    it.scopedLive(name, () =>
      Effect.gen(function* () {
        const folder = fs.realpathSync(yield* temporaryFolder)
        const sealer = yield* Sealer
        // the first that is asked starts the threads; what is filed waits until one is there
        yield* sealer.filed!.expect(1 << 30)
        yield* sealer.filed!.verify(context, [])
        yield* run(sealer.filed!, folder, sealer)
      }).pipe(Effect.provide(SealerWorkers.layer(options).pipe(Layer.provide(Layer.succeed(Crypto.Crypto, crypto)))))
    )

  describe(`files are gathered ${where}`, () => {
    beforeAll(() => {
      if (!fs.existsSync(script)) Built.build()
    })

    fact("as the stream's chunker cuts them, whatever their sizes and names", (filed, folder) =>
      Effect.gen(function* () {
        const names = ["empty", "one", "text", "long", "zeros"].map((name) => Buffer.from(join(folder, name)))
        names.push(Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xff, 0xfe, 0x80)]))
        fs.mkdirSync(join(folder, "d"))
        names.push(Buffer.from(join(folder, "d/below")))
        const bytes = [
          new Uint8Array(0),
          Uint8Array.of(1),
          Bytes.fromUtf8("words ".repeat(9000)),
          noise(4, 900_000),
          new Uint8Array(400_000),
          noise(5, 20_000),
          noise(6, 8192)
        ]
        for (const [at, name] of names.entries()) fs.writeFileSync(name, bytes[at]!)
        const gathered = yield* filed.gather(context, names.map(listed), { attributes: false })
        assert.deepStrictEqual(gathered.map(came), bytes.map(expected))
        for (const file of gathered) assert.deepStrictEqual(file?.attributes, [])
      })
    )

    fact("nothing stands for one that is not what was listed, and its neighbours come", (filed, folder) =>
      Effect.gen(function* () {
        for (const [what, change] of Object.entries(changes)) {
          const own = fs.mkdtempSync(join(folder, "c"))
          const bytes = [1, 2, 3].map((seed) => noise(seed, 5000))
          const paths = bytes.map((_, at) => join(own, `f${at}`))
          for (const [at, path] of paths.entries()) fs.writeFileSync(path, bytes[at]!)
          const files = paths.map(listed)
          // a coarse clock of the file system may not show what comes at once
          yield* Effect.sleep("12 millis")
          change(paths[1]!)
          const gathered = yield* filed.gather(context, files, { attributes: false })
          assert.deepStrictEqual(gathered.map(came), [expected(bytes[0]!), undefined, expected(bytes[2]!)], what)
        }
      })
    )

    fact("nothing comes through a directory that is a link now", (filed, folder) =>
      Effect.gen(function* () {
        fs.mkdirSync(join(folder, "a"))
        const paths = [join(folder, "a/f"), join(folder, "g")]
        for (const path of paths) fs.writeFileSync(path, noise(1, 100))
        const files = paths.map(listed)
        fs.renameSync(join(folder, "a"), join(folder, "b"))
        fs.symlinkSync("b", join(folder, "a"))
        const gathered = yield* filed.gather(context, files, { attributes: false })
        assert.deepStrictEqual(gathered.map(came), [undefined, expected(noise(1, 100))])
      })
    )

    fact("what waits in a pipe that took a file's name is not taken out of it", (filed, folder) =>
      Effect.gen(function* () {
        const path = join(folder, "f")
        fs.writeFileSync(path, "hello")
        const file = listed(path)
        changes["a pipe"]!(path)
        const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NONBLOCK)
        fs.writeSync(fd, "other")
        assert.deepStrictEqual(yield* filed.gather(context, [file], { attributes: false }), [undefined])
        const kept = Buffer.alloc(5)
        assert.strictEqual(fs.readSync(fd, kept), 5)
        fs.closeSync(fd)
      })
    )

    fact(
      "parts of a file have the cuts of the whole file, also where it ends sooner than it was told to",
      (filed, folder) =>
        Effect.gen(function* () {
          const path = join(folder, "f")
          const bytes = Bytes.concat(noise(1, 1_500_000), new Uint8Array(1_000_000), noise(2, 700_001))
          fs.writeFileSync(path, bytes)
          const fd = fs.openSync(path, "r")
          for (const told of [bytes.length, bytes.length + 1, bytes.length + 3_000_000]) {
            const found: Array<string> = []
            for (let offset = 0, isOver = false; !isOver; ) {
              const length = Math.min(told - offset, 1 << 20)
              const part = { offset, length, isEnd: offset + length === told }
              const read = yield* filed.gatherPart(context, fd, part)
              found.push(...came(read)!)
              offset = read!.next
              isOver = read!.isEnd
            }
            assert.deepStrictEqual(found, expected(bytes))
          }
          // cut off behind what was read already
          const beyond = yield* filed.gatherPart(context, fd, { offset: bytes.length + 5, length: 100, isEnd: false })
          assert.deepStrictEqual([came(beyond), beyond?.next, beyond?.isEnd], [[], bytes.length + 5, true])
          fs.closeSync(fd)
          fs.truncateSync(path, 0)
          const empty = fs.openSync(path, "r")
          const none = yield* filed.gatherPart(context, empty, { offset: 0, length: 100, isEnd: false })
          assert.deepStrictEqual(came(none), expected(new Uint8Array(0)))
          fs.closeSync(empty)
          assert.isUndefined(yield* filed.gatherPart(context, 999_999, { offset: 0, length: 10, isEnd: true }))
        })
    )

    fact("memory that is used again brings no file's bytes into another's blobs", (filed, folder, sealer) =>
      Effect.gen(function* () {
        const inline = SealerInline.make(primitives)
        const vault = TraversalContext.vaultRoot({
          leaf: new Uint8Array(32).fill(1),
          node: new Uint8Array(32).fill(2),
          recovery: new Uint8Array(32).fill(3)
        })
        const round = Effect.fnUntraced(function* (seed: number) {
          const bytes = [
            noise(seed, 60_000 - seed * 700),
            Bytes.fromUtf8(`${seed} `.repeat(9000)),
            noise(seed + 500, 9)
          ]
          const paths = bytes.map((_, at) => join(folder, `${seed}.${at}`))
          for (const [at, path] of paths.entries()) fs.writeFileSync(path, bytes[at]!)
          const gathered = yield* filed.gather(vault, paths.map(listed), { attributes: false })
          const chunks = gathered.flatMap((file) => file!.chunks)
          const hashes = gathered.flatMap((file) => file!.hashes!)
          const sealed = yield* sealer.seal(vault, chunks, hashes)
          const leaves = sealed.map(({ entry, stored }) => ({
            content: entry.content,
            isSkipped: entry.childContext !== undefined,
            stored: stored.slice()
          }))
          sealer.recycle?.(sealed)
          const opened = yield* inline.unseal(vault, leaves)
          assert.isTrue(Bytes.equals(Bytes.concat(...opened.map((leaf) => leaf!.bytes!)), Bytes.concat(...bytes)))
        })
        yield* Effect.forEach(
          Array.from({ length: 40 }, (_, seed) => seed + 1),
          round,
          { concurrency: 5, discard: true }
        )
      })
    )
  })
}

/** Linked files are served while they are the very ones, and never otherwise. */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { blake3 } from "@noble/hashes/blake3.js"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as BlobStoreLinks from "../../src/layers/BlobStoreLinks.ts"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Relay from "../support/relay.ts"

const top = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "cairn-links-")))
afterAll(() => fs.rmSync(top, { recursive: true, force: true }))

let folders = 0
const hashOf = (text: string) => Hash.unsafeFromBytes(blake3(Bytes.fromUtf8(text)))

const setUp = Effect.gen(function* () {
  const { primitives } = yield* Crypto.Crypto
  const folder = join(top, String(folders++))
  fs.mkdirSync(folder)
  const objects = yield* ObjectStoreMemory.make({ name: "films" })
  const links = BlobStoreLinks.make({ objects, primitives, largest: 1000 })
  const write = (name: string, text: string) => {
    fs.writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  /** Writes other bytes of the same length, and puts the time of modification back. */
  const forge = (path: string, text: string) => {
    const { atime, mtime } = fs.statSync(path)
    fs.writeFileSync(path, text)
    fs.utimesSync(path, atime, mtime)
  }
  return { folder, links, objects, primitives, write, forge }
})

const fact = <E>(text: string, effect: Effect.Effect<void, E, Crypto.Crypto | Scope.Scope>) =>
  it.scopedLive(text, () => Effect.provide(effect, CryptoAuto.layer()))

const missing = (links: BlobStoreLinks.Links, hash: Hash.Hash) =>
  Effect.map(Effect.flip(links.get(hash)), ({ reason }) => assert.strictEqual(reason, "Missing"))

describe("linked files", () => {
  fact(
    "are given under the hash of what they hold, whatever they are called, and stay where they are",
    Effect.gen(function* () {
      const { links, write } = yield* setUp
      const [a, odd, empty] = [write("a", "one"), write("new\nline é", "two"), write("empty", "")]
      for (const path of [a, odd, empty, a]) yield* links.link(path)
      for (const text of ["one", "two", ""]) {
        assert.deepStrictEqual(yield* links.get(hashOf(text)), Bytes.fromUtf8(text))
        assert.strictEqual(yield* links.size(hashOf(text)), text.length)
        assert.isTrue(yield* links.has(hashOf(text)))
      }
      const listed = Chunk.toReadonlyArray(yield* Stream.runCollect(links.list)).map(Hash.toHex)
      assert.sameMembers(
        listed,
        ["one", "two", ""].map((text) => Hash.toHex(hashOf(text)))
      )
      assert.lengthOf(yield* links.links, 3)
      assert.strictEqual((yield* Effect.flip(links.put(hashOf("x"), Bytes.fromUtf8("x")))).reason, "Denied")
    })
  )

  fact(
    "are dropped the moment they are longer, newer or hold other bytes, even with their old time",
    Effect.gen(function* () {
      const { forge, links, write } = yield* setUp
      const later = new Date(Date.now() + 5000)
      const changes: ReadonlyArray<readonly [string, (path: string) => void]> = [
        ["longer", (path) => fs.appendFileSync(path, "!")],
        ["touched", (path) => fs.utimesSync(path, later, later)],
        ["forged", (path) => forge(path, "FORGED")],
        ["swapped", (path) => fs.rmSync(path)]
      ]
      for (const [name, change] of changes) {
        const path = write(name, name)
        yield* links.link(path)
        assert.isTrue(yield* links.has(hashOf(name)))
        change(path)
        if (name === "swapped") fs.symlinkSync("/etc/hostname", path)
        yield* missing(links, hashOf(name))
        if (name === "swapped") continue
        assert.notInclude(
          (yield* links.links).map((link) => link.path),
          path
        )
      }
    })
  )

  fact(
    "that are linked anew are nowhere under what they were",
    Effect.gen(function* () {
      const { links, objects, write } = yield* setUp
      const path = write("a", "old")
      yield* links.link(path)
      write("a", "newer")
      yield* links.link(path)
      yield* missing(links, hashOf("old"))
      assert.deepStrictEqual(yield* links.get(hashOf("newer")), Bytes.fromUtf8("newer"))
      assert.lengthOf(yield* Stream.runCollect(objects.list("")), 2)
      yield* links.unlink(path)
      assert.lengthOf(yield* Stream.runCollect(objects.list("")), 0)
      yield* links.unlink(path)
    })
  )

  fact(
    "that are away are not served, stay linked, and come back; another copy serves meanwhile",
    Effect.gen(function* () {
      const { folder, links, write } = yield* setUp
      yield* links.link(write("a", "same"))
      fs.renameSync(join(folder, "a"), join(folder, "away"))
      yield* missing(links, hashOf("same"))
      yield* links.link(write("b", "same"))
      assert.deepStrictEqual(yield* links.get(hashOf("same")), Bytes.fromUtf8("same"))
      fs.rmSync(join(folder, "b"))
      fs.renameSync(join(folder, "away"), join(folder, "a"))
      assert.deepStrictEqual(yield* links.get(hashOf("same")), Bytes.fromUtf8("same"))
      // what is gone for good can be unlinked by its name
      yield* links.unlink(join(folder, "b"))
      assert.lengthOf(yield* links.links, 1)
    })
  )

  fact(
    "are files: no folder, nothing that is not there, nothing too large",
    Effect.gen(function* () {
      const { folder, links, write } = yield* setUp
      for (const path of [folder, join(folder, "gone"), write("large", "x".repeat(1001))])
        assert.strictEqual((yield* Effect.flip(links.link(path)))._tag, "LinkError")
      assert.lengthOf(yield* links.links, 0)
    })
  )

  fact(
    "are given out by a relay, and do not count as kept there",
    Effect.gen(function* () {
      const { links, primitives, write } = yield* setUp
      const path = write("a", "a film")
      yield* links.link(path)
      const kept = BlobStoreObjects.fromObjects(yield* ObjectStoreMemory.make(), primitives)
      const relay = yield* Relay.start(yield* RegistryMemory.make(), {
        blobs: BlobStoreLinks.withLinks(kept, links)
      })
      const url = `${relay.url}/blobs/${Hash.toHex(hashOf("a film"))}`
      const ask = (method: string) =>
        Effect.promise(() => fetch(url, { method }).then(async (answer) => [answer.status, await answer.text()]))
      assert.deepStrictEqual(yield* ask("GET"), [200, "a film"])
      assert.deepStrictEqual(yield* ask("HEAD"), [404, ""])
      fs.appendFileSync(path, "!")
      assert.strictEqual((yield* ask("GET"))[0], 404)
    })
  )
})

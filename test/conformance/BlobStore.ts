/** What every blob store does (docs/format/core.md §15.2), given a way to the objects below it. */
import { assert, describe, it } from "@effect/vitest"
import { blake3 } from "@noble/hashes/blake3.js"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import { BlobStore } from "../../src/services/BlobStore.ts"
import { ObjectStore } from "../../src/services/ObjectStore.ts"

/** A blob and its hash, by a library of its own. */
export const blobOf = (text: string) => {
  const bytes = Bytes.fromUtf8(text)
  return { bytes, hash: Hash.unsafeFromBytes(blake3(bytes)) }
}

/** `packed` leaves out what holds only where every blob is an object of its own. */
export const suite = <E = never>(
  name: string,
  layer: Layer.Layer<BlobStore | ObjectStore, E>,
  { packed = false }: { readonly packed?: boolean } = {}
) =>
  describe(`a blob store (${name})`, () => {
    const fact = <F>(text: string, effect: Effect.Effect<void, F, BlobStore | ObjectStore>) =>
      it.scopedLive(text, () => Effect.provide(effect, layer))
    const listed = (blobs: BlobStore["Type"]) =>
      Effect.map(Stream.runCollect(blobs.list), (found) => Chunk.toReadonlyArray(found).map(Hash.toHex).toSorted())
    const hello = blobOf("hello")

    fact(
      "gives back what was put, and knows that it has it",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        for (const { bytes, hash } of [hello, blobOf(""), blobOf("x".repeat(200_000))]) {
          assert.isFalse(yield* blobs.has(hash))
          yield* blobs.put(hash, bytes)
          assert.isTrue(yield* blobs.has(hash))
          assert.deepStrictEqual(yield* blobs.get(hash), bytes)
          yield* blobs.put(hash, bytes)
          assert.deepStrictEqual(yield* blobs.get(hash), bytes)
        }
        yield* blobs.sync
      })
    )

    fact(
      "tells the length of what it has, where it can without reading it",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        if (blobs.size === undefined) return
        const { size } = blobs
        for (const { bytes, hash } of [hello, blobOf(""), blobOf("x".repeat(200_000))]) {
          assert.isUndefined(yield* size(hash))
          yield* blobs.put(hash, bytes)
          assert.strictEqual(yield* size(hash), bytes.length)
          yield* blobs.sync
          assert.strictEqual(yield* size(hash), bytes.length)
          yield* blobs.remove(hash)
          assert.isUndefined(yield* size(hash))
        }
      })
    )

    fact(
      "answers Missing to a blob that it does not have, naming it",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        const error = yield* Effect.flip(blobs.get(hello.hash))
        assert.strictEqual(error.reason, "Missing")
        assert.include(error.message, Hash.toHex(hello.hash))
      })
    )

    fact(
      "lists every blob and nothing else",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        const objects = yield* ObjectStore
        const put = Array.from({ length: 30 }, (_, i) => blobOf(`blob ${i}`))
        yield* Effect.forEach(put, ({ bytes, hash }) => blobs.put(hash, bytes), { concurrency: 8, discard: true })
        yield* objects.put("registry/00", hello.bytes)
        yield* objects.put("blob3/.DS_Store", hello.bytes)
        yield* objects.put("blob3/aa/short", hello.bytes)
        yield* objects.put(StorePath.outboard(objects.features, hello.hash), hello.bytes)
        assert.deepStrictEqual(yield* listed(blobs), put.map(({ hash }) => Hash.toHex(hash)).toSorted())
      })
    )

    fact(
      "forgets what was removed, and removing it again is success",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        yield* blobs.put(hello.hash, hello.bytes)
        yield* blobs.get(hello.hash)
        yield* blobs.remove(hello.hash)
        assert.isFalse(yield* blobs.has(hello.hash))
        assert.strictEqual((yield* Effect.flip(blobs.get(hello.hash))).reason, "Missing")
        yield* blobs.remove(hello.hash)
        assert.deepStrictEqual(yield* listed(blobs), [])
      })
    )

    fact(
      "answers Damaged to a flipped byte and to a byte too few or too many",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        const objects = yield* ObjectStore
        const path = StorePath.blob(objects.features, hello.hash)
        const flipped = hello.bytes.slice()
        flipped[2]! ^= 1
        for (const bad of [flipped, hello.bytes.slice(0, 4), Bytes.concat(hello.bytes, new Uint8Array(1))]) {
          yield* objects.put(path, bad)
          const error = yield* Effect.flip(blobs.get(hello.hash))
          assert.strictEqual(error.reason, "Damaged")
          assert.strictEqual(error.blob, Hash.toHex(hello.hash))
        }
      })
    )

    fact(
      "puts a blob anew over what has the wrong length, and does not take an empty file for it",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        const objects = yield* ObjectStore
        const path = StorePath.blob(objects.features, hello.hash)
        yield* objects.put(path, new Uint8Array(0))
        assert.isFalse(yield* blobs.has(hello.hash))
        for (const length of [0, 4, 6]) {
          yield* objects.put(path, new Uint8Array(length))
          yield* blobs.put(hello.hash, hello.bytes)
          assert.deepStrictEqual(yield* blobs.get(hello.hash), hello.bytes)
        }
      })
    )

    fact(
      "lists, gives and forgets what is behind a barrier, and puts anew what was removed",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        const put = Array.from({ length: 20 }, (_, i) => blobOf(`barrier ${i} ${"z".repeat(i * 40)}`))
        yield* Effect.forEach(put, ({ bytes, hash }) => blobs.put(hash, bytes), { concurrency: 8, discard: true })
        yield* blobs.sync
        yield* blobs.sync
        for (const { bytes, hash } of put) {
          assert.isTrue(yield* blobs.has(hash))
          assert.deepStrictEqual(yield* blobs.get(hash), bytes)
        }
        assert.deepStrictEqual(yield* listed(blobs), put.map(({ hash }) => Hash.toHex(hash)).toSorted())
        for (const { hash } of put.slice(0, 10)) yield* blobs.remove(hash)
        assert.isFalse(yield* blobs.has(put[3]!.hash))
        assert.strictEqual((yield* Effect.flip(blobs.get(put[3]!.hash))).reason, "Missing")
        assert.deepStrictEqual(
          yield* listed(blobs),
          put
            .slice(10)
            .map(({ hash }) => Hash.toHex(hash))
            .toSorted()
        )
        yield* blobs.put(put[3]!.hash, put[3]!.bytes)
        yield* blobs.sync
        assert.deepStrictEqual(yield* blobs.get(put[3]!.hash), put[3]!.bytes)
      })
    )

    fact(
      "keeps its own copy of what was put",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        const bytes = hello.bytes.slice()
        const hash = Hash.unsafeFromBytes(hello.hash.slice())
        yield* blobs.put(hash, bytes)
        bytes.fill(0)
        hash.fill(0)
        const got = yield* blobs.get(hello.hash)
        got.fill(0)
        assert.deepStrictEqual(yield* blobs.get(hello.hash), hello.bytes)
        yield* blobs.sync
        assert.deepStrictEqual(yield* blobs.get(hello.hash), hello.bytes)
      })
    )

    if (packed) return
    fact(
      "writes nothing but the blob, at its path",
      Effect.gen(function* () {
        const blobs = yield* BlobStore
        const objects = yield* ObjectStore
        const large = blobOf("y".repeat(70_000))
        yield* blobs.put(large.hash, large.bytes)
        const paths = Chunk.toReadonlyArray(yield* Stream.runCollect(objects.list("")))
        assert.deepStrictEqual(paths, [StorePath.blob(objects.features, large.hash)])
        // the reference's own example
        yield* blobs.put(hello.hash, hello.bytes)
        const expected = objects.features.caseSensitive
          ? "blob3/6o8WPbOGgpJeRJHF5Y1Ls1Bu-MFOt4qG6QjFYkpnIA8"
          : "blob3/xa/7h/cf/dkgt194qj4j72yb3abpd86xy619tvrn1q9132p4jk7407g"
        assert.deepStrictEqual(yield* objects.get(expected), hello.bytes)
      })
    )
  })

/** Every list of hash.json: hashes, blob ids, multihashes, store paths and outboards. */
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as BlobId from "../../src/schema/BlobId.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Multihash from "../../src/schema/Multihash.ts"
import * as Outboard from "../../src/schema/Outboard.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import { refusal, right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"
import { generate } from "./generators.ts"
import {
  big,
  boolean,
  hex,
  isAbsent,
  type Json,
  load,
  named,
  number,
  object,
  objects,
  text,
  toHex,
  untested,
  whole
} from "./vectors.ts"

const vectors = load("hash.json")
const hashOf = (value: Json | undefined) => right(Hash.fromBytes(hex(value)))

it("no list of hash.json goes unchecked", () => {
  assert.deepStrictEqual(
    untested(vectors, [
      "blake3",
      "blob_ids",
      "blob_ids_accepted",
      "blob_id_byte_rejections",
      "blob_id_text_cases",
      "multihash",
      "store_paths",
      "outboards"
    ]),
    []
  )
})

describe("hash.json blake3", () => {
  for (const [index, vector] of objects(vectors.blake3).entries()) {
    it(`case ${index}: ${number(vector.length)} bytes`, () => {
      const input = generate(vector.input)
      const hash = primitives.blake3(input)
      assert.strictEqual(input.length, number(vector.length))
      assert.strictEqual(Hash.toHex(hash), text(vector.blake3))
      assert.strictEqual(Hash.toShort(hash), text(vector.short))
      assert.deepStrictEqual(right(Hash.fromHex(text(vector.blake3))), hash)
    })
  }
})

describe("hash.json blob_ids", () => {
  for (const [index, vector] of objects(vectors.blob_ids).entries()) {
    it(`case ${index}: ${text(vector.hash_of)}, size ${text(vector.size)}`, () => {
      const id = right(BlobId.make(hashOf(vector.hash), big(vector.size)))
      assert.strictEqual(toHex(BlobId.toBytes(id)), text(vector.bytes))
      assert.strictEqual(BlobId.toText(id), text(vector.display))
      assert.isTrue(BlobId.equals(right(BlobId.fromBytes(hex(vector.bytes))), id))
      assert.isTrue(BlobId.equals(right(BlobId.fromText(text(vector.display))), id))
      for (const encoding of ["base16", "base32", "base58btc", "base64url"] as const) {
        assert.strictEqual(BlobId.toText(id, encoding), text(vector[encoding]))
        assert.isTrue(BlobId.equals(right(BlobId.fromText(text(vector[encoding]))), id), encoding)
      }
    })
  }
})

describe("hash.json blob_ids_accepted: read as the reference reads them, written back in the one canonical way", () => {
  for (const [name, vector] of named(objects(vectors.blob_ids_accepted))) {
    it(name, () => {
      const ids = []
      if (typeof vector.bytes === "string") ids.push(BlobId.fromBytes(hex(vector.bytes)))
      if (typeof vector.text === "string") ids.push(BlobId.fromText(vector.text))
      assert.isNotEmpty(ids)
      for (const id of ids.map(right)) {
        assert.strictEqual(Hash.toHex(id.hash), text(vector.hash))
        assert.strictEqual(id.size, big(vector.size))
        assert.strictEqual(toHex(BlobId.toBytes(id)), text(vector.reencoded_bytes))
      }
    })
  }
})

/** What our message says where the reference's says something. */
const saidAs: ReadonlyArray<readonly [reference: RegExp, ours: RegExp]> = [
  [/invalid length: .*got (\d+)/, /expected at (least|most) \d+ bytes, got \d+/],
  [/invalid magic byte/, /expected the magic byte 5b/],
  [/invalid blob type/, /expected the blob type byte 82/],
  [/invalid multihash type/, /expected the multihash byte 1e/],
  [/Unknown base code/, /no known encoding has the prefix/],
  [/Invalid base string/, /the text is empty|not what the prefix .* announces|a character that no encoding uses/]
]

const expectSaid = (reference: Json | undefined, ours: string) => {
  const expected = saidAs.find(([pattern]) => typeof reference === "string" && pattern.test(reference))?.[1]
  if (expected !== undefined) assert.match(ours, expected)
}

describe("hash.json blob_id_byte_rejections", () => {
  for (const [name, vector] of named(objects(vectors.blob_id_byte_rejections))) {
    it(name, () => expectSaid(vector.error, refusal(BlobId.fromBytes(hex(vector.bytes))).message))
  }
})

describe("hash.json blob_id_text_cases", () => {
  for (const [name, vector] of named(objects(vectors.blob_id_text_cases))) {
    it(name, () => {
      const result = BlobId.fromText(text(vector.text))
      if (isAbsent(vector.accepted)) return expectSaid(vector.error, refusal(result).message)
      const accepted = object(vector.accepted)
      assert.strictEqual(Hash.toHex(right(result).hash), text(accepted.hash))
      assert.strictEqual(right(result).size, big(accepted.size))
    })
  }
})

describe("hash.json multihash", () => {
  for (const [index, vector] of objects(vectors.multihash).entries()) {
    it(`case ${index}: BLAKE3 of ${JSON.stringify(text(vector.utf8))}`, () => {
      const hash = primitives.blake3(Bytes.fromUtf8(text(vector.utf8)))
      assert.strictEqual(toHex(Multihash.toBytes(hash)), text(vector.multihash_payload))
      assert.deepStrictEqual(right(Multihash.fromBytes(hex(vector.multihash_payload))), hash)
    })
  }
})

describe("hash.json store_paths", () => {
  for (const [index, vector] of objects(vectors.store_paths).entries()) {
    const features = {
      caseSensitive: boolean(vector.case_sensitive),
      recommendedMaxDirSize: whole(vector.recommended_max_dir_size)
    }
    it(`case ${index}: ${text(vector.blob_path)}`, () => {
      const hash = hashOf(vector.hash)
      assert.strictEqual(StorePath.blob(features, hash), text(vector.blob_path))
      assert.strictEqual(StorePath.outboard(features, hash), text(vector.obao6_path))
      assert.deepStrictEqual(right(StorePath.hashOfBlob(features, text(vector.blob_path))), Option.some(hash))
      assert.deepStrictEqual(right(StorePath.hashOfBlob(features, text(vector.obao6_path))), Option.none())
    })
  }
})

describe("hash.json outboards", () => {
  for (const [index, vector] of objects(vectors.outboards).entries()) {
    const input = generate(vector.input)
    it(`case ${index}: ${input.length} bytes`, () => {
      const hash = primitives.blake3(input)
      const outboard = Outboard.outboard(input)
      assert.strictEqual(Hash.toHex(hash), text(vector.hash))
      assert.strictEqual(outboard.length, number(vector.outboard_length))
      assert.strictEqual(Outboard.lengthOf(input.length), number(vector.outboard_length))
      assert.strictEqual(Hash.toHex(primitives.blake3(outboard)), text(vector.outboard_blake3))
      if (typeof vector.outboard === "string") assert.strictEqual(toHex(outboard), vector.outboard)
      const blob = { hash, size: input.length, outboard }
      for (let at = 0, group = 0; group === 0 || at < input.length; group++, at += Outboard.groupSize) {
        assert.isTrue(Outboard.verifyGroup(blob, group, input.subarray(at, at + Outboard.groupSize)), `group ${group}`)
      }
    })
  }
})

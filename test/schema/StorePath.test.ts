import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import { refusal, right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"

const hello = primitives.blake3(Bytes.fromUtf8("hello"))
const local: StorePath.StoreFeatures = { caseSensitive: false, recommendedMaxDirSize: 1024 }
const flat: StorePath.StoreFeatures = { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY }
const split: StorePath.StoreFeatures = { caseSensitive: true, recommendedMaxDirSize: 9999 }

describe("StorePath", () => {
  const goldens: ReadonlyArray<readonly [features: StorePath.StoreFeatures, path: string]> = [
    [local, "blob3/xa/7h/cf/dkgt194qj4j72yb3abpd86xy619tvrn1q9132p4jk7407g"],
    [flat, "blob3/6o8WPbOGgpJeRJHF5Y1Ls1Bu-MFOt4qG6QjFYkpnIA8"],
    [split, "blob3/6o/8W/PbOGgpJeRJHF5Y1Ls1Bu-MFOt4qG6QjFYkpnIA8"]
  ]
  for (const [features, path] of goldens) {
    it(`BLAKE3 of "hello" lies at ${path}`, () => {
      assert.strictEqual(StorePath.blob(features, hello), path)
      assert.strictEqual(StorePath.outboard(features, hello), path.replace("blob3", "obao6"))
      assert.deepStrictEqual(right(StorePath.hashOfBlob(features, path)), Option.some(hello))
    })
  }

  const none: ReadonlyArray<readonly [features: StorePath.StoreFeatures, path: string, why: string]> = [
    [local, "other/prefix", "another prefix"],
    [local, "blob3", "no name"],
    [local, "blob3/", "an empty name"],
    [local, "blob3///", "a name of slashes"],
    [local, "blob3/!!!!", "characters outside the alphabet"],
    [local, "blob3/xa7hcfdkgt194qj4j72yb3abpd86xy619tvrn1q9132p4jk7407g", "not cut into folders"],
    [local, "blob3/xa7h/cf/dkgt194qj4j72yb3abpd86xy619tvrn1q9132p4jk7407g", "cut elsewhere"],
    [local, "blob3/XA/7H/CF/DKGT194QJ4J72YB3ABPD86XY619TVRN1Q9132P4JK7407G", "upper case"],
    [local, "blob3/xa/7h/cf/dkgt194qj4j72yb3abpd86xy619tvrnlq9132p4jk7407g", "the letter l for the digit 1"],
    [local, "blob3/xa/7h/cf/dkgt194qj4j72yb3abpd86xy619tvrn1q9132p4jk7407h", "left-over bits that are not zero"],
    [local, "blob3/xa/7h/cf/dkgt194qj4j72yb3abpd86xy619tvrn1q9132p4jk740", "too short"],
    [local, "blob3/xa/7h/cf/dkgt194qj4j72yb3abpd86xy619tvrn1q9132p4jk7407g/", "a slash at the end"],
    [flat, "blob3/6o/8W/PbOGgpJeRJHF5Y1Ls1Bu-MFOt4qG6QjFYkpnIA8", "cut into folders where that is not done"],
    [flat, "blob3/AAAA", "three bytes"],
    [flat, "Blob3/6o8WPbOGgpJeRJHF5Y1Ls1Bu-MFOt4qG6QjFYkpnIA8", "another case of the prefix"]
  ]
  for (const [features, path, why] of none) {
    it(`${path} is no blob's path: ${why}`, () => {
      assert.deepStrictEqual(right(StorePath.hashOfBlob(features, path)), Option.none())
    })
  }

  for (const name of [
    "!!!",
    "6o8WPbOGgpJeRJHF5Y1Ls1Bu-MFOt4qG6QjFYkpnIA9",
    "6o8WPbOGgpJeRJHF5Y1Ls1Bu-MFOt4qG6QjFYkpnIA8="
  ]) {
    it(`blob3/${name} in a case-sensitive store is an error: no base64url`, () => {
      assert.include(refusal(StorePath.hashOfBlob(flat, `blob3/${name}`)).message, "base64url")
    })
  }

  it("every path reads back to its hash, and no other path does", () => {
    const features = FastCheck.constantFrom(local, flat, split, { caseSensitive: false, recommendedMaxDirSize: 10_000 })
    FastCheck.assert(
      FastCheck.property(
        features,
        FastCheck.uint8Array({ minLength: 32, maxLength: 32 }),
        FastCheck.nat(),
        FastCheck.constantFrom(..."/0AZaz_-!"),
        (features, bytes, position, character) => {
          const path = StorePath.blob(features, Hash.unsafeFromBytes(bytes))
          assert.deepStrictEqual(right(StorePath.hashOfBlob(features, path)), Option.some(Hash.unsafeFromBytes(bytes)))
          const at = position % path.length
          const other = path.slice(0, at) + character + path.slice(at + 1)
          const read = StorePath.hashOfBlob(features, other)
          if (read._tag === "Right" && read.right._tag === "Some") {
            assert.strictEqual(StorePath.blob(features, read.right.value), other)
          }
        }
      )
    )
  })
})

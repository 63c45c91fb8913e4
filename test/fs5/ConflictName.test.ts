import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as ConflictName from "../../src/fs5/ConflictName.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"

const digits = "7f3a9c21d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f"
const id = Hash.unsafeFromBytes(Uint8Array.from(Buffer.from(digits, "hex")))
const other = Hash.unsafeFromBytes(new Uint8Array(32).fill(0xee))

const nameOf = (key: string | undefined) => key?.split("/").at(key.endsWith("/") ? -2 : -1) ?? ""

describe("ConflictName", () => {
  it.each([
    ["report.txt", "report (conflict 7f3a9c21).txt"],
    ["dir/sub.d/report", "dir/sub.d/report (conflict 7f3a9c21)"],
    ["a/b.tar.gz", "a/b.tar (conflict 7f3a9c21).gz"],
    [".profile", ".profile (conflict 7f3a9c21)"],
    ["dir/.a.b", "dir/.a (conflict 7f3a9c21).b"],
    ["ends.", "ends. (conflict 7f3a9c21)"],
    ["mount/", "mount (conflict 7f3a9c21)/"],
    [`x.${"e".repeat(40)}`, `x.${"e".repeat(40)} (conflict 7f3a9c21)`]
  ])("%s stands beside itself as %s", (key, expected) => {
    assert.strictEqual(ConflictName.of(key, id, 0), expected)
  })

  it("is lengthened by four digits at a time, then numbered, and never repeats", () => {
    const all = Array.from({ length: 40 }, (_, attempt) => ConflictName.of("a.txt", id, attempt))
    assert.strictEqual(all[1], "a (conflict 7f3a9c21d4e5).txt")
    assert.strictEqual(all[14], `a (conflict ${digits}).txt`)
    assert.strictEqual(all[15], `a (conflict ${digits}-2).txt`)
    assert.strictEqual(all[16], `a (conflict ${digits}-3).txt`)
    assert.strictEqual(new Set(all).size, 40)
  })

  it("a conflict copy is lengthened, not suffixed again, unless it holds other content", () => {
    for (let attempt = 0; attempt < 20; attempt++) {
      const copy = ConflictName.of("dir/a.txt", id, attempt)!
      assert.isTrue(ConflictName.isOwn(copy, id), copy)
      assert.isFalse(ConflictName.isOwn(copy, other), copy)
      assert.strictEqual(ConflictName.of(copy, id, 3), ConflictName.of("dir/a.txt", id, 3))
    }
    assert.strictEqual(
      ConflictName.of("a (conflict 7f3a9c21).txt", other, 0),
      "a (conflict 7f3a9c21) (conflict eeeeeeee).txt"
    )
    for (const key of ["a", "a (conflict 7f3a).txt", "a (conflict 7f3a9c21)x", " (conflict 7f3a9c21)"]) {
      assert.isFalse(ConflictName.isOwn(key, id), key)
    }
  })

  it("any name gives one of at most 255 bytes in whole code points, in the same folder, with the same extension", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(FastCheck.constantFrom("a", "é", "漢", "😀", ".", " "), { minLength: 1, maxLength: 300 }),
        FastCheck.constantFrom("", ".md", ".été"),
        FastCheck.nat(18),
        (letters, extension, attempt) => {
          const key = `dir/${letters.join("")}${extension}`
          const copy = ConflictName.of(key, id, attempt)!
          assert.isTrue(copy.startsWith("dir/"))
          assert.isAtMost(Buffer.byteLength(nameOf(copy)), 255)
          assert.strictEqual(Buffer.from(copy).toString(), copy)
          if (extension !== "") assert.isTrue(copy.endsWith(`)${extension}`), copy)
          const stem = nameOf(copy).slice(0, nameOf(copy).lastIndexOf(" (conflict "))
          assert.isTrue(nameOf(key).startsWith(stem))
          // a code point has at most four bytes
          if (!nameOf(key).startsWith(`${stem}${extension}`)) assert.isAtLeast(Buffer.byteLength(nameOf(copy)), 252)
          assert.strictEqual(ConflictName.of(copy, id, attempt), copy)
        }
      ),
      { numRuns: 500 }
    )
  })

  it("a folder whose path leaves no room for a key is refused", () => {
    const deep = `${"d".repeat(65_515)}/`
    assert.isUndefined(ConflictName.of(`${deep}a`, id, 0))
    const fits = ConflictName.of(`${"d".repeat(65_500)}/abcdefghijklmnopqrstuvwxyz`, id, 0)!
    assert.strictEqual(Bytes.fromUtf8(fits).length, 65_536)
  })
})

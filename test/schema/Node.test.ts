import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Node from "../../src/schema/Node.ts"
import * as Arbitrary from "./arbitraries.ts"

const hex = (text: string) => Either.getOrThrow(Bytes.fromHex(text))
const refusal = (bytes: Uint8Array) => Either.getOrThrow(Either.flip(Node.decode(bytes)))

const header = "836653352e70726fa200000100"
const entryA = (entry: string) => hex(`${header}a16161${entry}`)

const byUtf8 = (a: readonly [string, unknown], b: readonly [string, unknown]) =>
  Buffer.compare(Buffer.from(a[0]), Buffer.from(b[0]))

describe("Node", () => {
  it("every node is read as it was written, its entries in the order of their UTF-8 bytes", () => {
    fc.assert(
      fc.property(Arbitrary.node, (node) => {
        const bytes = Node.encode(node)
        const read = Either.getOrThrow(Node.decode(bytes))
        expect(read).toEqual({ ...node, entries: [...node.entries].sort(byUtf8) })
        expect(Node.encode(read)).toEqual(bytes)
      }),
      { numRuns: 300 }
    )
  })

  it("a cut node is refused, never misread", () => {
    fc.assert(
      fc.property(Arbitrary.node, fc.nat(), (node, cut) => {
        const bytes = Node.encode(node)
        expect(Either.isLeft(Node.decode(bytes.subarray(0, cut % bytes.length)))).toBe(true)
      })
    )
  })

  it("a node with changed bytes is refused or read as something that is written and read again", () => {
    fc.assert(
      fc.property(Arbitrary.node, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1 }), (node, changes) => {
        const bytes = Node.encode(node)
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte
        const read = Node.decode(bytes)
        if (Either.isRight(read)) expect(Node.decode(Node.encode(read.right))).toEqual(read)
      }),
      { numRuns: 500 }
    )
  })

  it("a decoded node keeps nothing of the bytes that it was read from", () => {
    const bytes = Node.encode({
      header: { level: 0, kind: "namespace" },
      entries: [["a", { content: { structural: "leaf", hash: Hash.zero, size: 1n } }]]
    })
    const node = Either.getOrThrow(Node.decode(bytes))
    bytes.fill(0xff)
    expect(node.entries[0]?.[1].content?.hash).toEqual(Hash.zero)
  })

  it("two entries with one key cannot be written", () => {
    const entries = [
      ["a", {}],
      ["b", {}],
      ["a", { tombstone: {} }]
    ] as const
    expect(() => Node.encode({ header: { level: 0, kind: "namespace" }, entries })).toThrow(RangeError)
  })

  it("a name without UTF-8 form cannot be written", () => {
    expect(() => Node.encode({ header: { level: 0, kind: "namespace" }, entries: [["\ud800", {}]] })).toThrow(
      RangeError
    )
  })

  it("numbers that the format cannot hold cannot be written", () => {
    const write = (timestamp: number) => () =>
      Node.encode({ header: { level: 0, kind: "namespace" }, entries: [["a", { tombstone: { timestamp } }]] })
    for (const timestamp of [-1, 0x1_0000_0000, 0.5, Number.NaN]) expect(write(timestamp)).toThrow(RangeError)
  })

  it.each([
    ["a compression that is reserved for ever", "a102a101a1008202a10007", "CompressionStrategy"],
    ["an unknown compression", "a102a101a1008204a0", "CompressionStrategy"],
    ["an unknown encryption", "a102a101a10282030e", "EncryptionStrategy"],
    ["an unknown chunking", "a102a1038207a0", "FileChunkingStrategy"],
    ["an unknown chunking algorithm", "a102a1038202a100a4000101192000021a00010000031a00020000", "CdcAlgorithm"],
    ["an unknown kind of content", `a100a30009015820${"11".repeat(32)}0205`, "ContentRef.structural"],
    ["an unknown file type", "a101a103a1000f", "FileType"]
  ])("%s is refused even in an optional field, where absent would mean something else", (_, entry, what) => {
    expect(refusal(entryA(entry)).problem).toMatch(new RegExp(`unknown variant \\d+ of ${what}`))
  })

  it("another magic is refused, so that no other file passes for a node", () => {
    expect(refusal(hex("83625336a200000100a0")).problem).toContain("S5.pro")
  })

  it("zeros behind a node are padding, anything else is refused with its offset", () => {
    expect(Either.isRight(Node.decode(hex(`${header}a00000`)))).toBe(true)
    expect(refusal(hex(`${header}a0000001`)).at).toBe("byte 16")
  })

  it("null in an optional field is an absent field", () => {
    expect(Either.getOrThrow(Node.decode(entryA("a300f601f603a0"))).entries).toEqual([["a", { tombstone: {} }]])
  })

  it("the error names the field and the byte", () => {
    const error = refusal(entryA(`a100a3000001581f${"11".repeat(31)}0205`))
    expect(error.at).toBe("byte 22")
    expect(error.message).toContain("ContentRef.hash: expected 32 bytes, got 31")
  })

  it.each([
    ["entries", `${header}bbffffffffffffffff`],
    ["entries just above what is there", `${header}a26161a0`],
    ["text", "837bffffffffffffffff"],
    ["text of 4 GiB", "837affffffff"],
    ["a byte string", `${header}a16161a100a30000015bffffffffffffffff`],
    ["key integers", `${header}a16161a102a100a10e9bffffffffffffffff`],
    ["attribute bytes", `${header}a16161a101a103a10a81a20060019affffffff`]
  ])("a length of %s that the bytes do not hold is refused before anything is allocated", (_, text) => {
    expect(Either.isLeft(Node.decode(hex(text)))).toBe(true)
  })

  it.each([
    ["arrays", "81"],
    ["maps", "a100"],
    ["indefinite arrays", "9f"],
    ["tags", "c0"]
  ])("a million nested %s in an unknown field are refused", (_, unit) => {
    const bomb = Bytes.concat(hex("836653352e70726fa30000010009"), hex(unit.repeat(1_000_000 / unit.length)))
    expect(refusal(bomb).problem).toMatch(/nested/)
  })

  it("unknown fields may hold any well-formed CBOR", () => {
    for (const item of [
      "f97e00",
      "fb3ff0000000000000",
      "c11a514b67b0",
      "5f4101ff",
      "7f6161ff",
      "9f01ff",
      "bf0102ff",
      "f7",
      "f820"
    ])
      expect(Either.isRight(Node.decode(hex(`836653352e70726fa30000010009${item}a0`)))).toBe(true)
    for (const item of ["ff", "1c", "5f6161ff", "5f5f4101ffff", "fc"])
      expect(Either.isLeft(Node.decode(hex(`836653352e70726fa30000010009${item}a0`)))).toBe(true)
  })

  it("a key of 64 KiB is read and written, a longer one is not", () => {
    const node = (length: number): Node.Node => ({
      header: { level: 0, kind: "namespace" },
      entries: [["k".repeat(length), {}]]
    })
    expect(Either.getOrThrow(Node.decode(Node.encode(node(65_536))))).toEqual(node(65_536))
    expect(() => Node.encode(node(65_537))).toThrow(RangeError)
    const longer = Bytes.concat(hex(`${header}a17a00010001`), new Uint8Array(65_537).fill(0x6b), hex("a0"))
    expect(refusal(longer).problem).toContain("65537")
  })
})

import { blake3 } from "@noble/hashes/blake3.js"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Node from "../../src/schema/Node.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as Arbitrary from "./arbitraries.ts"

const hash = (byte: number) => Hash.unsafeFromBytes(new Uint8Array(32).fill(byte))
const filled = (byte: number) => new Uint8Array(32).fill(byte)
const decode = (bytes: Uint8Array) => Either.getOrThrow(TransparentNode.decode(bytes))

const withEntries = (entries: Node.Node["entries"], kind: Node.NodeKind = "transparent") =>
  Node.encode({ header: { level: 0, kind }, entries })
const link: Node.NodeEntry = { content: { structural: "link", hash: hash(1), size: 0n } }

describe("TransparentNode", () => {
  it("a local one has the length and hash of docs/format/node.md §0.6", () => {
    const { chunking: _, ...context } = TraversalContext.vaultRoot({
      leaf: filled(0xaa),
      node: filled(0xbb),
      recovery: filled(0x07)
    })
    const bytes = TransparentNode.encode(
      TransparentNode.make({ root: hash(0x42), plaintextHash: hash(0x09), context, history: [] })
    )
    expect(bytes.length).toBe(299)
    expect(Bytes.toHex(blake3(bytes))).toBe("c944f77eddc6ce537343ed187ea359ba0351d868e1ee6bb6eb1f54f264a693a1")
  })

  it("a plain one is the bytes of docs/format/node.md §0.6", () => {
    const node = TransparentNode.make({ root: hash(0x42), context: TraversalContext.plain, history: [] })
    expect(Bytes.toHex(TransparentNode.encode(node))).toBe(
      `836653352e70726fa200000102a160a200a300010158204${"24".repeat(31)}2020002a0`
    )
  })

  it("a history entry holds the hash of the published blob and nothing else", () => {
    const node = TransparentNode.make({
      root: hash(0x42),
      context: TraversalContext.plain,
      history: [{ key: "unknown", hash: hash(0x63) }]
    })
    expect(Bytes.toHex(TransparentNode.encode(node))).toContain(
      `67${Bytes.toHex(Bytes.fromUtf8("unknown"))}a100a3000001`
    )
    expect(Bytes.toHex(TransparentNode.encode(node))).toMatch(new RegExp(`a100a300000158206${"36".repeat(31)}30200$`))
  })

  it("everything that is written is read again", () => {
    const times = fc.uniqueArray(fc.bigInt({ min: 0n, max: 4_102_444_800_000_000_000n }), { maxLength: 6 })
    fc.assert(
      fc.property(
        Arbitrary.hash,
        fc.option(Arbitrary.hash, { nil: undefined }),
        Arbitrary.context,
        times,
        fc.option(fc.nat(), { nil: undefined }),
        (root, plaintextHash, context, superseded, publishedAt) => {
          const ascending = [...superseded].sort((a, b) => (a < b ? -1 : 1))
          const node = TransparentNode.make({
            root,
            ...(plaintextHash !== undefined && { plaintextHash }),
            context,
            history: superseded.map((time, index) => ({ key: TransparentNode.historyKey(time), hash: hash(index) })),
            ...(publishedAt !== undefined && { publishedAt })
          })
          const bytes = TransparentNode.encode(node)
          const read = decode(bytes)
          expect(TransparentNode.root(read)).toEqual(root)
          expect(TransparentNode.plaintextHash(read)).toEqual(plaintextHash)
          expect(TransparentNode.context(read)).toEqual(context)
          expect(TransparentNode.publishedAt(read)).toBe(publishedAt)
          expect(TransparentNode.history(read).map((item) => TransparentNode.parseHistoryKey(item.key))).toEqual(
            ascending
          )
          expect(TransparentNode.encode(read)).toEqual(bytes)
        }
      )
    )
  })

  it("what it does not know about survives being read and written", () => {
    const bytes = withEntries([
      [
        "",
        {
          content: { structural: "link", hash: hash(1), size: 9n, storedBlocks: 3n },
          semantic: { timestamp: 5, mediaType: "x/y" },
          childContext: {}
        }
      ],
      [
        "2026-01-01T00:00:00Z",
        { content: { structural: "leaf", hash: hash(2), size: 7n }, semantic: { timestamp: 1 } }
      ],
      ["odd", { tombstone: { timestamp: 3 } }],
      ["odder", { content: { structural: "link", hash: hash(4), size: 0n }, childContext: {} }]
    ])
    const node = decode(bytes)
    expect(node.history.map((item) => item.hash)).toEqual([hash(2)])
    expect(TransparentNode.encode(node)).toEqual(bytes)
  })

  it("the recovery secret is the key in slot 0x12, and does not print itself", () => {
    const secret = TransparentNode.recoverySecret(
      TransparentNode.make({ root: hash(1), context: TraversalContext.plainWithRecovery(filled(7)), history: [] })
    )
    expect(secret && Redacted.value(secret)).toEqual(filled(7))
    expect(String(secret)).not.toContain("7")
    expect(
      TransparentNode.recoverySecret(
        TransparentNode.make({ root: hash(1), context: TraversalContext.plain, history: [] })
      )
    ).toBeUndefined()
  })

  it("an absent context reads as the empty one", () => {
    expect(decode(withEntries([["", link]])).context).toEqual({})
  })

  it("a context that is absent stays absent, and one that says nothing stays there", () => {
    for (const root of [link, { ...link, childContext: {} }]) {
      const bytes = withEntries([["", root]])
      expect(TransparentNode.encode(decode(bytes))).toEqual(bytes)
    }
  })

  it.each([
    ["a node of another kind", withEntries([["", link]], "namespace"), "header.kind"],
    ["a node without the empty key", withEntries([["a", link]]), 'entries[""]'],
    ["a root without content", withEntries([["", {}]]), 'entries[""].content'],
    [
      "a root that is a leaf",
      withEntries([["", { content: { structural: "leaf", hash: hash(1), size: 0n } }]]),
      'entries[""].content'
    ],
    ["a deleted root", withEntries([["", { ...link, tombstone: {} }]]), 'entries[""]']
  ])("%s is refused", (_, bytes, at) => {
    expect(Either.getOrThrow(Either.flip(TransparentNode.decode(bytes))).at).toBe(at)
  })
})

describe("history keys", () => {
  it.each([
    [0n, "1970-01-01T00:00:00.000000000Z"],
    [1_700_000_000_123_456_789n, "2023-11-14T22:13:20.123456789Z"],
    [-1n, "1969-12-31T23:59:59.999999999Z"],
    [1_700_000_000_500, "2023-11-14T22:13:20.500000000Z"],
    [10n ** 30n, "unknown"],
    [Number.NaN, "unknown"]
  ])("%s is %s", (time, key) => {
    expect(TransparentNode.historyKey(time)).toBe(key)
  })

  it("every time that has a key is read from it again", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -62_167_219_200n * 10n ** 9n, max: 253_402_300_799n * 10n ** 9n }), (time) => {
        expect(TransparentNode.parseHistoryKey(TransparentNode.historyKey(time))).toBe(time)
      })
    )
  })

  it.each([
    ["2026-03-01T12:00:56.5Z", Date.parse("2026-03-01T12:00:56.500Z")],
    ["2026-03-01T12:00:56Z", Date.parse("2026-03-01T12:00:56Z")],
    ["2026-03-01T14:00:56+02:00", Date.parse("2026-03-01T12:00:56Z")],
    ["2026-03-01T10:30:56.25-01:30", Date.parse("2026-03-01T12:00:56.250Z")],
    ["2024-02-29T23:59:60Z", Date.parse("2024-03-01T00:00:00Z")]
  ])("%s is read as a time", (key, millis) => {
    expect(TransparentNode.parseHistoryKey(key)).toBe(BigInt(millis) * 1_000_000n)
  })

  it.each(["unknown", "", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01"])(
    "%j is no time",
    (key) => {
      expect(TransparentNode.parseHistoryKey(key)).toBeUndefined()
    }
  )

  it("history is in the order of time although the reference trims fractions", () => {
    const keys = ["2026-03-01T12:00:56.5Z", "2026-03-01T12:00:56.51Z", "unknown", "2026-03-01T12:00:56Z"]
    const history = keys.map((key, index) => ({ key, hash: hash(index) }))
    expect(TransparentNode.chronological(history).map((item) => item.key)).toEqual([
      "unknown",
      "2026-03-01T12:00:56Z",
      "2026-03-01T12:00:56.5Z",
      "2026-03-01T12:00:56.51Z"
    ])
  })

  it("two publications at one time both stay", () => {
    const first = TransparentNode.addHistory([], 1000n, hash(1))
    const second = TransparentNode.addHistory(first, 1000n, hash(2))
    expect(second.map((item) => [TransparentNode.parseHistoryKey(item.key), item.hash])).toEqual([
      [1000n, hash(1)],
      [1001n, hash(2)]
    ])
    const last = { key: "9999-12-31T23:59:59.999999999Z", hash: hash(3) }
    const full = [
      last,
      { key: "unknown", hash: hash(4) },
      { ...last, hash: hash(5) },
      { key: "unknown", hash: hash(6) }
    ]
    const node = TransparentNode.make({ root: hash(1), context: {}, history: full })
    expect(decode(TransparentNode.encode(node)).history).toHaveLength(4)
  })
})

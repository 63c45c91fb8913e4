/** What hostile bytes and texts do to the decoders: an error or a value, never an exception and never much memory. */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as fc from "fast-check"
import { assert, describe, expect, it } from "vitest"
import * as BlobId from "../../src/schema/BlobId.ts"
import * as BlobLocation from "../../src/schema/BlobLocation.ts"
import * as CborReader from "../../src/schema/CborReader.ts"
import * as DeviceCatalogue from "../../src/schema/DeviceCatalogue.ts"
import * as DeviceKeyset from "../../src/schema/DeviceKeyset.ts"
import * as Did from "../../src/schema/Did.ts"
import { FormatError } from "../../src/schema/FormatError.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as IdentityBundle from "../../src/schema/IdentityBundle.ts"
import * as Node from "../../src/schema/Node.ts"
import * as PairingToken from "../../src/schema/PairingToken.ts"
import * as PinContext from "../../src/schema/PinContext.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RecoveryPhrase from "../../src/schema/RecoveryPhrase.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as ShareLink from "../../src/schema/ShareLink.ts"
import * as StoreEntry from "../../src/schema/StoreEntry.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import * as VaultRef from "../../src/schema/VaultRef.ts"
import { right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"
import * as Arbitrary from "./arbitraries.ts"

const filled = (byte: number) => new Uint8Array(32).fill(byte)
const hash = Hash.unsafeFromBytes(filled(0xab))
const publicKey = PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(filled(1)))

/** Heads that claim much, end early, or are of another kind than what should be there. */
const heads = [0x1b, 0x3b, 0x5b, 0x5f, 0x7b, 0x7f, 0x9b, 0x9f, 0xbb, 0xbf, 0xc0, 0xf6, 0xf7, 0xfb, 0xff]
const change = fc.record({
  kind: fc.constantFrom("set", "insert", "remove", "cut", "repeat", "claim"),
  at: fc.nat(),
  byte: fc.oneof(fc.nat(255), fc.constantFrom(...heads)),
  length: fc.nat(12)
})

type Change = typeof change extends fc.Arbitrary<infer A> ? A : never

const changed = (bytes: Uint8Array, changes: ReadonlyArray<Change>): Uint8Array => {
  let out = [...bytes]
  for (const { at: anywhere, byte, kind, length } of changes) {
    const at = anywhere % (out.length + 1)
    if (kind === "set") out[at] = byte
    else if (kind === "insert") out.splice(at, 0, byte)
    else if (kind === "remove") out.splice(at, length)
    else if (kind === "cut") out = out.slice(0, at)
    else if (kind === "repeat") out.splice(at, 0, ...out.slice(at, at + length))
    else out.splice(at, 9, byte, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, byte)
  }
  return Uint8Array.from(out)
}

const hostile = (valid: fc.Arbitrary<Uint8Array>) =>
  fc.oneof(
    {
      arbitrary: fc.tuple(valid, fc.array(change, { maxLength: 4 })).map(([bytes, all]) => changed(bytes, all)),
      weight: 9
    },
    { arbitrary: fc.uint8Array({ maxLength: 60 }), weight: 1 }
  )

type Decode<I, A> = (input: I) => Either.Either<A, FormatError>

/** Decodes, and what is accepted must be the same value after it was written and read once more. */
const survives =
  <I, A>(decode: Decode<I, A>, encode?: (value: A) => I) =>
  (input: I) => {
    const read = decode(input)
    if (Either.isLeft(read)) {
      assert.instanceOf(read.left, FormatError)
      return
    }
    if (encode !== undefined) expect(right(decode(encode(read.right)))).toEqual(read.right)
  }

const bytesCases: ReadonlyArray<
  readonly [name: string, valid: fc.Arbitrary<Uint8Array>, test: (input: Uint8Array) => void]
> = [
  ["nodes", Arbitrary.node.map(Node.encode), survives(Node.decode, Node.encode)],
  [
    "contexts",
    Arbitrary.context.map(TraversalContext.encode),
    survives(TraversalContext.decode, TraversalContext.encode)
  ],
  [
    "transparent nodes",
    Arbitrary.context.map((context) =>
      TransparentNode.encode(
        TransparentNode.make({
          root: hash,
          plaintextHash: hash,
          context,
          history: [{ key: "2026-01-01T00:00:00Z", hash }]
        })
      )
    ),
    survives(TransparentNode.decode, TransparentNode.encode)
  ],
  [
    "blob locations",
    fc.constant(
      BlobLocation.encode({
        _tag: "EncryptionXChaCha20Poly1305",
        inner: { _tag: "Compression", algorithm: "zstd", inner: { _tag: "Url", url: "https://example.com" } },
        key: filled(9),
        blockSize: 262_144n
      })
    ),
    survives(BlobLocation.decode, BlobLocation.encode)
  ],
  [
    "identity bundles",
    fc.constant(
      IdentityBundle.encode({
        version: 1,
        revision: 7n,
        signers: [filled(1)],
        aclKeys: [],
        irohPublicKeys: [filled(200), filled(3)],
        ageRecipients: ["age1example"]
      })
    ),
    survives(IdentityBundle.decode, IdentityBundle.encode)
  ],
  [
    "device catalogues",
    fc.constant(
      DeviceCatalogue.encode(
        new Map([["__proto__", { signing: filled(1), acl: filled(2), iroh: filled(3), ageRecipient: "age1" }]])
      )
    ),
    survives(DeviceCatalogue.decode, DeviceCatalogue.encode)
  ],
  [
    "device keysets",
    fc.constant(DeviceKeyset.encode({ iroh: filled(1), sign: filled(2), acl: filled(255) })),
    survives(DeviceKeyset.decode, DeviceKeyset.encode)
  ],
  [
    "store entries",
    fc.constant(StoreEntry.encode({ kind: 3, config: new Map([["path", "/x"]]), credential: filled(4) })),
    survives(StoreEntry.decode, StoreEntry.encode)
  ],
  [
    "pin sets",
    fc.constant(PinContext.encodeSet([{ _tag: "NodeId", id: filled(5) }, { _tag: "LocalFsHead" }])),
    survives(PinContext.decodeSet, PinContext.encodeSet)
  ],
  ["blob ids", fc.constant(BlobId.toBytes({ hash, size: 12_345n })), survives(BlobId.fromBytes, BlobId.toBytes)],
  [
    "stream keys",
    fc.constantFrom(
      StreamKey.toStorageKey(StreamKey.blake3HashPin(hash)),
      StreamKey.toStorageKey(StreamKey.vault(publicKey, VaultId.unsafeFromBytes(new Uint8Array(16))))
    ),
    survives(StreamKey.fromStorageKey, StreamKey.toStorageKey)
  ],
  [
    "registry messages",
    fc.constantFrom(
      RegistryEntry.toBytes(
        right(
          RegistryEntry.sign(primitives, filled(1), {
            vaultId: VaultId.unsafeFromBytes(new Uint8Array(16)),
            revision: 1n,
            hash,
            data: filled(7)
          })
        )
      ),
      RegistryEntry.toBytes(
        right(
          RegistryEntry.make({ type: "stream", key: StreamKey.blake3HashPin(hash), revision: 2n ** 64n - 1n, hash })
        )
      )
    ),
    survives(RegistryEntry.parse)
  ]
]

const token: PairingToken.PairingToken = {
  purpose: "friend",
  endpoint: publicKey,
  did: publicKey,
  secret: Redacted.make(filled(9))
}
const link: ShareLink.ShareLink = { label: "pictures", manifest: hash, secret: Redacted.make("AGE-SECRET-KEY-1X") }
const local = { caseSensitive: false, recommendedMaxDirSize: 1024 }

const textCases: ReadonlyArray<readonly [name: string, valid: string, test: (input: string) => void]> = [
  ["blob id texts", BlobId.toText({ hash, size: 5n }), survives(BlobId.fromText, (id) => BlobId.toText(id))],
  ["DIDs", Did.toText(publicKey), survives(Did.fromText, Did.toText)],
  [
    "pairing tokens",
    right(PairingToken.toText(token)),
    survives(PairingToken.fromText, (it) => right(PairingToken.toText(it)))
  ],
  ["share links", right(ShareLink.toText(link)), survives(ShareLink.fromText, (it) => right(ShareLink.toText(it)))],
  [
    "recovery phrases",
    right(RecoveryPhrase.fromEntropy(new Uint8Array(16))),
    survives(RecoveryPhrase.toEntropy, (entropy) => right(RecoveryPhrase.fromEntropy(entropy)))
  ],
  ["vault references", "photos@2026-01-02T0304:a/b", survives(VaultRef.parse)],
  ["store paths", StorePath.blob(local, hash), survives((path) => StorePath.hashOfBlob(local, path))]
]

const utf8 = new TextEncoder()

describe("hostile input", () => {
  it.each(bytesCases)("%s are refused, or read as what is written and read again", (_, valid, test) => {
    fc.assert(fc.property(hostile(valid), test), { numRuns: 800 })
  })

  it.each(textCases)("%s are refused, or read as what is written and read again", (_, valid, test) => {
    // latin1 keeps every byte, also those that are no UTF-8
    const text = hostile(fc.constant(utf8.encode(valid))).map((bytes) => String.fromCharCode(...bytes))
    fc.assert(fc.property(fc.oneof(text, Arbitrary.unicode), test), { numRuns: 800 })
  })
})

const entryHead = [0x83, 0x66, ...utf8.encode("S5.pro"), 0xa2, 0, 0, 1, 0, 0xa1, 0x61, 0x61]
/** A node with one entry "a" that is `head`, a count, and that many `item`s. */
const swollen = (head: ReadonlyArray<number>, item: ReadonlyArray<number>, count: number): Uint8Array => {
  const bytes = new Uint8Array(entryHead.length + head.length + 5 + item.length * count)
  bytes.set([...entryHead, ...head, 0x9a, count >>> 24, (count >>> 16) & 255, (count >>> 8) & 255, count & 255])
  for (let i = 0, at = entryHead.length + head.length + 5; i < count; i++, at += item.length) bytes.set(item, at)
  return bytes
}

describe("hostile sizes", () => {
  const attributes = [0xa1, 0x01, 0xa1, 0x03, 0xa1, 0x0a]

  it("more list items than any node has are refused before they fill the memory", () => {
    const bytes = swollen(attributes, [0xa1, 0, 0x60], CborReader.maxListed + 1)
    const refused = Either.getOrThrow(Either.flip(Node.decode(bytes)))
    expect(refused.problem).toContain(`more than ${CborReader.maxListed} list items`)
  })

  it("a long attribute value is read byte for byte", () => {
    const count = 100_003
    const node = right(Node.decode(swollen([...attributes, 0x81, 0xa2, 0, 0x60, 1], [0x07], count)))
    const value = node.entries[0]?.[1].semantic?.unix?.extendedAttributes?.[0]?.value
    expect(value?.length).toBe(count)
    expect(value?.every((byte) => byte === 7)).toBe(true)
    // its own memory, not a larger one that it is a part of
    expect(value?.buffer.byteLength).toBe(count)
  })

  it("nesting and repetition of what is unknown cost nothing", () => {
    const unknown = (bytes: ReadonlyArray<number>) =>
      Node.decode(Uint8Array.from([0x83, 0x66, ...utf8.encode("S5.pro"), 0xa3, 0, 0, 1, 0, 9, ...bytes, 0xa0]))
    for (const head of [0x81, 0x9f, 0xc0]) {
      expect(Either.isLeft(unknown([...new Uint8Array(100_000).fill(head), 0]))).toBe(true)
    }
    expect(Either.isRight(unknown([...new Uint8Array(60).fill(0x81), 0]))).toBe(true)
  })

  it("keys that are names of an object's own are keys like others", () => {
    const entries = ["__proto__", "constructor", "toString", "\0"].sort().map((key) => [key, {}] as const)
    const node: Node.Node = { header: { level: 0, kind: "namespace" }, entries }
    const read = right(Node.decode(Node.encode(node)))
    expect(read).toEqual(node)
    expect(Object.getPrototypeOf({})).not.toHaveProperty("content")
  })
})

describe("what a struct says twice", () => {
  const decode = (entry: ReadonlyArray<number>) =>
    right(Node.decode(Uint8Array.from([...entryHead, ...entry]))).entries[0]?.[1]
  const semantic = (...fields: ReadonlyArray<number>) => decode([0xa1, 1, ...fields])?.semantic

  it("the last of equal fields counts, and null takes it away again", () => {
    expect(semantic(0xa2, 0, 1, 0, 2)).toStrictEqual({ timestamp: 2 })
    expect(semantic(0xa2, 0, 1, 0, 0xf6)).toStrictEqual({})
    expect(semantic(0xa3, 0, 1, 0, 0xf6, 0, 3)).toStrictEqual({ timestamp: 3 })
    expect(semantic(0xbf, 0, 1, 0x18, 0, 2, 0xff)).toStrictEqual({ timestamp: 2 })
  })

  it("an error names the innermost field", () => {
    const bytes = Uint8Array.from([...entryHead, 0xa1, 1, 0xa1, 3, 0xa1, 2, 0x60])
    expect(Either.getOrThrow(Either.flip(Node.decode(bytes))).problem).toBe(
      "UnixMetadata.uid: expected an integer, got text"
    )
  })
})

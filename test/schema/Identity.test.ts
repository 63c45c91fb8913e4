/** DIDs, cold pointers, pairing tokens and share links. */
import { assert, describe, it } from "@effect/vitest"
import { base64urlnopad } from "@scure/base"
import * as FastCheck from "effect/FastCheck"
import * as Redacted from "effect/Redacted"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as ColdPointer from "../../src/schema/ColdPointer.ts"
import * as Derivation from "../../src/schema/Derivation.ts"
import * as Did from "../../src/schema/Did.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Multibase from "../../src/schema/Multibase.ts"
import * as PairingToken from "../../src/schema/PairingToken.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as ShareLink from "../../src/schema/ShareLink.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { refusal, right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"

const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte)
const publicKeyOf = (byte: number) => PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(filled(32, byte)))

describe("Did", () => {
  const key = PublicKey.unsafeFromBytes(Uint8Array.from({ length: 32 }, (_, i) => i))
  const did = "did:s5:b5uaqaaicamcakbqhbaequcymbuha6earcijrifiwc4mbsgq3dqor4hy"

  it("the example of the specification, both ways and as multikey", () => {
    assert.strictEqual(Did.toText(key), did)
    assert.strictEqual(Did.toMultikey(key), "z6MkeTGwHmLmuCmgg4ABYhzWVh6ZX7hTwWt8gguAretUfc9c")
    assert.deepStrictEqual(right(Did.fromText(did)), key)
  })

  it("another case of the prefix, another codec and other lengths are refused", () => {
    refusal(Did.fromText(did.replace("did:s5", "did:S5")))
    for (const [marker, length] of [
      ["ed02", 32],
      ["1200", 32],
      ["ed01", 31],
      ["ed01", 33],
      ["ed", 0],
      ["ed01", 0]
    ] as const) {
      const bytes = Bytes.concat(right(Bytes.fromHex(marker)), filled(length, 1))
      assert.strictEqual(refusal(Did.fromText(`did:s5:${Multibase.encode("base32", bytes)}`)).at, "key")
    }
  })
})

describe("ColdPointer", () => {
  const pointer = { warm: publicKeyOf(2), nextCold: publicKeyOf(3) }
  const entry = right(ColdPointer.sign(primitives, filled(32, 1), 7n, pointer))

  it("the wire bytes are those of the specification", () => {
    assert.strictEqual(
      Bytes.toHex(RegistryEntry.toBytes(entry)),
      "5ced8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c698f3a99498224b91ff02dab4d966cc20000000000000007611e15f8c564851384843876bc938a0d8f15e7079541803c6af7c98be1e3cdab34dc8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d15a8a83663b94090bd914fa8e6386af45095ed664bbb4a8b8bd1dba846b49d620958408cbbf09fb636a15fbcffa681c5581fa471dd8f76f8027cb69cb0cd7d102"
    )
    assert.deepStrictEqual(right(ColdPointer.fromEntry(primitives, publicKeyOf(1), entry)), pointer)
  })

  it("an entry of another DID, another vault, without data, with a foreign hash or of another length says nothing", () => {
    const vaultId = Derivation.wellKnownVaultId(primitives, Derivation.wellKnownDomain.identityAnchor)
    const at = (content: { vaultId: VaultId.VaultId; hash: Hash.Hash; data?: Uint8Array }) =>
      refusal(
        ColdPointer.fromEntry(
          primitives,
          publicKeyOf(1),
          right(RegistryEntry.sign(primitives, filled(32, 1), { revision: 1n, ...content }))
        )
      ).at
    const data = filled(64, 5)
    const hash = primitives.blake3(data)
    assert.strictEqual(refusal(ColdPointer.fromEntry(primitives, publicKeyOf(9), entry)).at, "key")
    assert.strictEqual(at({ vaultId: VaultId.unsafeFromBytes(filled(16, 1)), hash, data }), "key")
    assert.strictEqual(at({ vaultId, hash }), "data")
    assert.strictEqual(at({ vaultId, hash: Hash.zero, data }), "hash")
    assert.strictEqual(at({ vaultId, hash: primitives.blake3(filled(63, 5)), data: filled(63, 5) }), "data")
  })
})

describe("PairingToken", () => {
  const token: PairingToken.PairingToken = {
    purpose: "friend",
    endpoint: publicKeyOf(4),
    did: publicKeyOf(1),
    secret: Redacted.make(filled(32, 3))
  }

  for (const [purpose, prefix, version] of [
    ["friend", "vup3-", 3],
    ["device", "vupd-", 1]
  ] as const) {
    it(`a ${purpose}'s token is ${prefix} and 97 bytes of version ${version}, and reads back`, () => {
      const text = right(PairingToken.toText({ ...token, purpose }))
      const bytes = Bytes.concat(Uint8Array.of(version), token.endpoint, token.did, filled(32, 3))
      assert.strictEqual(text, prefix + base64urlnopad.encode(bytes))
      const read = right(PairingToken.fromText(text))
      assert.deepStrictEqual(
        { ...read, secret: Redacted.value(read.secret) },
        {
          ...token,
          purpose,
          secret: filled(32, 3)
        }
      )
    })
  }

  it("prefix and version of different kinds, other lengths and other characters are refused without naming the secret", () => {
    const friend = right(PairingToken.toText(token))
    const secretPart = friend.slice(-20)
    for (const text of [
      "",
      friend.replace("vup3-", "vupd-"),
      friend.replace("vup3-", "VUP3-"),
      friend.slice(0, -1),
      `${friend}A`,
      `${friend.slice(0, -1)}=`,
      `${friend.slice(0, -1)}/`,
      `vup3-${"A".repeat(1_000_000)}`
    ]) {
      assert.notInclude(refusal(PairingToken.fromText(text)).message, secretPart)
    }
    refusal(PairingToken.toText({ ...token, secret: Redacted.make(filled(31, 3)) }))
  })

  it("a token shown by accident shows no secret", () => {
    assert.notInclude(JSON.stringify(right(PairingToken.fromText(right(PairingToken.toText(token))))), "3,3,3")
    assert.notInclude(String(token.secret), "3")
  })

  it("the proof is the signature of the specification", () => {
    const message = PairingToken.proofMessage(
      Redacted.make(filled(32, 3)),
      publicKeyOf(1),
      PublicKey.unsafeFromBytes(filled(32, 9))
    )
    assert.strictEqual(message.length, 110)
    assert.strictEqual(
      Bytes.toHex(primitives.ed25519Sign(filled(32, 2), message)),
      "0ec539e43cf5db6deb5604c0f8260a2d7b680a62c448eac2a1412fb1c11ca97448e0a036292abe52b4ca5fa9553a84dda0db2276a808fca52976be27b3328103"
    )
  })
})

describe("ShareLink", () => {
  const manifest = Hash.unsafeFromBytes(filled(32, 0xab))
  const secret = "AGE-SECRET-KEY-16CHAT7UAL2FXFLUU6NHN88NAJYWNNGMMNV26VNUF9S9Z7J95MRGQZDHLW8"
  const m = "ab".repeat(32)

  it("a link is label, hash and secret, and reads back", () => {
    const text = right(ShareLink.toText({ label: "holiday-2024", manifest, secret: Redacted.make(secret) }))
    assert.strictEqual(text, `s5://export/holiday-2024?m=${m}#${secret}`)
    const link = right(ShareLink.fromText(text))
    assert.deepStrictEqual(
      { ...link, secret: Redacted.value(link.secret) },
      { label: "holiday-2024", manifest, secret }
    )
  })

  it("it is cut at the first # and then the first ?, and other parameters are passed over", () => {
    const link = right(ShareLink.fromText(`s5://export/a?x=m=1&m=${m}&y?#a#b?m=0`))
    assert.strictEqual(Redacted.value(link.secret), "a#b?m=0")
    assert.deepStrictEqual(link.manifest, manifest)
  })

  const refused: ReadonlyArray<readonly [text: string, at: string]> = [
    ["", "character 0"],
    [`https://export/a?m=${m}#k`, "character 0"],
    [`S5://export/a?m=${m}#k`, "character 0"],
    [`s5://import/a?m=${m}#k`, "character 5"],
    [`s5://export?m=${m}#k`, "character 5"],
    [`s5://export/a?m=${m}`, "secret"],
    [`s5://export/a?m=${m}#`, "secret"],
    ["s5://export/a#k", "m"],
    ["s5://export/a?n=1#k", "m"],
    [`s5://export/a?m=${m}00#k`, "m"],
    [`s5://export/a?m=${m.slice(1)}#k`, "m"],
    [`s5://export/a?m=${m.replace("a", "g")}#k`, "m"],
    [`s5://export/a?m=${m}&m=${m}#k`, "m"],
    ...["", "1a", "_a", "A", "a b", "a/b", "ü", "a".repeat(65)].map(
      (label) => [`s5://export/${label}?m=${m}#k`, "label"] as const
    )
  ]
  for (const [text, at] of refused) {
    it(`${JSON.stringify(text.replace(m, "…"))} is refused at ${at}`, () => {
      const error = refusal(ShareLink.fromText(text))
      assert.strictEqual(error.at, at)
    })
  }

  it("what is not a label is not written either, and errors never hold the secret", () => {
    const error = refusal(ShareLink.toText({ label: "A", manifest, secret: Redacted.make(secret) }))
    assert.notInclude(error.message, "SECRET")
    assert.notInclude(refusal(ShareLink.fromText(`s5://export/A?m=${m}#${secret}`)).message, "SECRET")
    refusal(ShareLink.toText({ label: "a", manifest, secret: Redacted.make("") }))
  })

  it("no text makes the reader throw", () => {
    const piece = FastCheck.constantFrom("s5://", "export/", "a", "?", "m=", m, "&", "#", "%", "\ud800")
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(piece, { maxLength: 12 }),
        (pieces) => void ShareLink.fromText(pieces.join(""))
      )
    )
  })
})

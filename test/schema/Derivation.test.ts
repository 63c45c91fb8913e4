import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Derivation from "../../src/schema/Derivation.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RecoveryPhrase from "../../src/schema/RecoveryPhrase.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { refusal, right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"

const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte)
const vaultIdOf = (byte: number) => VaultId.unsafeFromBytes(filled(16, byte))
const key = (byte: number) => PublicKey.unsafeFromBytes(filled(32, byte))
const publicKey = (seed: Uint8Array) => primitives.ed25519PublicKey(seed)
const same = (bytes: Uint8Array, hex: string) => assert.strictEqual(Bytes.toHex(bytes), hex)

describe("the derivations of docs/format/core.md §13 that the vectors leave out", () => {
  it("special vaults have their well-known ids", () => {
    const id = (domain: keyof typeof Derivation.wellKnownDomain) =>
      Derivation.wellKnownVaultId(primitives, Derivation.wellKnownDomain[domain])
    same(id("identityVault"), "461c62772631feeb0f1efebecba00b78")
    same(id("identityAnchor"), "698f3a99498224b91ff02dab4d966cc2")
    same(id("config"), "755aecf2960e1174494524c933a8e52c")
    same(id("identitySecrets"), "50506fe8598d899316d663400733ab2c")
  })

  it("vault ids of recovery secrets", () => {
    for (const [byte, id] of [
      [1, "2583e39d2adb71212c39510a72e8641e"],
      [2, "fc0235b2f83cd3afa2f7b0fbef9f59ea"],
      [7, "3215c7ecb669beef09326088abc2af2c"],
      [8, "f03d34d0b7e110a623ca9a2661df8099"],
      [22, "cd647fd960419d2cf86976c7f736373e"]
    ] as const) {
      same(Derivation.vaultId(primitives, filled(32, byte)), id)
    }
  })

  it("discovery keys", () => {
    const first = Derivation.discoverySeed(primitives, filled(32, 5), vaultIdOf(6))
    same(first, "6276f34068fd6987142894236411af9139f31d70b0f3b60c129b67ea12d20df4")
    same(publicKey(first), "b618fa6a50a3f9eb6329c6d29c9e455df87ff0e070af1698ed262017325bc669")
    const id = Derivation.vaultId(primitives, filled(32, 22))
    const second = Derivation.discoverySeed(primitives, filled(32, 11), id)
    same(second, "73256ae58f2f13395d7915838f556ef8a3a2db59c25f10582876147e7b782c23")
    same(publicKey(second), "360a08d03770f1328cf12fb595360c908a483c253a083e1c32ee5d4fefca9281")
  })

  it("the keys of the M3 state", () => {
    const recovery = Derivation.recoverySigningSeed(primitives, filled(32, 7))
    same(recovery, "54526a6ca2f9c3d539c4ac69cd74515e765c60b0a5d34614c5f969a1415ebea9")
    same(publicKey(recovery), "b6605ff78f63933c1da9221d61957e27dc73d90a28ac199fee1c957055c00a44")
    same(
      Derivation.legacyDeviceSeed(primitives, filled(32, 1)),
      "5e8bf1d90123b02154648445590bef72c4f20597901e0bba44bffb128fc23c56"
    )
    same(
      Derivation.testMasterSeed(primitives, filled(32, 1)),
      "2d09f69661ce7518f154eaea8209e68538153c7ac4bb71aa498848e42f815456"
    )
  })

  it("app id, channel binding, blob keys and blinded hash", () => {
    same(Derivation.indexdAppId(primitives), "150dab3b992f761bcbd5ff8d016b5a4bc7d3208faf05313c86050b7ca7360032")
    same(
      Derivation.channelBinding(primitives, filled(32, 1), key(2), key(3)),
      "a4632e373bb436b9970eb9f4b279b0bd30769e0a14edd443694f45f245b0d25b"
    )
    const hello = primitives.blake3(Bytes.fromUtf8("hello"))
    same(
      Derivation.leafKey(primitives, filled(32, 0x5a), hello),
      "cbc630b4a026902c3521564012f8515056a864da0a110e6dbfcb48e723940673"
    )
    same(
      Derivation.nodeKey(primitives, filled(32, 0x5a), hello),
      "62986f417df251473741b9836304eaa6344d7ba9837652ffcaba8b2a79b9616c"
    )
    assert.deepStrictEqual(Derivation.blindedHash(primitives, hello), primitives.blake3(hello))
  })

  it("everything that comes of the phrase of the specification", () => {
    const phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow"
    const master = Derivation.rootMaster(primitives, right(RecoveryPhrase.toEntropy(phrase)))
    same(master, "aeacea8c635c3dfa37580e4f2cd2cff94c6ceccc40692a9de27840d8e872bcf8")
    same(Derivation.coldSeed(primitives, master, 2), "550a1dc84ece403a6888041202c8f3b01266710d15ed01200fee295ce8a624de")
    assert.deepStrictEqual(
      Derivation.nextColdSeed(primitives, Derivation.coldSeed(primitives, master, 1)),
      Derivation.coldSeed(primitives, master, 2)
    )
    const storage = Derivation.storageRootSeed(primitives, master)
    const secret = Derivation.managedStorageSecret(primitives, storage, "indexd", "sia")
    same(secret, "9190b7e2b2c8820a37bd83151a6e2ce79287f6a8100c5c90928b0ac221b976a3")
    same(Derivation.indexdMnemonicEntropy(primitives, secret), "aa3825914c036ba3997a09d6ae526043")
    same(
      Derivation.managedStorageSecret(primitives, storage, "s3", "sia"),
      "3d06b2eac048e58d5f8e5c3df937eb28ea75545422d851f32cd63a31e4d437f0"
    )
  })

  it("the keys of legacy clients", () => {
    const keys = Derivation.legacyClientKeys(
      primitives,
      right(RecoveryPhrase.toLegacySeed(`${"abandon ".repeat(11)}about`))
    )
    same(keys.root, "d3f2d4a584664870f753e201aa8773245be4310ec55329a27a006521588f599e")
    same(keys.fsRoot, "9488e383333adebad52705acd24c9e0edd3b0a5fb02f3d9484610e8edd87cdfd")
    same(keys.transportSecret, "a16db4232ce5fd1e91233077f04182b11822fb6eeab40ebc3f2dae05605ceb12")
    same(keys.syncEncryptionKey, "c8624e137a5c4efd64f0ac1f5813e8ee5aa41a1f7c383dcde6e4262932e1f5dc")
    same(keys.syncSigningSeed, "b5f9a1f97dd0a9506fd9031806593ae834af377b15be6480e9394f965b44238d")
    same(publicKey(keys.syncSigningSeed), "33dc4024eac2a4848f9359e270d4beeb24ec81661930ffe3c074681fd8dd5db3")
  })
})

describe("RecoveryPhrase", () => {
  const phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow"

  it("every 16 bytes are a phrase of twelve words that reads back", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.uint8Array({ minLength: 16, maxLength: 16 }), (entropy) => {
        const phrase = right(RecoveryPhrase.fromEntropy(entropy))
        assert.strictEqual(phrase.split(" ").length, 12)
        assert.deepStrictEqual(right(RecoveryPhrase.toEntropy(phrase)), entropy)
      })
    )
  })

  it("case and white space do not matter", () => {
    assert.deepStrictEqual(
      right(RecoveryPhrase.toEntropy(`  ${phrase.toUpperCase().replaceAll(" ", " \n\t")}\r\n`)),
      filled(16, 0x7f)
    )
  })

  it("the error names the place of a wrong word and not the word, nor any other", () => {
    const error = refusal(RecoveryPhrase.toEntropy(phrase.replace("sausage", "sausagge")))
    assert.strictEqual(error.at, "word 6")
    for (const word of [...phrase.split(" "), "sausagge"]) assert.notInclude(error.message.split(/\W+/), word)
  })

  it("swapped words are refused by the checksum, eleven and thirteen words by their number", () => {
    assert.include(
      refusal(RecoveryPhrase.toEntropy(phrase.replace("legal winner", "winner legal"))).message,
      "checksum"
    )
    assert.include(refusal(RecoveryPhrase.toEntropy(phrase.replace("legal ", ""))).message, "got 11")
    assert.include(refusal(RecoveryPhrase.toEntropy(`${phrase} legal`)).message, "got 13")
  })

  it("no text makes the reader throw", () => {
    FastCheck.assert(FastCheck.property(FastCheck.fullUnicodeString(), (text) => void RecoveryPhrase.toEntropy(text)))
    refusal(RecoveryPhrase.toEntropy(Array.from({ length: 12 }, () => "\ud800").join(" ")))
  })
})

describe("AgeKey", () => {
  const seed = filled(32, 9)

  it("an identity reads back in either case but not in both", () => {
    const text = AgeKey.identity(seed)
    assert.deepStrictEqual(right(AgeKey.identitySeed(text)), seed)
    assert.deepStrictEqual(right(AgeKey.identitySeed(text.toLowerCase())), seed)
    refusal(AgeKey.identitySeed(text.slice(0, 20) + text.slice(20).toLowerCase()))
  })

  it("a wrong character, another prefix and another length are refused by errors that hold no key", () => {
    const text = AgeKey.identity(seed)
    const wrong = text.slice(0, -1) + (text.endsWith("Q") ? "P" : "Q")
    for (const bad of [wrong, text.slice(0, -1), AgeKey.recipient(seed), "", "AGE-SECRET-KEY-1"]) {
      const { message } = refusal(AgeKey.identitySeed(bad))
      assert.notInclude(message, text.slice(17, 25))
    }
    refusal(AgeKey.recipientKey(text))
    refusal(AgeKey.recipientKey(AgeKey.recipient(seed).toUpperCase()))
    assert.strictEqual(right(AgeKey.recipientKey(AgeKey.recipient(seed))).length, 32)
  })
})

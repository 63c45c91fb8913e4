/** Every list of derive.json: ids, keys, phrases, DIDs and channel bindings. */
import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Derivation from "../../src/schema/Derivation.ts"
import * as Did from "../../src/schema/Did.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RecoveryPhrase from "../../src/schema/RecoveryPhrase.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { refusal, right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"
import { hex, isAbsent, load, number, objects, text, toHex, untested } from "./vectors.ts"

const vectors = load("derive.json")
const publicKey = (seed: Uint8Array) => right(PublicKey.fromBytes(primitives.ed25519PublicKey(seed)))

it("no list of derive.json goes unchecked", () => {
  assert.deepStrictEqual(
    untested(vectors, [
      "vault_ids",
      "well_known_vault_ids",
      "discovery_keys",
      "derive_secret",
      "blob_keys",
      "mnemonics",
      "bad_phrases",
      "dids",
      "did_rejections",
      "channel_bindings"
    ]),
    []
  )
})

describe("derive.json vault_ids, with the recovery keys of old", () => {
  for (const vector of objects(vectors.vault_ids)) {
    it(text(vector.recovery_secret), () => {
      const secret = hex(vector.recovery_secret)
      assert.strictEqual(toHex(Derivation.vaultId(primitives, secret)), text(vector.vault_id))
      const seed = Derivation.recoverySigningSeed(primitives, secret)
      assert.strictEqual(toHex(seed), text(vector.recovery_signing_seed))
      assert.strictEqual(toHex(publicKey(seed)), text(vector.recovery_public_key))
    })
  }
})

describe("derive.json well_known_vault_ids", () => {
  for (const vector of objects(vectors.well_known_vault_ids)) {
    it(JSON.stringify(text(vector.domain)), () => {
      assert.strictEqual(toHex(Derivation.wellKnownVaultId(primitives, text(vector.domain))), text(vector.vault_id))
    })
  }
})

describe("derive.json discovery_keys", () => {
  for (const vector of objects(vectors.discovery_keys)) {
    it(`seed ${text(vector.seed)}, vault ${text(vector.vault_id)}`, () => {
      const id = right(VaultId.fromBytes(hex(vector.vault_id)))
      const seed = Derivation.discoverySeed(primitives, hex(vector.seed), id)
      assert.strictEqual(toHex(seed), text(vector.signing_seed))
      assert.strictEqual(toHex(publicKey(seed)), text(vector.public_key))
    })
  }
})

describe("derive.json derive_secret", () => {
  for (const [index, vector] of objects(vectors.derive_secret).entries()) {
    it(`case ${index}: ${JSON.stringify(text(vector.context))}, ${text(vector.input).length / 2} bytes`, () => {
      assert.strictEqual(toHex(primitives.deriveKey(text(vector.context), hex(vector.input))), text(vector.output))
    })
  }
})

describe("derive.json blob_keys", () => {
  for (const [index, vector] of objects(vectors.blob_keys).entries()) {
    it(`case ${index}: ${text(vector.plaintext_hash)}`, () => {
      const hash = right(Hash.fromBytes(hex(vector.plaintext_hash)))
      assert.strictEqual(toHex(Derivation.leafKey(primitives, hex(vector.master), hash)), text(vector.leaf_key))
      assert.strictEqual(toHex(Derivation.nodeKey(primitives, hex(vector.master), hash)), text(vector.meta_key))
    })
  }
})

describe("derive.json mnemonics", () => {
  for (const [index, vector] of objects(vectors.mnemonics).entries()) {
    const phrase = text(vector.phrase)
    const entropy = hex(vector.entropy)
    const words = phrase.trim().split(/\s+/).length
    if (words === RecoveryPhrase.wordCount) {
      it(`case ${index}: the phrase is that of its entropy, both ways`, () => {
        assert.strictEqual(toHex(right(RecoveryPhrase.toEntropy(phrase))), toHex(entropy))
        assert.strictEqual(right(RecoveryPhrase.fromEntropy(entropy)), phrase)
      })
    } else {
      it(`case ${index}: ${words} words are refused, where the reference reads them: none is ever written and keys could collide`, () => {
        assert.include(refusal(RecoveryPhrase.toEntropy(phrase)).message, `expected 12 words, got ${words}`)
        refusal(RecoveryPhrase.fromEntropy(entropy))
      })
    }

    const master = Derivation.rootMaster(primitives, entropy)
    it(`case ${index}: root master, storage root and paper age key`, () => {
      assert.strictEqual(toHex(master), text(vector.root_master))
      assert.strictEqual(toHex(Derivation.storageRootSeed(primitives, master)), text(vector.storage_root_seed))
      const paper = Derivation.paperAgeSeed(primitives, master)
      assert.strictEqual(toHex(paper), text(vector.paper_age_seed))
      assert.strictEqual(AgeKey.identity(paper), text(vector.paper_age_identity))
      assert.strictEqual(AgeKey.recipient(paper), text(vector.paper_age_recipient))
      assert.strictEqual(toHex(right(AgeKey.identitySeed(text(vector.paper_age_identity)))), toHex(paper))
    })
    for (const cold of objects(vector.identity_cold)) {
      it(`case ${index}: cold key of epoch ${number(cold.epoch)}`, () => {
        const seed = Derivation.coldSeed(primitives, master, number(cold.epoch))
        assert.strictEqual(toHex(seed), text(cold.seed))
        assert.strictEqual(toHex(publicKey(seed)), text(cold.public_key))
        assert.strictEqual(Did.toText(publicKey(seed)), text(cold.did))
      })
    }
    for (const managed of objects(vector.managed_storage)) {
      it(`case ${index}: managed storage ${text(managed.kind)} ${JSON.stringify(text(managed.label))}`, () => {
        const root = Derivation.storageRootSeed(primitives, master)
        const secret = Derivation.managedStorageSecret(primitives, root, text(managed.kind), text(managed.label))
        assert.strictEqual(toHex(secret), text(managed.secret))
        assert.strictEqual(
          toHex(Derivation.indexdMnemonicEntropy(primitives, secret)),
          text(managed.indexd_mnemonic_entropy)
        )
      })
    }
  }
})

describe("derive.json bad_phrases are refused, by an error that repeats none of their words", () => {
  for (const [index, vector] of objects(vectors.bad_phrases).entries()) {
    const phrase = text(vector.phrase)
    it(`case ${index}: ${JSON.stringify(phrase)}`, () => {
      const read = RecoveryPhrase.toEntropy(phrase)
      // a good phrase that was typed in another case is read on purpose
      if (Either.isRight(read)) {
        const canonical = right(RecoveryPhrase.fromEntropy(read.right))
        assert.notStrictEqual(phrase.trim(), canonical)
        assert.strictEqual(phrase.trim().toLowerCase().replace(/\s+/g, " "), canonical)
        return
      }
      const { message } = refusal(read)
      const said = message.toLowerCase().split(/\W+/)
      for (const word of phrase.split(" ").filter((word) => word === "zoo" || word === "mnemonic")) {
        assert.notInclude(said, word)
      }
    })
  }
})

describe("derive.json dids", () => {
  for (const vector of objects(vectors.dids)) {
    it(text(vector.did), () => {
      const key = right(PublicKey.fromBytes(hex(vector.public_key)))
      assert.strictEqual(Did.toText(key), text(vector.did))
      assert.strictEqual(Did.toMultikey(key), text(vector.multikey))
      assert.deepStrictEqual(right(Did.fromText(text(vector.did))), key)
      assert.deepStrictEqual(right(Did.fromText(`did:s5:${text(vector.multikey)}`)), key)
    })
  }
})

describe("derive.json did_rejections", () => {
  for (const vector of objects(vectors.did_rejections)) {
    it(JSON.stringify(text(vector.text)), () => {
      const reference = isAbsent(vector.error) ? "" : text(vector.error)
      const ours = reference.startsWith("DID does not start")
        ? /does not begin with did:s5:/
        : reference.startsWith("invalid multibase")
          ? /the text is empty|no known encoding|not what the prefix|a character that no encoding uses/
          : reference.startsWith("expected ed25519-pub")
            ? /ed 01|bytes of key/
            : /./
      assert.match(refusal(Did.fromText(text(vector.text))).message, ours)
    })
  }
})

describe("derive.json channel_bindings", () => {
  for (const [index, vector] of objects(vectors.channel_bindings).entries()) {
    it(`case ${index}`, () => {
      const binding = Derivation.channelBinding(
        primitives,
        hex(vector.nonce),
        right(PublicKey.fromBytes(hex(vector.client_transport_key))),
        right(PublicKey.fromBytes(hex(vector.server_transport_key)))
      )
      assert.strictEqual(toHex(binding), text(vector.binding))
      const message = Derivation.channelProofMessage(binding)
      assert.strictEqual(toHex(message), text(vector.signed_message))
      assert.strictEqual(toHex(publicKey(hex(vector.acl_seed))), text(vector.acl_public_key))
      const signature = primitives.ed25519Sign(hex(vector.acl_seed), message)
      assert.strictEqual(Bytes.toHex(signature), text(vector.signature))
      assert.isTrue(primitives.ed25519Verify(hex(vector.acl_public_key), message, signature))
    })
  }
})

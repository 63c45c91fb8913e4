/**
 * Every key and id that is derived from another (docs/format/core.md §13, whose row numbers are given here).
 *
 * "Seed" means 32 bytes from which `Primitives.ed25519PublicKey` gives the public key. Secrets go in and come out as
 * plain bytes; wrap them at the edge.
 *
 * @since 0.1.0
 */
import * as Bytes from "./Bytes.ts"
import type * as Hash from "./Hash.ts"
import type { Primitives } from "./Primitives.ts"
import type { PublicKey } from "./PublicKey.ts"
import * as VaultId from "./VaultId.ts"

/** 32 zero bytes with `bytes` at their start; longer input stays as it is. */
const padded = (bytes: Uint8Array): Uint8Array => Bytes.concat(bytes, new Uint8Array(Math.max(0, 32 - bytes.length)))

const tagged = (primitives: Primitives, tag: string, ...input: ReadonlyArray<Uint8Array>): Hash.Hash =>
  primitives.blake3(Bytes.concat(Bytes.fromUtf8(tag), ...input))

const asVaultId = (hash: Hash.Hash): VaultId.VaultId => VaultId.unsafeFromBytes(hash.slice(0, VaultId.length))

/** Row 1: the root master of a recovery phrase's entropy. @since 0.1.0 @category recovery */
export const rootMaster = (primitives: Primitives, entropy: Uint8Array): Uint8Array =>
  primitives.deriveKey("s5/root/v1", padded(entropy))

/** Rows 2 and 3: from the root master the cold seed of epoch 0, from a cold seed the next. @since 0.1.0 @category recovery */
export const nextColdSeed = (primitives: Primitives, rootMasterOrColdSeed: Uint8Array): Uint8Array =>
  primitives.deriveKey("s5/identity-cold/v1", rootMasterOrColdSeed)

/** The cold seed of an epoch, counted from 0; the public key of epoch 0 is the DID. @since 0.1.0 @category recovery */
export const coldSeed = (primitives: Primitives, master: Uint8Array, epoch: number): Uint8Array => {
  let seed = nextColdSeed(primitives, master)
  for (let i = 0; i < epoch; i++) seed = nextColdSeed(primitives, seed)
  return seed
}

/** Row 4: the X25519 secret of the paper age identity; `AgeKey` gives its texts. @since 0.1.0 @category recovery */
export const paperAgeSeed = (primitives: Primitives, master: Uint8Array): Uint8Array =>
  primitives.deriveKey("s5/paper-age/v1", master)

/** Row 5. @since 0.1.0 @category recovery */
export const storageRootSeed = (primitives: Primitives, master: Uint8Array): Uint8Array =>
  primitives.deriveKey("s5/storage-root/v1", master)

/** Row 6: the secret of a managed store by its kind ("indexd", "s3") and label. @since 0.1.0 @category recovery */
export const managedStorageSecret = (
  primitives: Primitives,
  storageRoot: Uint8Array,
  kind: string,
  label: string
): Uint8Array => primitives.deriveKey(`s5/storage/${kind}/v1`, Bytes.concat(storageRoot, Bytes.fromUtf8(label)))

/** Row 7: 16 bytes of entropy of a Sia seed phrase, from the secret of row 6. @since 0.1.0 @category recovery */
export const indexdMnemonicEntropy = (primitives: Primitives, managedSecret: Uint8Array): Uint8Array =>
  primitives.deriveKey("s5/indexd-app-mnemonic/v1", managedSecret).slice(0, 16)

/** Row 8: a constant. @since 0.1.0 @category identifiers */
export const indexdAppId = (primitives: Primitives): Hash.Hash => tagged(primitives, "s5.indexd.app.v1")

/** Row 9: the public id of the vault with that recovery secret (slot 0x12, 32 bytes). @since 0.1.0 @category identifiers */
export const vaultId = (primitives: Primitives, recoverySecret: Uint8Array): VaultId.VaultId =>
  asVaultId(tagged(primitives, "s5-vault-id", recoverySecret))

/** The domains of the special vaults. @since 0.1.0 @category constants */
export const wellKnownDomain = {
  identityVault: "s5/identity-vault/v1",
  identityAnchor: "s5/identity-anchor/v1",
  config: "s5/config/v1",
  identitySecrets: "s5/identity-secrets/v1"
} as const

/** Row 10: the id of a special vault. @since 0.1.0 @category identifiers */
export const wellKnownVaultId = (primitives: Primitives, domain: string): VaultId.VaultId =>
  asVaultId(primitives.blake3(Bytes.fromUtf8(domain)))

/** Row 11: the seed that signs a vault's discovery entry; `seed` comes from the config vault. @since 0.1.0 @category recovery */
export const discoverySeed = (primitives: Primitives, seed: Uint8Array, id: VaultId.VaultId): Uint8Array =>
  tagged(primitives, "s5-vault-discovery", seed, id)

/** Row 12: the seed that signed M3's one-time recovery entry. @since 0.1.0 @category legacy */
export const recoverySigningSeed = (primitives: Primitives, recoverySecret: Uint8Array): Uint8Array =>
  tagged(primitives, "s5-recovery-sig", recoverySecret)

/** Row 13: the ChaCha20 key of a content blob. @since 0.1.0 @category blobs */
export const leafKey = (primitives: Primitives, slotSecret: Uint8Array, plaintextHash: Hash.Hash): Uint8Array =>
  primitives.deriveKey("s5/fs/v2/encrypt/leaf", Bytes.concat(slotSecret, plaintextHash))

/** Row 14: the ChaCha20 key of a tree node's blob. @since 0.1.0 @category blobs */
export const nodeKey = (primitives: Primitives, slotSecret: Uint8Array, plaintextHash: Hash.Hash): Uint8Array =>
  primitives.deriveKey("s5/fs/v2/encrypt/meta", Bytes.concat(slotSecret, plaintextHash))

/** Row 15: what ties an access proof to one connection (nonce 32 bytes). @since 0.1.0 @category blobs */
export const channelBinding = (
  primitives: Primitives,
  nonce: Uint8Array,
  client: PublicKey,
  server: PublicKey
): Uint8Array => primitives.deriveKey("s5-blobs-acl-v1-binding", Bytes.concat(nonce, client, server))

/** What the device's ACL key signs to prove access over the connection of `binding`. @since 0.1.0 @category blobs */
export const channelProofMessage = (binding: Uint8Array): Uint8Array =>
  Bytes.concat(Bytes.fromUtf8("s5-blobs-acl-v1-auth:"), binding)

/** Row 16: the hash that a query names instead of the blob's own. @since 0.1.0 @category blobs */
export const blindedHash = (primitives: Primitives, hash: Hash.Hash): Hash.Hash => primitives.blake3(hash)

/** Row 17: the warm seed of the reference's own tests. @since 0.1.0 @category legacy */
export const testMasterSeed = (primitives: Primitives, secret: Uint8Array): Uint8Array =>
  primitives.deriveKey("s5/identity-master/v1", secret)

/** Row 18: M3's device signing seed of a transport secret. @since 0.1.0 @category legacy */
export const legacyDeviceSeed = (primitives: Primitives, transportSecret: Uint8Array): Uint8Array =>
  primitives.deriveKey("s5/node/secret", transportSecret)

/** The keys of legacy clients. @since 0.1.0 @category models */
export interface LegacyClientKeys {
  readonly root: Uint8Array
  readonly fsRoot: Uint8Array
  readonly transportSecret: Uint8Array
  readonly syncEncryptionKey: Uint8Array
  readonly syncSigningSeed: Uint8Array
}

/** Rows 19 to 23, from the 64 bytes of `RecoveryPhrase.toLegacySeed`. @since 0.1.0 @category legacy */
export const legacyClientKeys = (primitives: Primitives, seed: Uint8Array): LegacyClientKeys => {
  const root = primitives.deriveKey("s5/root", seed)
  const fsRoot = primitives.deriveKey("s5/fs/root", root)
  return {
    root,
    fsRoot,
    transportSecret: primitives.deriveKey("s5/iroh/node", root),
    syncEncryptionKey: primitives.deriveKey("s5/fs/sync/xchacha20", fsRoot),
    syncSigningSeed: primitives.deriveKey("s5/fs/sync/ed25519", fsRoot)
  }
}

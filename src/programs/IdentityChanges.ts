/**
 * What can be changed about an identity, each as a function from what it is to what it is to be.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import * as Bytes from "../schema/Bytes.ts"
import type * as DeviceCatalogue from "../schema/DeviceCatalogue.ts"
import type { VaultEntry } from "../schema/SpecialVault.ts"
import type * as Keyring from "../services/Keyring.ts"
import type { Identity } from "./Identity.ts"

const longestLabel = 32

/** A label made of a host's name: small letters, digits and single hyphens. @since 0.1.0 @category conversions */
export const labelOf = (host: string): string =>
  host
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, longestLabel)
    .replace(/-+$/, "") || "device"

const isKeyOf = (keys: DeviceCatalogue.DeviceKeys, publicKey: Uint8Array) => Bytes.equals(keys.signing, publicKey)

/** What the identity calls the device that publishes under that key, if it lists it. @since 0.1.0 @category accessors */
export const labelFor = (identity: Pick<Identity, "devices">, publicKey: Uint8Array): string | undefined =>
  [...identity.devices].find(([, keys]) => isKeyOf(keys, publicKey))?.[0]

/** The public keys of a device, as the identity lists them. @since 0.1.0 @category conversions */
export const keysOf = (device: Keyring.DeviceKeys): DeviceCatalogue.DeviceKeys => ({
  signing: device.publicKey,
  acl: device.aclKey,
  iroh: device.irohKey,
  ageRecipient: device.recipient
})

const isSame = (a: DeviceCatalogue.DeviceKeys, b: DeviceCatalogue.DeviceKeys) =>
  Bytes.equals(a.signing, b.signing) &&
  Bytes.equals(a.acl, b.acl) &&
  Bytes.equals(a.iroh, b.iroh) &&
  a.ageRecipient === b.ageRecipient

/**
 * The identity with the device in it, under a label made of `host` with a number where another device has it. A device that
 * is listed keeps its label.
 *
 * @since 0.1.0
 * @category combinators
 */
export const addDevice =
  (host: string, keys: DeviceCatalogue.DeviceKeys) =>
  (identity: Identity): Identity => {
    const known = labelFor(identity, keys.signing)
    if (known !== undefined && isSame(identity.devices.get(known) ?? keys, keys)) return identity
    const stem = labelOf(host)
    let label = known ?? stem
    for (let number = 2; known === undefined && identity.devices.has(label); number++) label = `${stem}-${number}`
    return { ...identity, devices: new Map([...identity.devices, [label, keys]]) }
  }

/** The identity without the device of that key. @since 0.1.0 @category combinators */
export const removeDevice =
  (publicKey: Uint8Array) =>
  (identity: Identity): Identity => ({
    ...identity,
    devices: new Map([...identity.devices].filter(([, keys]) => !isKeyOf(keys, publicKey)))
  })

/**
 * The identity with a vault in it. A name that another vault has is lengthened with the start of this one's id.
 *
 * @since 0.1.0
 * @category combinators
 */
export const addVault =
  (name: string, vault: VaultEntry) =>
  (identity: Identity): Identity => {
    const listed = [...identity.vaults].find(([, { vaultId }]) => Bytes.equals(vaultId, vault.vaultId))
    const before = listed?.[1].stores ?? []
    const stores = [...new Set([...before, ...vault.stores])]
    if (listed !== undefined && stores.length === before.length) return identity
    const isTaken = listed === undefined && identity.vaults.has(name)
    const key = listed?.[0] ?? (isTaken ? `${name}-${Bytes.toHex(vault.vaultId.subarray(0, 4))}` : name)
    return { ...identity, vaults: new Map([...identity.vaults, [key, { vaultId: vault.vaultId, stores }]]) }
  }

/** The identity with a store in it, or its new configuration in the place of the one it had. @since 0.1.0 @category combinators */
export const addStore =
  (name: string, json: Redacted.Redacted<string>) =>
  (identity: Identity): Identity => ({ ...identity, stores: new Map([...identity.stores, [name, json]]) })

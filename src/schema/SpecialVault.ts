/**
 * The values of an identity's special vaults (docs/format/core.md §12).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "./Bytes.ts"
import * as DeviceCatalogue from "./DeviceCatalogue.ts"
import { FormatError } from "./FormatError.ts"
import * as VaultId from "./VaultId.ts"

/** What a special vault holds: bytes under keys. @since 0.1.0 @category models */
export type Entries = ReadonlyMap<string, Uint8Array>

/** The secrets: who speaks for the identity, and its devices. @since 0.1.0 @category models */
export interface IdentitySecrets {
  /** The 32-byte seed of the warm key. */
  readonly warmSeed: Redacted.Redacted<Uint8Array>
  readonly devices: DeviceCatalogue.DeviceCatalogue
}

/** One vault of the identity. @since 0.1.0 @category models */
export interface VaultEntry {
  readonly vaultId: VaultId.VaultId
  /** The names of the stores that hold it. */
  readonly stores: ReadonlyArray<string>
}

/** What a new device needs to find everything. @since 0.1.0 @category models */
export interface Directory {
  /** Stores by name: the JSON of each one's configuration, secrets included. */
  readonly stores: ReadonlyMap<string, Redacted.Redacted<string>>
  readonly vaults: ReadonlyMap<string, VaultEntry>
  /** 32 random bytes that discovery keys are derived from. */
  readonly seed: Redacted.Redacted<Uint8Array>
}

const masterKey = "master.key"
const devicesKey = "devices"
const seedKey = "seed"
const storesPrefix = "stores/"
const vaultsPrefix = "vaults/"

const secretLength = 32

const fail = (format: string, at: string, problem: string) => Either.left(new FormatError({ format, at, problem }))

const secret = (format: string, entries: Entries, key: string) => {
  const bytes = entries.get(key)
  if (bytes === undefined) return fail(format, key, "it is missing")
  return bytes.length === secretLength
    ? Either.right(Redacted.make(bytes))
    : fail(format, key, `expected ${secretLength} bytes, got ${bytes.length}`)
}

/** The entries of `identity_secrets` that `known` does not have are kept. @since 0.1.0 @category conversions */
export const fromSecrets = (secrets: IdentitySecrets, known: Entries = new Map()): Entries =>
  new Map([
    ...known,
    [masterKey, Redacted.value(secrets.warmSeed)],
    [devicesKey, DeviceCatalogue.encode(secrets.devices)]
  ])

/** What `identity_secrets` says; without a catalogue there are no devices. @since 0.1.0 @category conversions */
export const toSecrets = (entries: Entries): Either.Either<IdentitySecrets, FormatError> =>
  Either.gen(function* () {
    const warmSeed = yield* secret("identity secrets", entries, masterKey)
    const catalogue = entries.get(devicesKey)
    const devices = catalogue === undefined ? new Map() : yield* DeviceCatalogue.decode(catalogue)
    return { warmSeed, devices }
  })

const VaultJson = Schema.parseJson(
  Schema.Struct({
    vault_id: Schema.Array(Schema.Int.pipe(Schema.between(0, 255))),
    stores: Schema.Array(Schema.String)
  })
)
const decodeVault = Schema.decodeUnknownEither(VaultJson)
const encodeVault = Schema.encodeSync(VaultJson)

/** The entries of `config`; those of `known` that are neither stores nor vaults are kept. @since 0.1.0 @category conversions */
export const fromDirectory = (directory: Directory, known: Entries = new Map()): Entries =>
  new Map([
    ...[...known].filter(([key]) => !key.startsWith(storesPrefix) && !key.startsWith(vaultsPrefix)),
    [seedKey, Redacted.value(directory.seed)],
    ...[...directory.stores].map(
      ([name, json]) => [storesPrefix + name, Bytes.fromUtf8(Redacted.value(json))] as const
    ),
    ...[...directory.vaults].map(([name, { stores, vaultId }]) => {
      const text = encodeVault({ vault_id: [...vaultId], stores })
      return [vaultsPrefix + name, Bytes.fromUtf8(text)] as const
    })
  ])

const below = (entries: Entries, prefix: string) =>
  [...entries].flatMap(([key, bytes]) =>
    key.startsWith(prefix) ? [[key.slice(prefix.length), Bytes.toUtf8(bytes)] as const] : []
  )

/** What `config` says. @since 0.1.0 @category conversions */
export const toDirectory = (entries: Entries): Either.Either<Directory, FormatError> =>
  Either.gen(function* () {
    const seed = yield* secret("identity config", entries, seedKey)
    const stores = new Map<string, Redacted.Redacted<string>>()
    for (const [name, json] of below(entries, storesPrefix)) {
      if (json === undefined) return yield* fail("identity config", storesPrefix + name, "it is not text")
      stores.set(name, Redacted.make(json))
    }
    const vaults = new Map<string, VaultEntry>()
    for (const [name, json] of below(entries, vaultsPrefix)) {
      const vault = decodeVault(json)
      const vaultId = Either.isRight(vault) ? VaultId.fromBytes(Uint8Array.from(vault.right.vault_id)) : undefined
      if (Either.isLeft(vault) || vaultId === undefined || Either.isLeft(vaultId))
        return yield* fail("identity config", vaultsPrefix + name, "it does not name a vault")
      vaults.set(name, { vaultId: vaultId.right, stores: vault.right.stores })
    }
    return { stores, vaults, seed }
  })

const devicePrefix = `${devicesKey}/`

/** The entries with one for each device in the place of the catalogue, so that two changes of it can be told apart. @since 0.1.0 @category conversions */
export const expand = (entries: Entries): Entries => {
  const catalogue = entries.get(devicesKey)
  const devices = catalogue === undefined ? undefined : Either.getOrUndefined(DeviceCatalogue.decode(catalogue))
  if (devices === undefined) return entries
  const rest = [...entries].filter(([key]) => key !== devicesKey)
  return new Map([
    ...rest,
    ...[...devices].map(
      ([label, keys]) => [devicePrefix + label, DeviceCatalogue.encode(new Map([["", keys]]))] as const
    )
  ])
}

/** What {@link expand} made of them, put together again. @since 0.1.0 @category conversions */
export const collapse = (entries: Entries): Entries => {
  const devices = new Map<string, DeviceCatalogue.DeviceKeys>()
  const rest: Array<readonly [string, Uint8Array]> = []
  for (const [key, bytes] of entries) {
    const one = key.startsWith(devicePrefix) ? Either.getOrUndefined(DeviceCatalogue.decode(bytes))?.get("") : undefined
    if (one === undefined) rest.push([key, bytes])
    else devices.set(key.slice(devicePrefix.length), one)
  }
  return new Map(devices.size === 0 ? rest : [...rest, [devicesKey, DeviceCatalogue.encode(devices)] as const])
}

/** Where each special vault says how new the other one was when it was written. @since 0.1.0 @category constants */
export const namedRevisionKey = "names.revision"

/** The entries, saying that the other special vault had that revision. @since 0.1.0 @category combinators */
export const withNamedRevision = (entries: Entries, revision: bigint): Entries =>
  new Map([...entries, [namedRevisionKey, Bytes.fromU64BE(revision)]])

/** The revision that they say the other special vault had; 0 where they say nothing. @since 0.1.0 @category accessors */
export const namedRevision = (entries: Entries | undefined): bigint => {
  const bytes = entries?.get(namedRevisionKey)
  return bytes?.length === 8 ? new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0) : 0n
}

/**
 * Taking a store of another device into this device's configuration.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as ConfigFile from "../layers/ConfigFile.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as ConfigEdit from "../schema/ConfigEdit.ts"
import * as PortableStore from "../schema/PortableStore.ts"
import * as Config from "./Config.ts"
import * as Home from "./Home.ts"

/**
 * What became of a store.
 *
 * - `added`: it is in the configuration now, called `name`.
 * - `kept`: the configuration has this very place already, called `name`.
 * - `absent`: it is a folder that is not on this machine, or in which nothing of Cairn's is; nothing was changed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Adopted {
  readonly outcome: "added" | "kept" | "absent"
  readonly name: string
}

/** Whether a folder was written to by Cairn or the reference: another disk may be mounted in its place, or none. */
const isStore = (folder: string): boolean =>
  ["blob3", "registry", "packs"].some((name) => existsSync(join(folder, name)))

/** Where secrets of stores lie, each in a file that only its owner reads. */
const secretsFolder = (config: string) => join(config, "keys", "stores")

/**
 * No two stores have the same, also where the file system takes small and large letters for the same: a name of other
 * characters, or a long one, goes by its hash, as does one that looks like that.
 */
const fileName = (store: string, field: string): string => {
  const isPlain = /^[a-z0-9_][a-z0-9_.-]{0,63}$/.test(store) && !store.startsWith("hash-")
  return `${isPlain ? store : `hash-${createHash("sha256").update(store).digest("hex").slice(0, 40)}`}.${field}`
}

const freeName = (name: string, taken: ReadonlyArray<string>): string => {
  if (!taken.includes(name)) return name
  let number = 2
  while (taken.includes(`${name}-${number}`)) number += 1
  return `${name}-${number}`
}

/** A path as the configuration file names it: seen from its own folder where it lies below. */
const pathIn = (file: string, path: string): string => {
  const way = relative(dirname(resolve(file)), path)
  return way.startsWith("..") || way === "" ? path : way
}

/**
 * Adds `[store.NAME]` with what `Place.portable` of another device gave, its secrets in files of their own that only the
 * owner reads. The same place is never added twice; a name that another store has gets a number.
 *
 * @since 0.1.0
 * @category programs
 */
export const adopt = Effect.fn("AdoptStore.adopt")(function* (
  wanted: string,
  json: Redacted.Redacted<string>,
  { dryRun }: { readonly dryRun: boolean }
) {
  const store = yield* PortableStore.fromJson(json)
  const { config, file, resolve: absolute } = yield* Config.load
  const same = Object.entries(config.store).find(([, known]) => PortableStore.isSamePlace(store, known, absolute))
  if (same !== undefined) return { outcome: "kept", name: same[0] } satisfies Adopted
  if (store.type === "local" && !isStore(store.base_path)) return { outcome: "absent", name: wanted } satisfies Adopted

  const name = freeName(wanted, Object.keys(config.store))
  const folder = secretsFolder(Home.fromEnvironment(process.env).config)
  const secrets = new Map<string, Redacted.Redacted<string>>()
  const fields: Record<string, ConfigEdit.Value> = {}
  for (const [field, value] of Object.entries(store)) {
    if (Redacted.isRedacted(value)) {
      secrets.set(field, value)
      fields[field] = { file: pathIn(file, join(folder, fileName(name, field))) }
    } else if (value !== undefined) fields[field] = value
  }
  if (!dryRun && secrets.size > 0) {
    const kept = yield* ObjectStoreFs.make({ directory: folder, private: true })
    for (const [field, secret] of secrets)
      yield* kept.put(fileName(name, field), Bytes.fromUtf8(`${Redacted.value(secret)}\n`))
    yield* kept.sync
  }
  yield* ConfigFile.edit(file, ConfigEdit.addTable(["store", name], fields), { dryRun })
  return { outcome: "added", name } satisfies Adopted
})

/**
 * Says in the configuration which stores keep a vault, unless it says something of the vault already; `true` when it does
 * now because of this.
 *
 * @since 0.1.0
 * @category programs
 */
export const assign = Effect.fn("AdoptStore.assign")(function* (
  vault: string,
  stores: ReadonlyArray<string>,
  { dryRun }: { readonly dryRun: boolean }
) {
  const { config, file } = yield* Config.load
  if (Object.hasOwn(config.vault, vault) || stores.length === 0) return false
  yield* ConfigFile.edit(file, ConfigEdit.addTable(["vault", vault], { blob_stores: stores }), { dryRun })
  return true
})

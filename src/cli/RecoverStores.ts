/**
 * Writing the stores that a recovery found into this device's configuration.
 *
 * @since 0.1.0
 */
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import type * as PlaceFromAddress from "../layers/PlaceFromAddress.ts"
import * as AdoptVault from "../programs/AdoptVault.ts"
import type * as Identity from "../programs/Identity.ts"
import * as PortableStore from "../schema/PortableStore.ts"
import * as AdoptStore from "./AdoptStore.ts"

/** What became of the identity's stores. @since 0.1.0 @category models */
export interface Stores {
  /** What each is called in this device's configuration, by what the identity calls it. */
  readonly names: ReadonlyMap<string, string>
  /** Those that are not in the configuration, with the reason. */
  readonly left: ReadonlyArray<string>
}

/** The JSON with the folder in the place of the one it names. */
const movedTo = (json: Redacted.Redacted<string>, folder: string): Redacted.Redacted<string> => {
  const parsed: unknown = JSON.parse(Redacted.value(json))
  return Redacted.make(JSON.stringify({ ...Object(parsed), base_path: folder }))
}

const isLocal = (json: Redacted.Redacted<string>): boolean =>
  Either.match(PortableStore.fromJson(json), { onLeft: () => false, onRight: (store) => store.type === "local" })

/**
 * Adopts each store. A folder that is somewhere else on this machine, as a drive often is, is taken from where the user says
 * it is, if it is the only one that is not in its place.
 *
 * @since 0.1.0
 * @category programs
 */
export const adopt = Effect.fnUntraced(function* (
  identity: Identity.Identity,
  given: PlaceFromAddress.Address | undefined,
  dryRun: boolean
) {
  const names = new Map<string, string>()
  const left: Array<string> = []
  const absent: Array<readonly [string, Redacted.Redacted<string>]> = []
  let isGivenTaken = false
  for (const [name, json] of identity.stores) {
    const adopted = yield* Effect.either(AdoptStore.adopt(name, json, { dryRun }))
    if (Either.isLeft(adopted)) left.push(`store ${name}: ${adopted.left.message}`)
    else if (adopted.right.outcome === "absent") absent.push([name, json])
    else {
      names.set(name, adopted.right.name)
      const store = PortableStore.fromJson(json)
      if (given?._tag === "Folder" && Either.isRight(store) && store.right.type === "local")
        isGivenTaken ||= resolve(store.right.base_path) === given.path
    }
  }
  const moved = absent.filter(([, json]) => isLocal(json))
  const [only, ...others] = moved
  if (given?._tag === "Folder" && !isGivenTaken && only !== undefined && others.length === 0) {
    const [name, json] = only
    const adopted = yield* Effect.either(AdoptStore.adopt(name, movedTo(json, given.path), { dryRun }))
    if (Either.isRight(adopted) && adopted.right.outcome !== "absent") names.set(name, adopted.right.name)
  }
  for (const [name] of absent)
    if (!names.has(name))
      left.push(`store ${name}: its folder is not on this machine; \`cairn store add\` adds it later`)
  const stores: Stores = { names, left }
  return stores
})

/**
 * Says in the configuration which of them keep each vault, under the name that it has here, where it says nothing yet.
 *
 * @since 0.1.0
 * @category programs
 */
export const assign = Effect.fnUntraced(function* (
  identity: Pick<Identity.Identity, "vaults">,
  { names }: Pick<Stores, "names">,
  dryRun: boolean
) {
  const called = yield* AdoptVault.names(identity.vaults)
  for (const [vault, { stores }] of identity.vaults) {
    // two stores of the identity may be one place, which is in the configuration once
    const kept = new Set(stores.flatMap((store) => names.get(store) ?? []))
    yield* AdoptStore.assign(called.get(vault) ?? vault, [...kept], { dryRun })
  }
})

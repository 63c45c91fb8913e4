/** Devices of one person with disks, vaults and places in memory: everything that recovery runs on. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as IdentityStateObjectStore from "../../src/layers/IdentityStateObjectStore.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as DeviceList from "../../src/services/DeviceList.ts"
import * as Envelope from "../../src/services/Envelope.ts"
import * as IdentityState from "../../src/services/IdentityState.ts"
import * as Places from "../../src/services/Places.ts"
import * as VaultSettings from "../../src/services/VaultSettings.ts"
import { cheap } from "./cheapEnvelopes.ts"
import { placesOf, type TestPlace } from "./identity.ts"
import { backup, type Decorate, make, mapping } from "./programs.ts"

type All = readonly [TestPlace, ...ReadonlyArray<TestPlace>]

/** A device whose vaults are kept at all of these places. */
export const device = Effect.fnUntraced(function* (
  all: All,
  files: Readonly<Record<string, LocalTreeMemory.Value>> = {},
  decorate: Decorate = (store) => store
) {
  const world = yield* make(files, decorate)
  const identityRecords = decorate(yield* ObjectStoreMemory.make())
  const identityState = yield* Effect.provide(IdentityStateObjectStore.make(identityRecords), world.layer)
  const blobs = all[0].place.blobs
  const settings: VaultSettings.Service = {
    ...VaultSettings.none,
    settings: () =>
      Effect.succeed({
        blobs: {
          ...blobs,
          // every store gets everything, as a mirrored one does
          put: (hash, bytes) => Effect.forEach(all, ({ place }) => place.blobs.put(hash, bytes), { discard: true })
        },
        stores: all.map(({ place }) => place.blobs),
        registries: all.map(({ place }) => place.registry),
        metaTargets: [],
        recipients: [],
        identities: []
      })
  }
  const base = Layer.mergeAll(
    world.layer,
    Layer.succeed(Envelope.Envelope, cheap),
    Layer.succeed(IdentityState.IdentityState, identityState),
    Layer.succeed(Places.Places, placesOf(all)),
    Layer.succeed(VaultSettings.VaultSettings, settings)
  )
  const list = Layer.succeed(DeviceList.DeviceList, {
    recipients: Identity.recipients().pipe(
      Effect.mapError((error) => new DeviceList.DeviceListError({ reason: "Unusable", detail: error.message })),
      Effect.provide(base)
    ),
    upkeep: IdentityUpkeep.run("device").pipe(
      Effect.catchAll((error) => Effect.succeed([error.message])),
      Effect.provide(base)
    )
  })
  const layer = Layer.merge(base, list)
  return {
    world,
    identityRecords,
    identityState,
    layer,
    on: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, layer)
  }
})

export type PersonDevice = Effect.Effect.Success<ReturnType<typeof device>>

/** Makes the phrase of a device, and answers it. */
export const establish = Effect.fnUntraced(function* (one: PersonDevice, host = "laptop") {
  yield* one.world.keyring.ensureDevice
  const { phrase } = yield* one.on(Recovery.draw())
  const problems = yield* one.on(Effect.flatMap(Recovery.found(phrase), (keys) => Recovery.establish(keys, host)))
  return { phrase, problems }
})

/** A backup of `/one` into `docs`. */
export const save = (one: PersonDevice) => one.on(backup(mapping("/one")))

/** How many snapshots of `docs` the device opens with its own key alone. */
export const opened = (one: PersonDevice) =>
  Effect.gen(function* () {
    const vault = yield* Vault.open("docs")
    const head = yield* Head.newest(vault)
    if (head === undefined) return 0
    const all = yield* Snapshots.all(vault, head)
    for (const { blob, id } of all) yield* Head.read(vault, id, blob)
    return all.length
  }).pipe(one.on)

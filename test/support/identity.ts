/** Devices of one person over places in memory, each of which can be cut off, put back, or written to by somebody else. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as IdentityStateObjectStore from "../../src/layers/IdentityStateObjectStore.ts"
import * as KeyringObjectStore from "../../src/layers/KeyringObjectStore.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Envelope from "../../src/services/Envelope.ts"
import * as IdentityState from "../../src/services/IdentityState.ts"
import * as Keyring from "../../src/services/Keyring.ts"
import * as Places from "../../src/services/Places.ts"
import * as Registry from "../../src/services/Registry.ts"
import { UnknownStore } from "../../src/services/Stores.ts"
import type { Decorate } from "./programs.ts"

export const crypto = await Effect.runPromise(CryptoAuto.make())
const envelope = EnvelopeAge.make()

/** A place in memory with hands on it. */
export const place = Effect.fnUntraced(function* (name: string, decorate: Decorate = (store) => store) {
  const objects = decorate(yield* ObjectStoreMemory.make())
  const entries = new Map<string, Uint8Array>()
  const registry = yield* Effect.provideService(
    RegistryMemory.make({ name, bytes: entries }),
    Crypto.Crypto,
    Crypto.Crypto.of(crypto)
  )
  const blobs = BlobStoreObjects.fromObjects(objects, crypto.primitives)
  const faults = { isAway: false, beforeSet: Effect.void as Effect.Effect<void> }
  const away = <A, E>(effect: Effect.Effect<A, E>, error: E) =>
    Effect.suspend(() => (faults.isAway ? Effect.fail(error) : effect))
  const blobsAway = new BlobStore.BlobStoreError({ reason: "Unavailable", store: name, blob: "any", detail: "away" })
  const registryAway = new Registry.RegistryError({ reason: "Unavailable", registry: name, key: "any", detail: "away" })
  const made: Places.Place = {
    name,
    blobs: {
      ...blobs,
      get: (hash) => away(blobs.get(hash), blobsAway),
      put: (hash, bytes) => away(blobs.put(hash, bytes), blobsAway),
      sync: away(blobs.sync, blobsAway)
    },
    registry: {
      ...registry,
      entries: (key) => away(registry.entries(key), registryAway),
      set: (entry, over) =>
        Effect.zipRight(
          Effect.suspend(() => faults.beforeSet),
          away(registry.set(entry, over), registryAway)
        )
    },
    portable: Effect.succeed(Redacted.make(`{"type":"memory","name":"${name}"}`))
  }
  return { place: made, entries, objects, faults }
})

export type TestPlace = Effect.Effect.Success<ReturnType<typeof place>>

/** What a device asks for, with those places in that order. */
export const placesOf = (all: readonly [TestPlace, ...ReadonlyArray<TestPlace>]): Places.Service => ({
  names: [all[0].place.name, ...all.slice(1).map((one) => one.place.name)],
  withTokens: all.flatMap(({ place }) => (place.withdraw === undefined ? [] : [place.name])),
  open: (name) => {
    const found = all.find((one) => one.place.name === name)
    return found === undefined
      ? new UnknownStore({ reason: "NotConfigured", store: name, detail: "no such store" })
      : Effect.succeed(found.place)
  }
})

/** A device with keys of its own that knows those places. */
export const device = Effect.fnUntraced(function* (all: readonly [TestPlace, ...ReadonlyArray<TestPlace>]) {
  const provided = Layer.mergeAll(
    Layer.succeed(Crypto.Crypto, Crypto.Crypto.of(crypto)),
    Layer.succeed(Envelope.Envelope, envelope)
  )
  const keyring = yield* Effect.provide(
    Effect.flatMap(ObjectStoreMemory.make(), (objects) => KeyringObjectStore.make(objects)),
    provided
  )
  const keys = yield* keyring.ensureDevice
  const state = yield* Effect.provide(
    Effect.flatMap(ObjectStoreMemory.make(), (objects) => IdentityStateObjectStore.make(objects)),
    provided
  )
  const layer = Layer.mergeAll(
    provided,
    Layer.succeed(Keyring.Keyring, keyring),
    Layer.succeed(IdentityState.IdentityState, state),
    Layer.succeed(Places.Places, placesOf(all))
  )
  return { keys, keyring, state, layer, on: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, layer) }
})

export type TestDevice = Effect.Effect.Success<ReturnType<typeof device>>

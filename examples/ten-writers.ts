// Ten writers publish to one vault at once, over a registry that is slow and loses answers; nothing real is waited for.
import * as BlobStoreObjects from "cairn-vault/layers/BlobStoreObjects"
import * as CryptoPortable from "cairn-vault/layers/CryptoPortable"
import * as EnvelopeAge from "cairn-vault/layers/EnvelopeAge"
import * as KeyringObjectStore from "cairn-vault/layers/KeyringObjectStore"
import * as LocalTreeMemory from "cairn-vault/layers/LocalTreeMemory"
import * as ObjectStoreMemory from "cairn-vault/layers/ObjectStoreMemory"
import * as RegistryMemory from "cairn-vault/layers/RegistryMemory"
import * as SealerInline from "cairn-vault/layers/SealerInline"
import * as VaultStateObjectStore from "cairn-vault/layers/VaultStateObjectStore"
import * as Backup from "cairn-vault/programs/Backup"
import * as Head from "cairn-vault/programs/Head"
import * as List from "cairn-vault/programs/List"
import * as Vault from "cairn-vault/programs/Vault"
import * as Progress from "cairn-vault/services/Progress"
import * as Registry from "cairn-vault/services/Registry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as TestContext from "effect/TestContext"

const writers = Array.from({ length: 10 }, (_, index) => `writer-${index}`)
const disk = LocalTreeMemory.layer(Object.fromEntries(writers.map((name) => [`${name}/note.txt`, `from ${name}`])))

/** The registry as a bad network shows it: each call takes up to 50 ms, and one answer in five is lost after the write. */
const badNetwork = (inner: Registry.Service): Registry.Service => {
  const travel = Effect.flatMap(Random.nextIntBetween(1, 50), (millis) => Effect.sleep(millis))
  const lost = new Registry.RegistryError({ reason: "Unavailable", registry: "far", key: "", detail: "no answer" })
  const answer = Effect.flatMap(Random.next, (roll) => (roll < 0.2 ? Effect.fail(lost) : travel))
  return {
    ...inner,
    entries: (key) => Effect.zipRight(travel, inner.entries(key)),
    set: (entry, over) => Effect.zipLeft(Effect.zipRight(travel, inner.set(entry, over)), answer)
  }
}

const layers = Layer.mergeAll(
  Layer.unwrapEffect(Effect.map(ObjectStoreMemory.make(), KeyringObjectStore.layer)),
  Layer.unwrapEffect(Effect.map(ObjectStoreMemory.make(), VaultStateObjectStore.layer)),
  Layer.effect(Registry.Registry, Effect.map(RegistryMemory.make(), badNetwork)),
  BlobStoreObjects.layer.pipe(Layer.provide(ObjectStoreMemory.layer())),
  SealerInline.layer,
  disk,
  Progress.layerSilent
).pipe(Layer.provideMerge(Layer.mergeAll(CryptoPortable.layer, EnvelopeAge.layer())))

const write = Effect.fnUntraced(function* (name: string) {
  const vault = yield* Vault.ensure("team")
  const mapping = yield* Backup.mappingOf({ source: `/${name}`, selection: Backup.defaultSelection })
  return (yield* Backup.backup(vault, mapping)).published.attempts
})

/** Lets all ten publish, moving the clock for them, and answers the files in the head and how often each had to try. */
export const program = (seed: string) =>
  Effect.gen(function* () {
    const race = yield* Effect.fork(Effect.forEach(writers, write, { concurrency: "unbounded" }))
    const vault = yield* Vault.ensure("team")
    const seen = yield* Effect.fork(Effect.zipRight(Fiber.await(race), Head.newest(vault)))
    while ((yield* Fiber.poll(seen))._tag === "None") yield* TestClock.adjust("10 millis")
    const head = yield* Fiber.join(seen)
    const files = yield* Stream.runCollect(List.list(Vault.snapshot(vault, head?.root), "", { recursive: true }))
    return { files: [...files].map(({ path }) => path), attempts: yield* Fiber.join(race) }
  }).pipe(Effect.provide(layers), Effect.withRandom(Random.make(seed)), Effect.provide(TestContext.TestContext))

if (import.meta.url.endsWith(process.argv[1] ?? "?")) console.log(await Effect.runPromise(program("any seed")))

// A backup from memory to memory: the same programs as the `cairn` binary, on layers of our own.

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
import * as List from "cairn-vault/programs/List"
import * as Vault from "cairn-vault/programs/Vault"
import * as Progress from "cairn-vault/services/Progress"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

const mine = Effect.map(ObjectStoreMemory.make(), KeyringObjectStore.layer)
const state = Effect.map(ObjectStoreMemory.make(), VaultStateObjectStore.layer)
const layers = Layer.mergeAll(
  Layer.unwrapEffect(mine),
  Layer.unwrapEffect(state),
  BlobStoreObjects.layer.pipe(Layer.provide(ObjectStoreMemory.layer())),
  RegistryMemory.layer(),
  SealerInline.layer,
  LocalTreeMemory.layer({ "notes/today.txt": "hello", "notes/old/2025.txt": "was it only last year?" }),
  Progress.layerSilent
).pipe(Layer.provideMerge(Layer.mergeAll(CryptoPortable.layer, EnvelopeAge.layer())))

/** Backs up `/notes` into a new vault and answers the paths that its snapshot holds. */
export const program = Effect.gen(function* () {
  const vault = yield* Vault.ensure("diary")
  const mapping = yield* Backup.mappingOf({ source: "/notes", selection: Backup.defaultSelection })
  const { scan } = yield* Backup.backup(vault, mapping)
  const listed = yield* Stream.runCollect(List.list(Vault.snapshot(vault, scan.root), "notes", { recursive: true }))
  return [...listed].map(({ path }) => path)
}).pipe(Effect.provide(layers))

if (import.meta.url.endsWith(process.argv[1] ?? "?")) console.log(await Effect.runPromise(program))

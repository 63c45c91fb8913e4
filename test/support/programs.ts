/** Everything that the programs run on, in memory, with hands on each part: to break it, to look into it, to turn it back. */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as FileExport from "../../src/fs5/FileExport.ts"
import type { KeyedEntry } from "../../src/fs5/ReadableLayer.ts"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as KeyringObjectStore from "../../src/layers/KeyringObjectStore.ts"
import * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as SealerInline from "../../src/layers/SealerInline.ts"
import * as VaultStateObjectStore from "../../src/layers/VaultStateObjectStore.ts"
import * as Backup from "../../src/programs/Backup.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Vault from "../../src/programs/Vault.ts"
import type * as Walk from "../../src/programs/Walk.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import type * as Hash from "../../src/schema/Hash.ts"
import * as LocalPath from "../../src/schema/LocalPath.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Envelope from "../../src/services/Envelope.ts"
import * as Keyring from "../../src/services/Keyring.ts"
import * as LocalTree from "../../src/services/LocalTree.ts"
import type * as ObjectStore from "../../src/services/ObjectStore.ts"
import * as Progress from "../../src/services/Progress.ts"
import * as Registry from "../../src/services/Registry.ts"
import * as Sealer from "../../src/services/Sealer.ts"
import * as VaultState from "../../src/services/VaultState.ts"

type Set_ = Registry.Service["set"]

/** What stands between the programs and the memory; each is asked anew at every call. */
export interface Faults {
  set: (...args: [...Parameters<Set_>, Set_]) => ReturnType<Set_>
  saveRecord: (
    inner: Effect.Effect<void, VaultState.VaultStateError>
  ) => Effect.Effect<void, VaultState.VaultStateError>
  /** Runs before every blob is written or read. */
  put: Effect.Effect<void, BlobStore.BlobStoreError>
  get: Effect.Effect<void, BlobStore.BlobStoreError>
  /** Local paths that may not be read. */
  readonly denied: Set<string>
  /** Runs before a file is opened or a folder's entries are listed, with its path. */
  touch: (path: string) => Effect.Effect<void>
}

const { primitives, ...cryptoRest } = await Effect.runPromise(CryptoAuto.make())
const crypto = Crypto.Crypto.of({ primitives, ...cryptoRest })

export { primitives }

/** Puts something between a store and those who use it. */
export type Decorate = (store: ObjectStore.Service) => ObjectStore.Service

/** A device with an empty disk, and the store and registry that it uses. */
export const make = Effect.fnUntraced(function* (
  files: Readonly<Record<string, LocalTreeMemory.Value>> = {},
  decorate: Decorate = (store) => store
) {
  const objects = decorate(yield* ObjectStoreMemory.make())
  const records = decorate(yield* ObjectStoreMemory.make())
  const keys = decorate(yield* ObjectStoreMemory.make())
  const disk = yield* LocalTreeMemory.make(files)
  const entries = new Map<string, Uint8Array>()
  const envelope = EnvelopeAge.make()
  const provideCrypto = Effect.provideService(Crypto.Crypto, crypto)
  const innerRegistry = yield* provideCrypto(RegistryMemory.make({ bytes: entries }))
  const innerState = yield* provideCrypto(VaultStateObjectStore.make(records))
  const keyring = yield* KeyringObjectStore.make(keys).pipe(
    provideCrypto,
    Effect.provideService(Envelope.Envelope, envelope)
  )
  const innerBlobs = BlobStoreObjects.fromObjects(objects, primitives)
  const faults: Faults = {
    set: (entry, over, inner) => inner(entry, over),
    saveRecord: (inner) => inner,
    put: Effect.void,
    get: Effect.void,
    denied: new Set(),
    touch: () => Effect.void
  }
  const state: VaultState.Service = {
    ...innerState,
    saveRecord: (...args) => Effect.suspend(() => faults.saveRecord(innerState.saveRecord(...args)))
  }
  const registry: Registry.Service = {
    ...innerRegistry,
    set: (entry, over) => Effect.suspend(() => faults.set(entry, over, innerRegistry.set))
  }
  const blobs: BlobStore.Service = {
    ...innerBlobs,
    put: (hash, bytes) =>
      Effect.zipRight(
        Effect.suspend(() => faults.put),
        innerBlobs.put(hash, bytes)
      ),
    get: (hash) =>
      Effect.zipRight(
        Effect.suspend(() => faults.get),
        innerBlobs.get(hash)
      )
  }
  const reach = (path: LocalPath.LocalPath) =>
    Effect.suspend(() => {
      const shown = LocalPath.display(path)
      const denied = new LocalTree.LocalTreeError({
        reason: "Denied",
        path: shown,
        operation: "read",
        detail: "not allowed"
      })
      return Effect.zipRight(faults.touch(shown), faults.denied.has(shown) ? denied : Effect.void)
    })
  const tree: LocalTree.Service = {
    ...disk.service,
    open: (path, options) => Effect.zipRight(reach(path), disk.service.open(path, options)),
    readWhole: (files, options) =>
      Effect.forEach(files, (file) =>
        Effect.flatMap(Effect.either(reach(file.path)), (reached) =>
          Either.isLeft(reached)
            ? Effect.succeed(Either.left(reached.left))
            : Effect.map(disk.service.readWhole([file], options), ([read]) => read!)
        )
      ),
    entries: (path) => Effect.zipRight(reach(path), disk.service.entries(path))
  }
  const layer = Layer.mergeAll(
    Layer.succeed(BlobStore.BlobStore, blobs),
    Layer.succeed(Registry.Registry, registry),
    Layer.succeed(VaultState.VaultState, state),
    Layer.succeed(Keyring.Keyring, keyring),
    Layer.succeed(Envelope.Envelope, envelope),
    Layer.succeed(LocalTree.LocalTree, tree),
    Layer.succeed(Sealer.Sealer, SealerInline.make(primitives)),
    Layer.succeed(Crypto.Crypto, crypto),
    Progress.layerSilent
  )
  const pathOf = (hash: Hash.Hash) => StorePath.blob(objects.features, hash)
  return {
    disk,
    objects,
    records,
    keys,
    entries,
    faults,
    state,
    registry,
    keyring,
    blobs,
    layer,
    /** Turns a bit of a stored blob. */
    flip: (hash: Hash.Hash) =>
      Effect.flatMap(objects.get(pathOf(hash)), (bytes) => {
        const at = bytes.length >> 1
        bytes[at] = bytes[at]! ^ 1
        return objects.put(pathOf(hash), bytes)
      }),
    /** Loses a stored blob. */
    lose: (hash: Hash.Hash) => objects.remove(pathOf(hash))
  }
})

export type World = Effect.Effect.Success<ReturnType<typeof make>>

export const selection = (settings: Partial<VaultState.Selection> = {}) =>
  new VaultState.Selection({ ...Backup.defaultSelection, ...settings })

export const mapping = (path: string, folder = path.slice(1), settings: Partial<VaultState.Selection> = {}) =>
  new VaultState.SourceMapping({ path, folder, selection: selection(settings) })

/** Backs up as `cairn backup PATH VAULT:FOLDER` does; the problems that were told come with it. */
export const backup = Effect.fnUntraced(function* (source: VaultState.SourceMapping, name = "docs") {
  const vault = yield* Vault.ensure(name)
  yield* Backup.saveMapping(name, source)
  const problems: Array<Walk.Problem> = []
  const result = yield* Backup.backup(vault, source, {
    onProblem: (problem) => Effect.sync(() => problems.push(problem))
  })
  return { ...result, problems, vault }
})

/** The vault's head, which must be there. */
export const head = Effect.gen(function* () {
  const vault = yield* Vault.open("docs")
  return Option.getOrThrow(Option.fromNullable(yield* Head.newest(vault)))
})

/** Every key of a published tree with its bytes as text; a folder has none. */
export const contents = Effect.fnUntraced(function* (published: Head.Published) {
  const vault = yield* Vault.open("docs")
  const out: Record<string, string> = {}
  const tree = Head.tree(vault, published)
  for (const [key, entry] of yield* Stream.runCollect(tree.scan())) {
    if (entry.content === undefined) out[key] = ""
    else {
      const bytes = yield* Stream.runCollect(FileExport.exportFile(tree.pipeline, entry))
      out[key] = Bytes.toUtf8(Bytes.concat(...bytes)) ?? "(not text)"
    }
  }
  return out
})

/** What the head's tree holds. */
export const latest = Effect.flatMap(head, contents)

export const entriesOf = Effect.fnUntraced(function* (published: Head.Published) {
  const vault = yield* Vault.open("docs")
  return new Map<KeyedEntry[0], KeyedEntry[1]>(
    Chunk.toReadonlyArray(yield* Stream.runCollect(Vault.snapshot(vault, published.root).scan()))
  )
})

/** Runs `effect` while the test's clock goes on for it. */
export const patiently = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.fork(effect)
  while (Option.isNone(yield* Fiber.poll(fiber))) yield* TestClock.adjust("10 seconds")
  return yield* Fiber.join(fiber)
})

/** Lets so much time pass that what was written before is not taken for a racy write. */
export const later = Effect.zipRight(TestClock.adjust("1 hour"), Clock.currentTimeMillis)

/**
 * Vault records as small objects of a private store.
 *
 * `<vault>/root.fs5.cbor.age`, `<vault>/last.fs5.cbor.age`, `<vault>/sources/<id>.json`, `<vault>/records/<id>/<revision>.json`,
 * `<vault>/todo/<id>.json` and `<vault>/intents/<id>/<node>.json`, the id being the start of the folder's hash: names made once, each object replaced
 * whole, nothing shared between two sources.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Crypto from "../services/Crypto.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as VaultState from "../services/VaultState.ts"

const keysFile = "root.fs5.cbor.age"
const lastFile = "last.fs5.cbor.age"
const peerFile = "peer.json"

const reasons = { Full: "Full", Denied: "Denied" } as const

/** Records kept in `objects`, which must be private to this user. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service) {
  const { primitives } = yield* Crypto.Crypto

  const id = (folder: string) => Bytes.toHex(primitives.blake3(Bytes.fromUtf8(folder)).subarray(0, 16))

  const failed = (vault: string, record: string) => (error: ObjectStore.ObjectStoreError) =>
    new VaultState.VaultStateError({
      reason: error.reason === "Full" || error.reason === "Denied" ? reasons[error.reason] : "Unavailable",
      vault,
      record,
      detail: error.detail
    })

  const read = (vault: string, path: string) =>
    objects.get(`${vault}/${path}`).pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchIf(
        (error) => error.reason === "NotFound",
        // nothing is lost: "there is none" is the answer that was asked for
        () => Effect.succeed(undefined)
      ),
      Effect.mapError(failed(vault, path))
    )

  const write = (vault: string, path: string, bytes: Uint8Array) =>
    objects.put(`${vault}/${path}`, bytes).pipe(Effect.zipRight(objects.sync), Effect.mapError(failed(vault, path)))

  const create = (vault: string, path: string, bytes: Uint8Array) =>
    objects.create(`${vault}/${path}`, bytes).pipe(Effect.mapError(failed(vault, path)))

  const codec = <A, I>(schema: Schema.Schema<A, I>) => {
    const json = Schema.parseJson(schema, { space: 2 })
    const decode = Schema.decodeUnknown(json)
    const encode = Schema.encodeSync(json)
    return {
      encode: (value: A) => Bytes.fromUtf8(`${encode(value)}\n`),
      read: (vault: string, path: string) =>
        Effect.flatMap(read(vault, path), (bytes) =>
          bytes === undefined
            ? Effect.succeed(undefined)
            : decode(Bytes.toUtf8(bytes)).pipe(
                Effect.mapError(
                  () =>
                    new VaultState.VaultStateError({
                      reason: "Damaged",
                      vault,
                      record: path,
                      detail: "the record on this device is damaged; move it away to start without it"
                    })
                )
              )
        )
    }
  }
  const mappings = codec(VaultState.SourceMapping)
  const records = codec(VaultState.SourceRecord)
  const todos = codec(VaultState.Todo)
  const peers = codec(VaultState.Peer)

  const list = (vault: string, prefix: string) =>
    objects.list(vault === "" ? prefix : `${vault}/${prefix}`).pipe(
      Stream.runCollect,
      Effect.map((paths) => [...paths].sort()),
      Effect.mapError(failed(vault === "" ? "(all)" : vault, prefix))
    )

  const readAll = <A>(
    vault: string,
    paths: ReadonlyArray<string>,
    read: (vault: string, path: string) => Effect.Effect<A | undefined, VaultState.VaultStateError>
  ) =>
    Effect.forEach(paths, (path) => read(vault, path.slice(vault.length + 1))).pipe(
      Effect.map((all) => all.filter((one) => one !== undefined))
    )

  const source = (folder: string) => `sources/${id(folder)}.json`
  const recordsOf = (folder: string) => `records/${id(folder)}/`
  // one object for each revision, the highest counts: a run that is slow to save never hides a later one's
  const record = (folder: string, revision: bigint) => `${recordsOf(folder)}${String(revision).padStart(20, "0")}.json`
  const todoName = (what: VaultState.Todo): string => {
    switch (what._tag) {
      case "Mirror":
        return `mirror-${id(what.store)}-${what.node}`
      case "RecoveryEntry":
        return "recovery-entry"
      case "Head":
        return `head-${id(what.store)}-${what.revision}`
      case "Copy":
        return `copy-${id(what.store)}`
    }
  }
  const todo = (what: VaultState.Todo) => `todo/${todoName(what)}.json`
  const intent = (folder: string, node: string) => `intents/${id(folder)}/${node}.json`

  /** The names under which there is a `file`. */
  const named = (file: string) =>
    Effect.map(list("", ""), (paths) =>
      paths.flatMap((path) => (path.endsWith(`/${file}`) ? [path.slice(0, -file.length - 1)] : []))
    )
  const revisionOf = (path: string) => BigInt(path.slice(path.lastIndexOf("/") + 1))

  return {
    vaults: named(keysFile),
    peers: Effect.flatMap(named(peerFile), (names) =>
      Effect.map(
        Effect.forEach(names, (name) => Effect.map(peers.read(name, peerFile), (peer) => [name, peer] as const)),
        (all) => all.flatMap(([name, peer]) => (peer === undefined ? [] : [[name, peer] as const]))
      )
    ),
    peer: (name) => peers.read(name, peerFile),
    removePeer: (name) => Effect.mapError(objects.remove(`${name}/${peerFile}`), failed(name, peerFile)),
    createPeer: (name, peer) => create(name, peerFile, peers.encode(peer)),
    seen: (name) => Effect.map(list(name, "seen/"), (paths) => (paths.length === 0 ? 0n : revisionOf(paths.at(-1)!))),
    saveSeen: Effect.fnUntraced(function* (name, revision) {
      const path = `seen/${String(revision).padStart(20, "0")}`
      yield* write(name, path, new Uint8Array(0))
      for (const older of yield* list(name, "seen/")) {
        if (older < `${name}/${path}`) yield* Effect.mapError(objects.remove(older), failed(name, path))
      }
    }),
    forgetSeen: (name) =>
      Effect.flatMap(list(name, "seen/"), (paths) =>
        Effect.forEach(paths, (path) => Effect.mapError(objects.remove(path), failed(name, "seen")), { discard: true })
      ),
    keys: (vault) => read(vault, keysFile),
    createKeys: (vault, sealed) => create(vault, keysFile, sealed),
    replaceKeys: (vault, sealed) => write(vault, keysFile, sealed),
    sources: (vault) =>
      list(vault, "sources/").pipe(
        Effect.flatMap((paths) => readAll(vault, paths, mappings.read)),
        Effect.map((all) => all.sort((a, b) => Bytes.compareUtf8(a.folder, b.folder)))
      ),
    createSource: (vault, mapping) => create(vault, source(mapping.folder), mappings.encode(mapping)),
    saveSource: (vault, mapping) => write(vault, source(mapping.folder), mappings.encode(mapping)),
    removeSource: (vault, folder) =>
      objects.remove(`${vault}/${source(folder)}`).pipe(Effect.mapError(failed(vault, source(folder)))),
    record: Effect.fnUntraced(function* (vault, folder) {
      while (true) {
        const paths = yield* list(vault, recordsOf(folder))
        const [newest] = yield* readAll(vault, paths.slice(-1), records.read)
        // listed but gone: a later one took its place meanwhile
        if (newest !== undefined || paths.length === 0) return newest
      }
    }),
    saveRecord: Effect.fnUntraced(function* (vault, folder, value) {
      const path = record(folder, value.revision)
      yield* write(vault, path, records.encode(value))
      for (const older of yield* list(vault, recordsOf(folder))) {
        if (older < `${vault}/${path}`) yield* Effect.mapError(objects.remove(older), failed(vault, path))
      }
    }),
    intents: (vault, folder) =>
      Effect.flatMap(list(vault, `intents/${id(folder)}/`), (paths) => readAll(vault, paths, records.read)),
    intend: (vault, folder, value) => write(vault, intent(folder, value.node), records.encode(value)),
    lastNode: (vault) => read(vault, lastFile),
    saveLastNode: (vault, sealed) => write(vault, lastFile, sealed),
    todos: (vault) => Effect.flatMap(list(vault, "todo/"), (paths) => readAll(vault, paths, todos.read)),
    addTodo: (vault, what) => write(vault, todo(what), todos.encode(what)),
    removeTodo: (vault, what) =>
      objects.remove(`${vault}/${todo(what)}`).pipe(Effect.mapError(failed(vault, todo(what)))),
    forgetIntent: (vault, folder, value) =>
      objects
        .remove(`${vault}/${intent(folder, value.node)}`)
        .pipe(Effect.mapError(failed(vault, intent(folder, value.node))))
  } satisfies VaultState.Service
})

/** Records kept in `objects`. @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service): Layer.Layer<VaultState.VaultState, never, Crypto.Crypto> =>
  Layer.effect(VaultState.VaultState, make(objects))

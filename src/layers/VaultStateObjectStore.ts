/**
 * Vault records as small objects of a private store.
 *
 * `<vault>/root.fs5.cbor.age`, `<vault>/sources/<id>.json`, `<vault>/records/<id>.json` and
 * `<vault>/intents/<id>/<node>.json`, the id being the start of the folder's hash: names made once, each object replaced
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
  const record = (folder: string) => `records/${id(folder)}.json`
  const intent = (folder: string, node: string) => `intents/${id(folder)}/${node}.json`

  return {
    vaults: Effect.map(list("", ""), (paths) =>
      paths.flatMap((path) => (path.endsWith(`/${keysFile}`) ? [path.slice(0, -keysFile.length - 1)] : []))
    ),
    keys: (vault) => read(vault, keysFile),
    createKeys: (vault, sealed) => create(vault, keysFile, sealed),
    sources: (vault) =>
      list(vault, "sources/").pipe(
        Effect.flatMap((paths) => readAll(vault, paths, mappings.read)),
        Effect.map((all) => all.sort((a, b) => Bytes.compareUtf8(a.folder, b.folder)))
      ),
    createSource: (vault, mapping) => create(vault, source(mapping.folder), mappings.encode(mapping)),
    saveSource: (vault, mapping) => write(vault, source(mapping.folder), mappings.encode(mapping)),
    removeSource: (vault, folder) =>
      objects.remove(`${vault}/${source(folder)}`).pipe(Effect.mapError(failed(vault, source(folder)))),
    record: (vault, folder) => records.read(vault, record(folder)),
    saveRecord: (vault, folder, value) => write(vault, record(folder), records.encode(value)),
    intents: (vault, folder) =>
      Effect.flatMap(list(vault, `intents/${id(folder)}/`), (paths) => readAll(vault, paths, records.read)),
    intend: (vault, folder, value) => write(vault, intent(folder, value.node), records.encode(value)),
    forgetIntent: (vault, folder, value) =>
      objects
        .remove(`${vault}/${intent(folder, value.node)}`)
        .pipe(Effect.mapError(failed(vault, intent(folder, value.node))))
  } satisfies VaultState.Service
})

/** Records kept in `objects`. @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service): Layer.Layer<VaultState.VaultState, never, Crypto.Crypto> =>
  Layer.effect(VaultState.VaultState, make(objects))

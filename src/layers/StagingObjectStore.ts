/**
 * What was ingested, as small objects of a private store: `<vault>/staged/<id of the folder>/<time of the scan>.json`, of which the
 * latest counts.
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
import * as Staging from "../services/Staging.ts"
import * as VaultState from "../services/VaultState.ts"

const Json = Schema.parseJson(Staging.Staged, { space: 2 })

/** Records kept in `objects`, which must be private to this user. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service) {
  const { primitives } = yield* Crypto.Crypto
  const folderOf = (vault: string, folder: string) =>
    `${vault}/staged/${Bytes.toHex(primitives.blake3(Bytes.fromUtf8(folder)).subarray(0, 16))}/`
  const pathOf = (vault: string, { folder, scannedAt }: Staging.Staged) =>
    `${folderOf(vault, folder)}${String(Math.trunc(scannedAt)).padStart(16, "0")}.json`

  const failed = (vault: string) => (error: ObjectStore.ObjectStoreError) =>
    new VaultState.VaultStateError({
      reason: error.reason === "Full" || error.reason === "Denied" ? error.reason : "Unavailable",
      vault,
      record: "staged",
      detail: error.detail
    })
  const list = (vault: string, prefix: string) =>
    objects.list(prefix).pipe(
      Stream.runCollect,
      Effect.map((paths) => [...paths].sort()),
      Effect.mapError(failed(vault))
    )
  const read = (vault: string, path: string) =>
    objects.get(path).pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchIf(
        (error) => error.reason === "NotFound",
        // listed but gone: a later scan took its place, or it was published, meanwhile
        () => Effect.succeed(undefined)
      ),
      Effect.mapError(failed(vault)),
      Effect.flatMap((bytes) =>
        bytes === undefined
          ? Effect.succeed(undefined)
          : Effect.mapError(
              Schema.decodeUnknown(Json)(Bytes.toUtf8(bytes)),
              () =>
                new VaultState.VaultStateError({
                  reason: "Damaged",
                  vault,
                  record: path.slice(vault.length + 1),
                  detail: "the record on this device is damaged; move it away to start without it"
                })
            )
      )
    )

  return {
    staged: Effect.fnUntraced(function* (vault) {
      const paths = yield* list(vault, `${vault}/staged/`)
      // the last of each folder
      const newest = paths.filter((path, at) => {
        const next = paths[at + 1]
        return next === undefined || next.slice(0, next.lastIndexOf("/")) !== path.slice(0, path.lastIndexOf("/"))
      })
      const all = yield* Effect.forEach(newest, (path) => read(vault, path))
      return all.filter((one) => one !== undefined).sort((a, b) => Bytes.compareUtf8(a.folder, b.folder))
    }),
    stage: Effect.fnUntraced(function* (vault, staged) {
      const path = pathOf(vault, staged)
      yield* objects
        .put(path, Bytes.fromUtf8(`${Schema.encodeSync(Json)(staged)}\n`))
        .pipe(Effect.zipRight(objects.sync), Effect.mapError(failed(vault)))
      for (const older of yield* list(vault, folderOf(vault, staged.folder)))
        if (older < path) yield* Effect.mapError(objects.remove(older), failed(vault))
    }),
    forget: (vault, staged) => Effect.mapError(objects.remove(pathOf(vault, staged)), failed(vault))
  } satisfies Staging.Service
})

/** Records kept in `objects`. @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service): Layer.Layer<Staging.Staging, never, Crypto.Crypto> =>
  Layer.effect(Staging.Staging, make(objects))

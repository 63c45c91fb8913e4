/** Records of one kind as small JSON objects of a private store, each replaced whole. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Bytes from "../../schema/Bytes.ts"
import type { Primitives } from "../../schema/Primitives.ts"
import type * as ObjectStore from "../../services/ObjectStore.ts"

/** What became of an attempt, for the error of the service. */
export interface Failed {
  readonly reason: "Damaged" | "Full" | "Denied" | "Unavailable"
  readonly detail: string
}

/** Records below `folder`, named by the hash of whatever `key` is. */
export const make = <A, I>(
  objects: ObjectStore.Service,
  primitives: Primitives,
  folder: string,
  schema: Schema.Schema<A, I>
) => {
  const json = Schema.parseJson(schema, { space: 2 })
  const encode = Schema.encodeSync(json)
  const decode = Schema.decodeUnknown(json)
  const pathOf = (key: string) =>
    `${folder}/${Bytes.toHex(primitives.blake3(Bytes.fromUtf8(key)).subarray(0, 16))}.json`
  const failed = (error: ObjectStore.ObjectStoreError): Failed => ({
    reason: error.reason === "Full" || error.reason === "Denied" ? error.reason : "Unavailable",
    detail: error.detail
  })
  const read = (path: string) =>
    objects.get(path).pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchIf(
        (error) => error.reason === "NotFound",
        // nothing is lost: "there is none" is the answer that was asked for
        () => Effect.succeed(undefined)
      ),
      Effect.mapError(failed),
      Effect.flatMap((bytes) =>
        bytes === undefined
          ? Effect.succeed(undefined)
          : Effect.mapError(
              decode(Bytes.toUtf8(bytes)),
              (): Failed => ({ reason: "Damaged", detail: `${path} on this device is damaged; remove it` })
            )
      )
    )
  return {
    load: (key: string) => read(pathOf(key)),
    save: (key: string, value: A) =>
      objects
        .put(pathOf(key), Bytes.fromUtf8(`${encode(value)}\n`))
        .pipe(Effect.zipRight(objects.sync), Effect.mapError(failed)),
    remove: (key: string) => Effect.mapError(objects.remove(pathOf(key)), failed),
    /** All of them; what is damaged is passed over, and told to who asks for that one alone. */
    all: objects.list(`${folder}/`).pipe(
      Stream.runCollect,
      Effect.mapError(failed),
      Effect.flatMap((paths) =>
        Effect.forEach([...paths].sort(), (path) =>
          Effect.catchIf(
            read(path),
            (error) => error.reason === "Damaged",
            () => Effect.succeed(undefined)
          )
        )
      ),
      Effect.map((found) => found.filter((one) => one !== undefined))
    )
  }
}

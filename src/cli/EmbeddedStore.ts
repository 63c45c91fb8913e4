/**
 * The blobs of the embedded store: packed, unless this home was told to keep each as a file of its own.
 *
 * Which one it is, is written to `store.json` by the first run that stores something, and concerns new blobs only: both
 * kinds are read in either case. So a home of an earlier version goes on with packs beside its files; whoever lets another
 * program read the folder writes `{"type":"plain"}` there.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as BlobStorePacked from "../layers/BlobStorePacked.ts"
import * as ObjectStoreWindows from "../layers/ObjectStoreWindows.ts"
import * as PackIndexAuto from "../layers/PackIndexAuto.ts"
import * as Bytes from "../schema/Bytes.ts"
import { BlobStore, BlobStoreError } from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import * as ObjectStore from "../services/ObjectStore.ts"
import * as Argv from "./Argv.ts"

/** @since 0.1.0 @category models */
export type Kind = "packed" | "plain"

const file = "store.json"
const Choice = Schema.parseJson(Schema.Struct({ type: Schema.Literal("packed", "plain") }))

/** The kind that the environment asks for, if it does. @since 0.1.0 @category constructors */
export const wanted = (setting: string | undefined): Effect.Effect<Kind | undefined, Argv.Usage> =>
  setting === undefined || setting === "packed" || setting === "plain"
    ? Effect.succeed(setting)
    : new Argv.Usage({ problem: `CAIRN_STORE is "${setting}"; it can be "packed" or "plain"` })

/** The kind that the home in `data` has, nothing before something was stored. @since 0.1.0 @category programs */
export const chosen = (data: ObjectStore.Service): Effect.Effect<Kind | undefined, BlobStoreError> => {
  const failed = (detail: string) =>
    new BlobStoreError({ reason: "Unavailable", store: data.name, blob: `(${file})`, detail })
  return data.get(file).pipe(
    Effect.flatMap((bytes) => Schema.decodeUnknown(Choice)(Bytes.toUtf8(bytes))),
    Effect.map((choice): Kind | undefined => choice.type),
    Effect.catchTags({
      ObjectStoreError: (error) =>
        // nothing is lost: nothing was chosen yet
        error.reason === "NotFound" ? Effect.succeed(undefined) : Effect.fail(failed(error.detail)),
      ParseError: () => failed(`${file} is damaged: it should read {"type":"packed"} or {"type":"plain"}`)
    })
  )
}

/** The same, chosen now if nothing was. Two first runs choose the same. @since 0.1.0 @category programs */
export const choose = Effect.fnUntraced(function* (data: ObjectStore.Service, kind: Kind | undefined) {
  const before = yield* chosen(data)
  if (before !== undefined) return before
  const mine = kind ?? "packed"
  yield* Effect.mapError(
    data.create(file, Bytes.fromUtf8(`${JSON.stringify({ type: mine })}\n`)),
    ({ detail, reason }) =>
      new BlobStoreError({
        reason: reason === "Full" || reason === "Denied" ? reason : "Unavailable",
        store: data.name,
        blob: `(${file})`,
        detail
      })
  )
  // whoever came second takes what the first chose
  return (yield* chosen(data)) ?? mine
})

/** Over the object store of the environment; nothing is made on disk before something is stored. @since 0.1.0 @category layers */
export const layer = <E>(options: {
  /** The home's own records. */
  readonly data: Effect.Effect<ObjectStore.Service, E, Scope.Scope>
  /** Where the index of packs lies. */
  readonly index: string
  /** What `CAIRN_STORE` says. */
  readonly setting: string | undefined
}): Layer.Layer<BlobStore, E | Argv.Usage, ObjectStore.ObjectStore | Crypto> =>
  Layer.scoped(
    BlobStore,
    Effect.gen(function* () {
      const kind = yield* wanted(options.setting)
      const data = yield* options.data
      const { primitives } = yield* Crypto
      let known: Kind | undefined
      const choice = Effect.suspend(() =>
        known === undefined
          ? Effect.tap(choose(data, kind), (made) =>
              Effect.sync(() => {
                known = made
              })
            )
          : Effect.succeed(known)
      )
      return yield* BlobStorePacked.make({
        objects: ObjectStoreWindows.windowed(yield* ObjectStore.ObjectStore),
        index: yield* PackIndexAuto.make({ directory: options.index, private: true }),
        primitives,
        isPacking: Effect.map(choice, (made) => made === "packed")
      })
    })
  )

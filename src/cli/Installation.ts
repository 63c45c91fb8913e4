/**
 * What was chosen once for this home, by the first run that needed it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as Registry from "../services/Registry.ts"

/**
 * The registry is in a form that cannot be used here.
 *
 * - `BadSetting`: what the environment asks for is no kind of registry.
 * - `Damaged`: the record of what was chosen is not one.
 *
 * @since 0.1.0
 * @category errors
 */
export class RegistryUnusable extends Schema.TaggedError<RegistryUnusable>()("RegistryUnusable", {
  reason: Schema.Literal("BadSetting", "Damaged"),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** `lmdb`: an LMDB environment; `files`: claims beside the blobs, for machines where LMDB does not load. @since 0.1.0 @category models */
export type RegistryKind = "lmdb" | "files"

const file = "registry.json"
const Choice = Schema.parseJson(Schema.Struct({ type: Schema.Literal("lmdb", "files") }))

/** Why this home's registry is made of files. @since 0.1.0 @category accessors */
export const lmdbProblem: Effect.Effect<string> = Effect.tryPromise({
  try: () => import("lmdb"),
  catch: (cause) => (cause instanceof Error ? cause.message.split("\n")[0] : String(cause))
}).pipe(
  Effect.match({
    onSuccess: () => "the registry is made of files, as was chosen when it was made",
    // an optional dependency: where it is missing the registry is made of files
    onFailure: (problem) => `the registry is made of files, since LMDB does not load here (${problem})`
  })
)

const lmdbLoads = Effect.isSuccess(Effect.tryPromise(() => import("lmdb")))

/** The kind that the environment asks for, if it does. @since 0.1.0 @category constructors */
export const wanted = (setting: string | undefined): Effect.Effect<RegistryKind | undefined, RegistryUnusable> =>
  setting === undefined || setting === "lmdb" || setting === "files"
    ? Effect.succeed(setting)
    : new RegistryUnusable({
        reason: "BadSetting",
        detail: `CAIRN_REGISTRY is "${setting}"; it can be "lmdb" or "files"`
      })

/** The kind of registry that `data` was made with, nothing before the first publication. @since 0.1.0 @category programs */
export const chosen = Effect.fn("Installation.chosen")(function* (data: ObjectStore.Service) {
  const bytes = yield* data.get(file).pipe(
    Effect.map((found): Uint8Array | undefined => found),
    Effect.catchIf(
      (error) => error.reason === "NotFound",
      // nothing is lost: nothing was chosen yet
      () => Effect.succeed(undefined)
    )
  )
  if (bytes === undefined) return undefined
  const choice = yield* Effect.mapError(
    Schema.decodeUnknown(Choice)(Bytes.toUtf8(bytes)),
    () =>
      new RegistryUnusable({
        reason: "Damaged",
        detail: `${data.name}/${file} is damaged: it should read {"type":"lmdb"} or {"type":"files"}`
      })
  )
  return choice.type
})

/** The same, chosen now if nothing was: `kind`, or LMDB where it loads. Two first runs choose the same. @since 0.1.0 @category programs */
export const choose = Effect.fn("Installation.choose")(function* (
  data: ObjectStore.Service,
  kind: RegistryKind | undefined
) {
  const before = yield* chosen(data)
  if (before !== undefined) return before
  const mine: RegistryKind = kind ?? ((yield* lmdbLoads) ? "lmdb" : "files")
  yield* data.create(file, Bytes.fromUtf8(`${JSON.stringify({ type: mine })}\n`))
  // whoever came second takes what the first chose
  return (yield* chosen(data)) ?? mine
})

/** How a registry of each kind is opened. @since 0.1.0 @category models */
export type Open<E extends { readonly message: string }, R> = (
  kind: RegistryKind
) => Effect.Effect<Registry.Service, E, R | Scope.Scope>

/**
 * The registry of the home in `data`: opened when it is first asked, made when it is first written to, empty before.
 *
 * @since 0.1.0
 * @category constructors
 */
export const registry = Effect.fnUntraced(function* <E extends { readonly message: string }, R>(
  data: ObjectStore.Service,
  options: { readonly name: string; readonly wanted: RegistryKind | undefined; readonly open: Open<E, R> }
) {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<R>()
  const open = yield* Effect.cachedFunction((kind: RegistryKind) =>
    Effect.uninterruptible(Effect.provide(Scope.extend(options.open(kind), scope), context))
  )
  const failed = (key: StreamKey.StreamKey) => (error: E | ObjectStore.ObjectStoreError | RegistryUnusable) =>
    new Registry.RegistryError({
      reason: error instanceof RegistryUnusable ? "Corrupt" : "Unavailable",
      registry: options.name,
      key: StreamKey.toHex(key),
      detail: error.message
    })
  const existing = Effect.flatMap(chosen(data), (kind) => (kind === undefined ? Effect.succeed(undefined) : open(kind)))
  const made = Effect.flatMap(choose(data, options.wanted), open)
  const service: Registry.Service = {
    name: options.name,
    entries: (key) =>
      Effect.flatMap(Effect.mapError(existing, failed(key)), (opened) =>
        opened === undefined ? Effect.succeed([]) : opened.entries(key)
      ),
    set: (entry, over) => Effect.flatMap(Effect.mapError(made, failed(entry.key)), (opened) => opened.set(entry, over)),
    changes: (key) => Stream.unwrap(Effect.map(Effect.mapError(made, failed(key)), (opened) => opened.changes(key)))
  }
  return service
})

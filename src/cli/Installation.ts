/**
 * What was chosen once for this home, by the first run that needed it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"

/** The registry is in a form that cannot be used here. @since 0.1.0 @category errors */
export class RegistryUnusable extends Schema.TaggedError<RegistryUnusable>()("RegistryUnusable", {
  file: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `registry: ${this.file}: ${this.detail}`
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

/**
 * The kind of registry in `data`, chosen now if none was: `wanted`, or LMDB where it loads. Two first runs choose the same.
 *
 * @since 0.1.0
 * @category programs
 */
export const registryKind = Effect.fn("Installation.registryKind")(function* (
  data: ObjectStore.Service,
  wanted: string | undefined
) {
  const unusable = (detail: string) => new RegistryUnusable({ file, detail })
  if (wanted !== undefined && wanted !== "lmdb" && wanted !== "files")
    return yield* unusable(`CAIRN_REGISTRY is "${wanted}"; it can be "lmdb" or "files"`)
  const read = data.get(file).pipe(
    Effect.map((bytes): Uint8Array | undefined => bytes),
    Effect.catchIf(
      (error) => error.reason === "NotFound",
      // nothing is lost: nothing was chosen yet
      () => Effect.succeed(undefined)
    )
  )
  let chosen = yield* read
  if (chosen === undefined) {
    const kind: RegistryKind = wanted ?? ((yield* lmdbLoads) ? "lmdb" : "files")
    yield* data.create(file, Bytes.fromUtf8(`${JSON.stringify({ type: kind })}\n`))
    chosen = yield* read
  }
  const choice = yield* Effect.mapError(Schema.decodeUnknown(Choice)(Bytes.toUtf8(chosen ?? new Uint8Array(0))), () =>
    unusable('it should read {"type":"lmdb"} or {"type":"files"}')
  )
  return choice.type
})

/**
 * A relay's tokens as small records in an object store of their own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as RelayTokens from "../services/RelayTokens.ts"

const folder = "tokens/"
const tokenPath = (name: string): string => `${folder}${name}.json`
const usagePath = (name: string): string => `usage/${name}.json`

const TokenText = Schema.parseJson(RelayTokens.Token)
const Usage = Schema.parseJson(Schema.Struct({ bytes: Schema.NonNegative }))

/**
 * The tokens in `objects`. Uses are counted in memory and saved with each count, so that a crash forgets at most what was
 * under way.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service) {
  const turn = yield* Effect.makeSemaphore(1)
  const failed = (token: string) => (error: { readonly message: string }) =>
    new RelayTokens.RelayTokensError({ reason: "Unavailable", token, detail: error.message })
  const damaged = (token: string, path: string) => () =>
    new RelayTokens.RelayTokensError({
      reason: "Damaged",
      token,
      detail: `${objects.name}/${path} is damaged; remove it and make the token anew`
    })

  const read = <A, I>(schema: Schema.Schema<A, I>, name: string, path: string) =>
    objects.get(path).pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchIf(
        (error) => error.reason === "NotFound",
        // nothing is lost: there is no such record
        () => Effect.succeed(undefined)
      ),
      Effect.mapError(failed(name)),
      Effect.flatMap((bytes) =>
        bytes === undefined
          ? Effect.succeed(undefined)
          : Effect.mapError(Schema.decodeUnknown(schema)(Bytes.toUtf8(bytes)), damaged(name, path))
      )
    )

  const list = objects.list(folder).pipe(
    Stream.filter((path) => path.endsWith(".json")),
    Stream.runCollect,
    Effect.mapError(failed("list")),
    Effect.flatMap((paths) =>
      Effect.forEach([...paths].sort(), (path) => read(TokenText, path.slice(folder.length, -".json".length), path))
    ),
    Effect.map((tokens) => tokens.filter((token) => token !== undefined))
  )

  const used = (name: string) =>
    Effect.map(read(Usage, name, usagePath(name)), (usage) => (usage === undefined ? 0 : usage.bytes))

  return RelayTokens.RelayTokens.of({
    list,
    byHash: (hash) => Effect.map(list, (tokens) => tokens.find((token) => token.hash === hash)),
    create: Effect.fnUntraced(function* (token) {
      const bytes = Bytes.fromUtf8(`${yield* Effect.orDie(Schema.encode(TokenText)(token))}\n`)
      return yield* Effect.mapError(objects.create(tokenPath(token.name), bytes), failed(token.name))
    }),
    remove: (name) => Effect.mapError(Effect.zipRight(objects.remove(tokenPath(name)), objects.sync), failed(name)),
    used,
    use: (name, bytes) =>
      Effect.flatMap(used(name), (before) =>
        Effect.mapError(
          objects.put(usagePath(name), Bytes.fromUtf8(JSON.stringify({ bytes: before + bytes }))),
          failed(name)
        )
      ).pipe(turn.withPermits(1))
  })
})

/** @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service): Layer.Layer<RelayTokens.RelayTokens> =>
  Layer.effect(RelayTokens.RelayTokens, make(objects))

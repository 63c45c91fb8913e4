/**
 * A relay's tokens as small records in an object store of their own.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as RelayTokens from "../services/RelayTokens.ts"

const TokenText = Schema.parseJson(RelayTokens.Token)
const Usage = Schema.parseJson(Schema.Struct({ bytes: Schema.NonNegative }))
const decodeUsage = (bytes: Uint8Array) => Schema.decodeUnknown(Usage)(Bytes.toUtf8(bytes))

/** @since 0.1.0 @category models */
export interface Options {
  /** How long what was read counts, as other relays and `cairn serve token` may change it; one second when absent. */
  readonly freshFor?: Duration.DurationInput
  /** The folder of the records; the store itself when absent. */
  readonly prefix?: string
}

/**
 * The tokens in `objects`. Each count is saved when it is made, so that a crash forgets at most what was under way; where the
 * store compares and swaps, several relays over it count together.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service, options: Options = {}) {
  const { freshFor = Duration.seconds(1), prefix = "" } = options
  const folder = `${prefix}tokens/`
  const tokenPath = (name: string): string => `${folder}${name}.json`
  const usagePath = (name: string): string => `${prefix}usage/${name}.json`
  const turn = yield* Effect.makeSemaphore(1)
  const looking = yield* Effect.makeSemaphore(1)
  /** How often something was changed here: what was read before a change is not kept after it. */
  let changes = 0
  let known: { readonly at: number; readonly tokens: ReadonlyArray<RelayTokens.Token> } | undefined
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

  const look = objects.list(folder).pipe(
    Stream.filter((path) => path.endsWith(".json")),
    Stream.runCollect,
    Effect.mapError(failed("list")),
    Effect.flatMap((paths) =>
      Effect.forEach(paths, (path) => read(TokenText, path.slice(folder.length, -".json".length), path), {
        concurrency: 8
      })
    ),
    Effect.map((tokens) => tokens.filter((token) => token !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1)))
  )

  /** One look at a time, and for a moment one for all. */
  const list = looking.withPermits(1)(
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      if (known !== undefined && Math.abs(now - known.at) < Duration.toMillis(freshFor)) return known.tokens
      const before = changes
      const tokens = yield* look
      if (changes === before) known = { at: now, tokens }
      return tokens
    })
  )
  const changed = Effect.sync(() => {
    changes += 1
    known = undefined
  })

  const used = (name: string) =>
    Effect.map(read(Usage, name, usagePath(name)), (usage) => (usage === undefined ? 0 : usage.bytes))

  const usage = (bytes: number) => Bytes.fromUtf8(JSON.stringify({ bytes }))
  const { versions } = objects
  /** Adds to what is there now, whoever else adds to it. */
  const add = (name: string, bytes: number) =>
    versions === undefined
      ? Effect.flatMap(used(name), (before) =>
          Effect.mapError(objects.put(usagePath(name), usage(before + bytes)), failed(name))
        )
      : Effect.gen(function* () {
          const held = yield* versions.read(usagePath(name))
          const before = held === undefined ? { bytes: 0 } : yield* decodeUsage(held.bytes)
          return yield* versions.replace(usagePath(name), usage(before.bytes + bytes), held?.version)
        }).pipe(
          // goes round again only when another relay was faster
          Effect.repeat({ until: (isDone) => isDone }),
          Effect.mapError(failed(name))
        )

  return RelayTokens.RelayTokens.of({
    list,
    create: Effect.fnUntraced(function* (token) {
      const bytes = Bytes.fromUtf8(`${yield* Effect.orDie(Schema.encode(TokenText)(token))}\n`)
      return yield* Effect.mapError(objects.create(tokenPath(token.name), bytes), failed(token.name)).pipe(
        Effect.ensuring(changed)
      )
    }),
    remove: Effect.fnUntraced(function* (name) {
      const all = yield* look
      const gone = all.filter((token) => token.name === name)
      // those that were let in by it, and by those
      for (const one of gone) gone.push(...all.filter(({ parent }) => parent === one.hash))
      // the first to go is the one that the others stand on
      for (const one of gone.length === 0 ? [{ name }] : gone) {
        yield* Effect.mapError(objects.remove(tokenPath(one.name)), failed(one.name))
        yield* Effect.mapError(objects.remove(usagePath(one.name)), failed(one.name))
      }
      yield* Effect.mapError(objects.sync, failed(name))
    }, Effect.ensuring(changed)),
    used,
    use: (name, bytes) => turn.withPermits(1)(add(name, bytes))
  })
})

/** @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service, options: Options = {}): Layer.Layer<RelayTokens.RelayTokens> =>
  Layer.effect(RelayTokens.RelayTokens, make(objects, options))

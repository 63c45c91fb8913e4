/**
 * A relay's tokens as small records in an object store of their own.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
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
  /** How long what was read counts where no change was told of; one second when absent. */
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
  /** Another text after every change, so that one small read tells each relay over the store whether there was one. */
  const changedPath = `${prefix}tokens.changed`
  const turn = yield* Effect.makeSemaphore(1)
  const looking = yield* Effect.makeSemaphore(1)
  const failed = (token: string) => (error: { readonly message: string; readonly reason?: string }) =>
    new RelayTokens.RelayTokensError({
      reason: error.reason === "Unreadable" ? "Damaged" : "Unavailable",
      token,
      detail: error.message
    })
  const damaged = (token: string, path: string) => () =>
    new RelayTokens.RelayTokensError({
      reason: "Damaged",
      token,
      detail: `${objects.name}/${path} is damaged; remove it and make the token anew`
    })

  const bytesAt = (path: string) =>
    objects.get(path).pipe(
      Effect.map((bytes): Uint8Array | undefined => bytes),
      Effect.catchIf(
        (error) => error.reason === "NotFound",
        // nothing is lost: there is no such record
        () => Effect.succeed(undefined)
      )
    )

  const read = <A, I>(schema: Schema.Schema<A, I>, name: string, path: string) =>
    bytesAt(path).pipe(
      Effect.mapError(failed(name)),
      Effect.flatMap((bytes) =>
        bytes === undefined
          ? Effect.succeed(undefined)
          : Effect.mapError(Schema.decodeUnknown(schema)(Bytes.toUtf8(bytes)), damaged(name, path))
      )
    )

  const told = new Set<string>()
  /** Says once of each record that it cannot be read. */
  const tell = (error: RelayTokens.RelayTokensError) =>
    Effect.suspend(() => {
      if (told.has(error.token)) return Effect.void
      told.add(error.token)
      return Effect.logError("a token does not count").pipe(
        Effect.annotateLogs({ token: error.token, detail: error.detail })
      )
    })

  const look = Effect.gen(function* () {
    const paths = yield* objects.list(folder).pipe(
      Stream.filter((path) => path.endsWith(".json")),
      Stream.runCollect,
      Effect.mapError(failed("list"))
    )
    const unreadable: Array<string> = []
    const found = yield* Effect.forEach(
      paths,
      (path) => {
        const name = path.slice(folder.length, -".json".length)
        return read(TokenText, name, path).pipe(
          Effect.flatMap((token) =>
            // one that says it is another would count twice, and be taken away under neither name
            token === undefined || token.name === name ? Effect.succeed(token) : damaged(name, path)()
          ),
          Effect.catchIf(
            ({ reason }) => reason === "Damaged",
            // nothing is given away: this token counts for nothing, nor does one that it let in, and both are told
            (error) => {
              unreadable.push(name)
              return Effect.as(tell(error), undefined)
            }
          )
        )
      },
      { concurrency: 8 }
    )
    const tokens = found.filter((token) => token !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const name of told) if (!unreadable.includes(name)) told.delete(name)
    return { tokens, damaged: unreadable.sort() as ReadonlyArray<string> }
  })

  interface Known extends Effect.Effect.Success<typeof look> {
    /** When it was read. */
    readonly at: number
    /** Nothing where it could not be read: then it counts for one look. */
    readonly mark: string | undefined
  }
  let known: Known | undefined
  let askers = 0
  /** The last answer, and who had asked by the time it was sought. */
  let last: { readonly asker: number; readonly answer: Exit.Exit<Known, RelayTokens.RelayTokensError> } | undefined
  const markNow = bytesAt(changedPath).pipe(
    Effect.map((bytes) => (bytes === undefined ? "" : Bytes.toHex(bytes))),
    Effect.catchIf(
      ({ reason }) => reason === "Unreadable",
      // nothing is lost: without the mark the records themselves are read each time
      () => Effect.succeed(undefined)
    ),
    Effect.mapError(failed("list"))
  )
  const madeSure = Effect.gen(function* () {
    const at = yield* Clock.currentTimeMillis
    // before the records: whoever changes them meanwhile tells of it afterwards
    const mark = yield* markNow
    const isSame = known !== undefined && mark !== undefined && known.mark === mark
    const isFresh = known !== undefined && isSame && Math.abs(at - known.at) < Duration.toMillis(freshFor)
    if (known === undefined || !isFresh) known = { ...(yield* look), at, mark }
    return known
  })

  /** What is there now: what was read before counts on while nobody told of a change. One asks at a time, for all who wait. */
  const current = Effect.suspend(() => {
    askers += 1
    const mine = askers
    return looking.withPermits(1)(
      Effect.gen(function* () {
        if (last === undefined || last.asker < mine) {
          const asker = askers
          last = { asker, answer: yield* Effect.exit(madeSure) }
        }
        return yield* last.answer
      })
    )
  })

  /** Tells every relay over the store that something was changed. */
  const changed = Effect.gen(function* () {
    const [one, other] = [yield* Random.next, yield* Clock.currentTimeMillis]
    const mark = Bytes.fromUtf8(`${other} ${one}\n`)
    yield* Effect.mapError(Effect.zipRight(objects.put(changedPath, mark), objects.sync), failed("list"))
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
    list: Effect.map(current, ({ tokens }) => tokens),
    damaged: Effect.map(current, (found) => found.damaged),
    create: Effect.fnUntraced(function* (token) {
      const bytes = Bytes.fromUtf8(`${yield* Effect.orDie(Schema.encode(TokenText)(token))}\n`)
      const isNew = yield* Effect.mapError(objects.create(tokenPath(token.name), bytes), failed(token.name))
      // nothing is lost: where it cannot be told, the others find the token a moment later; its secret is told this once
      if (isNew)
        yield* Effect.catchAll(changed, ({ detail }) => Effect.logDebug("a new token could not be told of", detail))
      return isNew
    }),
    remove: Effect.fnUntraced(function* (name, hash) {
      const all = (yield* look).tokens
      const gone = all.filter((token) => token.name === name && (hash === undefined || token.hash === hash))
      // those that were let in by it, and by those
      // a record that was made by hand could lead back to itself
      for (const one of gone) gone.push(...all.filter((token) => token.parent === one.hash && !gone.includes(token)))
      // a record that cannot be read goes by its name
      const names = gone.length === 0 && hash === undefined ? [name] : gone.map((token) => token.name)
      // the first to go is the one that the others stand on
      for (const each of names) {
        yield* Effect.mapError(objects.remove(tokenPath(each)), failed(each))
        if (each === name) yield* changed
        yield* Effect.mapError(objects.remove(usagePath(each)), failed(each))
      }
      // also for one that is gone already: whoever took it away may have been cut off before it told of that
      yield* changed
      return names
    }),
    used,
    use: (name, bytes) => turn.withPermits(1)(add(name, bytes))
  })
})

/** @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service, options: Options = {}): Layer.Layer<RelayTokens.RelayTokens> =>
  Layer.effect(RelayTokens.RelayTokens, make(objects, options))

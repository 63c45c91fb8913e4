/**
 * Sequences that come in batches: what a stream of chunks is, without what a stream costs to set up, which for the small
 * trees that most merges are about is most of the work.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

/** A sequence that is read once, by one fiber. @since 0.1.0 @category models */
export interface Batches<A, E> {
  /** The next batch, which may be empty, or nothing at the end; not asked again after that or after a failure. */
  readonly next: Effect.Effect<ReadonlyArray<A> | undefined, E>
}

/** One batch. @since 0.1.0 @category constructors */
export const of = <A>(batch: ReadonlyArray<A>): Batches<A, never> => {
  let rest: ReadonlyArray<A> | undefined = batch
  return {
    next: Effect.sync(() => {
      const given = rest
      rest = undefined
      return given
    })
  }
}

/** The sequence as a stream, which reads it anew each time that it is run. @since 0.1.0 @category conversions */
export const toStream = <A, E>(make: () => Batches<A, E>): Stream.Stream<A, E> =>
  Stream.suspend(() =>
    Stream.repeatEffectChunkOption(
      Effect.matchEffect(make().next, {
        onFailure: (error) => Effect.fail(Option.some(error)),
        onSuccess: (batch) =>
          batch === undefined ? Effect.fail(Option.none()) : Effect.succeed(Chunk.unsafeFromArray(batch))
      })
    )
  )

/** What a stream gives, for as long as the scope is open. @since 0.1.0 @category conversions */
export const fromStream = <A, E>(stream: Stream.Stream<A, E>): Effect.Effect<Batches<A, E>, never, Scope.Scope> =>
  Effect.map(Stream.toPull(stream), (pull) => ({
    next: Effect.matchEffect(pull, {
      onFailure: Option.match({ onNone: () => Effect.succeed(undefined), onSome: Effect.fail }),
      onSuccess: (chunk) => Effect.succeed(Chunk.toReadonlyArray(chunk))
    })
  }))

/** One sequence after the other. @since 0.1.0 @category combinators */
export const concat = <A, E>(parts: ReadonlyArray<Batches<A, E>>): Batches<A, E> => {
  let at = 0
  const next: Batches<A, E>["next"] = Effect.suspend(() => {
    const part = parts[at]
    if (part === undefined) return Effect.succeed(undefined)
    return Effect.flatMap(part.next, (batch) => {
      if (batch !== undefined) return Effect.succeed(batch)
      at++
      return next
    })
  })
  return { next }
}

/** A place in a sequence; what is in memory is read without an effect. @since 0.1.0 @category models */
export interface Cursor<A, E> {
  /** The next item, if it is in memory. */
  readonly peek: () => A | undefined
  /** Goes past the item that `peek` answers. */
  readonly advance: () => void
  /** Whether the sequence has ended and everything from it was passed. */
  readonly isDone: () => boolean
  /** Fetches until `peek` answers an item or `isDone`. */
  readonly fill: Effect.Effect<void, E>
}

/** A cursor at the first item, which never asks again once the sequence has ended or failed. @since 0.1.0 @category constructors */
export const cursor = <A, E>(batches: Batches<A, E>): Cursor<A, E> => {
  let buffer: ReadonlyArray<A> = []
  let at = 0
  let ended = false
  const fill: Effect.Effect<void, E> = Effect.suspend(() =>
    ended || at < buffer.length
      ? Effect.void
      : Effect.matchEffect(batches.next, {
          onFailure: (error) => {
            ended = true
            buffer = []
            return Effect.fail(error)
          },
          onSuccess: (batch) => {
            if (batch === undefined) ended = true
            buffer = batch ?? []
            at = 0
            return fill
          }
        })
  )
  return {
    peek: () => buffer[at],
    advance: () => {
      at++
    },
    isDone: () => ended && at >= buffer.length,
    fill
  }
}

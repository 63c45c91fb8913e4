/**
 * Fetching several elements of a stream ahead, in order.
 *
 * @since 0.1.0
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"

/**
 * What `fetch` makes of each element, in the elements' order, with up to `width` fetches under way.
 *
 * The same as `Stream.mapEffect` with a concurrency, whose cost per element is many times that of a small fetch. A failure
 * of `source` arrives behind everything that came before it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapAhead = <A extends object, B, E, E2>(
  source: Stream.Stream<A, E>,
  width: number,
  fetch: (element: A) => Effect.Effect<B, E2>
): Stream.Stream<B, E | E2> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const scope = yield* Effect.scope
      const pull = yield* Stream.toPull(source)
      const underWay: Array<Fiber.Fiber<B, E2>> = []
      let ready: ReadonlyArray<A> = []
      let used = 0
      /** Why nothing more comes from the source: its failure, or nothing for its end. */
      let over: Option.Option<Option.Option<E>> = Option.none()

      const refill = Effect.matchEffect(pull, {
        onSuccess: (more) =>
          Effect.sync(() => {
            ready = Chunk.toReadonlyArray(more)
            used = 0
          }),
        onFailure: (end) =>
          Effect.sync(() => {
            over = Option.some(end)
          })
      })

      const fill = Effect.gen(function* () {
        while (underWay.length < width) {
          const element = ready[used]
          if (element !== undefined) {
            used++
            underWay.push(yield* Effect.forkIn(fetch(element), scope))
          } else if (Option.isNone(over)) {
            yield* refill
          } else {
            return
          }
        }
      })

      const next: Effect.Effect<B, Option.Option<E | E2>> = Effect.zipRight(
        fill,
        Effect.suspend((): Effect.Effect<B, Option.Option<E | E2>> => {
          const first = underWay.shift()
          if (first !== undefined) return Effect.mapError(Fiber.join(first), Option.some)
          return Effect.fail(Option.flatten(over))
        })
      )
      return Stream.repeatEffectOption(next)
    })
  )

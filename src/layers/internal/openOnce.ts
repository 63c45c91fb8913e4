/** Opening something when it is first asked for, once however many ask. */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/** Opened at most once and closed with `scope`; what could not be opened is tried again by whoever asks next. */
export const openOnce = <A, E, R>(
  scope: Scope.Scope,
  open: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Scope.Scope>> => {
  const turn = Effect.unsafeMakeSemaphore(1)
  let opened: { readonly value: A } | undefined
  const first = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const own = yield* Scope.fork(scope, ExecutionStrategy.sequential)
      const value = yield* restore(Scope.extend(open, own)).pipe(
        Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(own, exit)))
      )
      opened = { value }
      return value
    })
  )
  return turn.withPermits(1)(Effect.suspend(() => (opened === undefined ? first : Effect.succeed(opened.value))))
}

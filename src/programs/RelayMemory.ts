/**
 * Room in memory for bodies on their way: whoever finds none waits, and not for ever.
 *
 * Reads and writes have room of their own, so that readers, who need no token, never keep writers from writing.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as RelayApi from "../schema/RelayApi.ts"

/** Permits are of this size. */
const permitBytes = 64 * 1024
/** How long somebody waits for room before being sent away for a while. */
const patience = Duration.seconds(20)

/** @since 0.1.0 @category models */
export interface Room {
  /** Takes room for `bytes` until the scope ends; for more than there is at all, all of it. */
  readonly take: (bytes: number) => Effect.Effect<void, RelayApi.StoreFailed, Scope.Scope>
}

/** Room for `total` bytes. @since 0.1.0 @category constructors */
export const make = (total: number): Effect.Effect<Room> => {
  const most = Math.max(1, Math.ceil(total / permitBytes))
  return Effect.map(Effect.makeSemaphore(most), (semaphore) => ({
    take: (bytes) => {
      const permits = Math.min(most, Math.max(1, Math.ceil(bytes / permitBytes)))
      const waiting = semaphore.take(permits).pipe(
        Effect.timeoutFail({
          duration: patience,
          onTimeout: () =>
            new RelayApi.StoreFailed({ detail: "too much is on its way at once; come again in a moment" })
        })
      )
      // nobody is given room without a promise to give it back
      return Effect.uninterruptibleMask((restore) =>
        Effect.zipRight(
          restore(waiting),
          Effect.addFinalizer(() => semaphore.release(permits))
        )
      )
    }
  }))
}

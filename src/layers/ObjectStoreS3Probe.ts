/**
 * Whether a bucket heeds the conditions of writes, found out by trying; many services take them and do not look at them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Client } from "./ObjectStoreS3Client.ts"
import type { Failure } from "./ObjectStoreS3Failure.ts"

const attempted = (client: Client, folder: string) =>
  Effect.acquireUseRelease(
    Effect.sync(() => `${folder}probe-${crypto.randomUUID()}`),
    Effect.fnUntraced(function* (key) {
      const statusOf = (condition: Readonly<Record<string, string>>) =>
        client
          .send({
            method: "PUT",
            key,
            headers: { "content-type": "application/octet-stream", ...condition },
            body: new Uint8Array(1),
            refuse: client.unacknowledged,
            accepts: (status, code) => status === 412 || status === 501 || code === "NoSuchKey"
          })
          .pipe(Effect.map(({ status }) => status))
      if ((yield* statusOf({ "if-none-match": "*" })) === 501) return "has no conditional writes"
      if ((yield* statusOf({ "if-none-match": "*" })) !== 412) return "ignores If-None-Match"
      if ((yield* statusOf({ "if-match": `"${"0".repeat(32)}"` })) < 300) return "ignores If-Match"
      return undefined
    }),
    // an object of one byte under a name that is never listed is no harm where nothing may be deleted
    (key) =>
      client.send({ method: "DELETE", key }).pipe(Effect.interruptible, Effect.timeout("30 seconds"), Effect.ignore)
  )

/**
 * What speaks against conditional writes, if anything does: tried once, by an object below `folder` that is removed again,
 * and after a failure by whoever asks next.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (client: Client, folder: string): Effect.Effect<string | undefined, Failure> => {
  const turn = Effect.unsafeMakeSemaphore(1)
  let known: { readonly problem: string | undefined } | undefined
  return turn.withPermits(1)(
    Effect.suspend(() =>
      known !== undefined
        ? Effect.succeed(known.problem)
        : Effect.tap(attempted(client, folder), (problem) =>
            Effect.sync(() => {
              known = { problem }
            })
          )
    )
  )
}

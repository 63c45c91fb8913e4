/**
 * Large objects in parts, several at a time; an upload that fails or is interrupted is taken back.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Bytes from "../schema/Bytes.ts"
import * as S3Xml from "../schema/S3Xml.ts"
import { type Client, xmlLimit } from "./ObjectStoreS3Client.ts"
import * as S3Failure from "./ObjectStoreS3Failure.ts"

/** What S3 wants a part to have at least, the last one excepted, in bytes. @since 0.1.0 @category constants */
export const smallestPart = 5 << 20

const mostParts = 10_000
const partsInFlight = 4

const lossy = new TextDecoder()

/** What {@link upload} needs to know. @since 0.1.0 @category models */
export interface Upload {
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Uint8Array
  /** In bytes; larger when there would be too many parts. */
  readonly partSize: number
  /** Whether the object is the one that this upload makes; asked when the answer to its completion was lost. */
  readonly isOurs: Effect.Effect<boolean, S3Failure.Failure>
}

/** Writes the object. @since 0.1.0 @category operations */
export const upload = (client: Client, { bytes, headers, isOurs, key, ...given }: Upload) =>
  Effect.gen(function* () {
    const partSize = Math.max(given.partSize, smallestPart, Math.ceil(bytes.length / mostParts))
    const count = Math.ceil(bytes.length / partSize)

    const part = (uploadId: string) => (index: number) =>
      Effect.suspend(() =>
        client.send({
          method: "PUT",
          key,
          query: { partNumber: String(index + 1), uploadId },
          body: new Uint8Array(bytes.subarray(index * partSize, (index + 1) * partSize))
        })
      ).pipe(
        Effect.flatMap((answer) =>
          Effect.mapError(Effect.fromNullable(answer.headers.get("etag")), () =>
            S3Failure.failure("Unavailable", `the bucket gave part ${index + 1} of ${count} no tag`)
          )
        )
      )

    const complete = (uploadId: string, tags: ReadonlyArray<string>) =>
      client
        .send({
          method: "POST",
          key,
          query: { uploadId },
          headers: { "content-type": "application/xml" },
          body: new Uint8Array(Bytes.fromUtf8(S3Xml.completion(tags))),
          limit: xmlLimit,
          accepts: (_, code) => code === "NoSuchUpload",
          // an error may come after the status 200 was sent
          refuse: (answer) => {
            if (S3Xml.isCompleted(lossy.decode(answer.body))) return undefined
            const { code } = S3Failure.refusalOf(answer)
            return S3Failure.failure("Unavailable", `the parts were not put together (${code || "no answer"})`, {
              transient: code === "" || code === "InternalError" || code === "ServiceUnavailable" || code === "SlowDown"
            })
          }
        })
        .pipe(
          Effect.flatMap((answer) => (answer.status < 300 ? Effect.succeed(true) : isOurs)),
          Effect.filterOrFail(
            (done) => done,
            () => S3Failure.failure("Unavailable", "the upload was taken back by somebody else; run it again")
          ),
          Effect.asVoid
        )

    // an initiation whose answer was lost leaves an upload without parts, which takes no room
    const begun = client.send({ method: "POST", key, query: { uploads: "" }, headers, limit: xmlLimit }).pipe(
      Effect.flatMap((answer) => S3Xml.uploadId(lossy.decode(answer.body))),
      Effect.catchTag("FormatError", (error) => S3Failure.failure("Unavailable", error.message))
    )
    const takeBack = (uploadId: string) =>
      client
        .send({ method: "DELETE", key, query: { uploadId }, accepts: (_, code) => code === "NoSuchUpload" })
        // nothing is lost: the parts are no object, and what remains of them is the bucket's to expire
        .pipe(Effect.interruptible, Effect.timeout(Duration.seconds(30)), Effect.ignore)
    const parts = Array.from({ length: count }, (_, index) => index)
    yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(restore(begun), (uploadId) =>
        restore(
          Effect.flatMap(Effect.forEach(parts, part(uploadId), { concurrency: partsInFlight }), (tags) =>
            complete(uploadId, tags)
          )
        ).pipe(Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : takeBack(uploadId))))
      )
    )
  })

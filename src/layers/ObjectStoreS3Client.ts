/**
 * Signed requests to one bucket: so many at a time, each with a time limit, tried again with full jitter where that may help.
 *
 * @since 0.1.0
 */
import { AwsV4Signer } from "aws4fetch"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Bytes from "../schema/Bytes.ts"
import type * as Address from "./ObjectStoreS3Address.ts"
import * as S3Failure from "./ObjectStoreS3Failure.ts"

/** @since 0.1.0 @category models */
export interface Credentials {
  readonly accessKey: string
  readonly secretKey: Redacted.Redacted<string>
  readonly sessionToken?: Redacted.Redacted<string> | undefined
}

/** What sends a request; the global `fetch` and whatever is shaped like it. @since 0.1.0 @category models */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** @since 0.1.0 @category models */
export interface Options {
  /** The global `fetch` when absent. */
  readonly fetch?: Fetch
  /** Requests in flight at a time, further ones wait; 16 when absent. */
  readonly maxInFlight?: number
  /** How long a request may go without any progress; a minute when absent. Bytes to be sent are given time beside that. */
  readonly timeout?: Duration.DurationInput
  /** How often a request is sent before it counts as failed; 8 times when absent. */
  readonly attempts?: number
  /** The most that is waited before the second attempt, twice that before the third …; 100 ms when absent. */
  readonly backoff?: Duration.DurationInput
  /** The most that is waited in between; 20 seconds when absent. */
  readonly maxBackoff?: Duration.DurationInput
}

/** @since 0.1.0 @category models */
export interface Request {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE"
  /** Empty for the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array<ArrayBuffer>
  /** Which answers beside the successes are answers rather than failures, by status and error code; a HEAD's has none. */
  readonly accepts?: (status: number, code: string) => boolean
  /** A success that is none; what it gives is the failure of the attempt. */
  readonly refuse?: (answer: S3Failure.Answer) => S3Failure.Failure | undefined
  /** The most bytes of a body that are taken; unlimited when absent. */
  readonly limit?: number
}

/** @since 0.1.0 @category models */
export interface Client {
  readonly send: (request: Request) => Effect.Effect<S3Failure.Answer, S3Failure.Failure>
  /** For {@link Request.refuse} of a `PUT`: what answers every request with a success is no S3 service and kept nothing. */
  readonly unacknowledged: (answer: S3Failure.Answer) => S3Failure.Failure | undefined
}

/** A body of XML may be this long. @since 0.1.0 @category constants */
export const xmlLimit = 32 << 20

// slower than any line that is of use; so large parts are given the time that they need
const slowestUpload = 16 * 1024
const longestWait = Duration.minutes(2)
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const timestamp = (millis: number): string => new Date(millis).toISOString().replace(/[:-]|\.\d{3}/g, "")

/** A client of the bucket at `address`. @since 0.1.0 @category constructors */
export const make = (address: Address.Address, credentials: Credentials, options: Options): Client => {
  const send = options.fetch ?? ((url, init) => globalThis.fetch(url, init))
  const timeout = Duration.decode(options.timeout ?? "1 minute")
  const permits = Effect.unsafeMakeSemaphore(options.maxInFlight ?? 16)
  const token = credentials.sessionToken === undefined ? undefined : Redacted.value(credentials.sessionToken)
  const secret = Redacted.value(credentials.secretKey)
  const about: S3Failure.About = {
    bucket: address.bucket,
    host: address.host,
    region: address.region,
    secrets: [secret, token ?? "", credentials.accessKey]
  }
  const unreached = (cause: unknown) => S3Failure.ofCause(about, cause)
  const broken = (detail: string) => S3Failure.failure("Unavailable", `${address.host} ${detail}`, { transient: true })

  const within = <A>(duration: Duration.Duration, step: Effect.Effect<A, S3Failure.Failure>) =>
    // also where the caller may not be interrupted: the limit is the step's own
    Effect.timeoutFail(Effect.interruptible(step), {
      duration,
      onTimeout: () => broken(`did not go on within ${Duration.format(duration)}`)
    })

  const sign = async (request: Request, now: number) => {
    const digest = request.body && Bytes.toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", request.body)))
    const signed = await new AwsV4Signer({
      method: request.method,
      url: address.url(request.key, request.query),
      // the hash of the body is signed, so the service notices bytes that changed on the way
      headers: { ...request.headers, "x-amz-content-sha256": digest ?? emptyHash },
      accessKeyId: credentials.accessKey,
      secretAccessKey: secret,
      ...(token === undefined ? {} : { sessionToken: token }),
      service: "s3",
      region: address.region,
      datetime: timestamp(now),
      cache: signingKeys
    }).sign()
    // not signed, for proxies change it; with anything else the length could not be compared
    signed.headers.set("accept-encoding", "identity")
    return { url: signed.url.href, headers: signed.headers }
  }
  const signingKeys = new Map<string, ArrayBuffer>()

  const read = (request: Request, response: Response) =>
    Effect.gen(function* () {
      const { headers } = response
      const reader = response.body?.getReader()
      const parts: Array<Uint8Array> = []
      let length = 0
      while (reader !== undefined) {
        const { done, value } = yield* within(
          timeout,
          Effect.tryPromise({ try: () => reader.read(), catch: unreached })
        )
        if (done) break
        parts.push(value)
        length += value.length
        if (request.limit !== undefined && length > request.limit)
          return yield* S3Failure.failure("Unavailable", `${address.host} answers without end; check endpoint`)
      }
      const announced = headers.get("content-length")
      if (
        request.method !== "HEAD" &&
        announced !== null &&
        Number(announced) !== length &&
        (headers.get("content-encoding") ?? "identity") === "identity"
      )
        return yield* broken(`broke off after ${length} of ${announced} bytes`)
      return parts.length === 1 && parts[0] !== undefined ? parts[0] : Bytes.concat(...parts)
    })

  const exchange = (request: Request, url: string, headers: Headers) =>
    Effect.acquireUseRelease(
      Effect.sync(() => new AbortController()),
      ({ signal }) =>
        Effect.gen(function* () {
          const { body } = request
          const init = { method: request.method, headers, signal, redirect: "manual" as const }
          const response = yield* within(
            Duration.sum(timeout, Duration.seconds((body?.length ?? 0) / slowestUpload)),
            Effect.tryPromise({
              try: () => send(url, body === undefined ? init : { ...init, body }),
              catch: unreached
            })
          )
          const answer = { status: response.status, headers: response.headers }
          return { ...answer, body: yield* read(request, response) }
        }),
      (controller, exit) => Effect.sync(() => (Exit.isSuccess(exit) ? undefined : controller.abort()))
    )

  const attempt = Effect.fnUntraced(function* (request: Request) {
    const now = yield* Clock.currentTimeMillis
    const { headers, url } = yield* Effect.tryPromise({
      try: () => sign(request, now),
      catch: () => S3Failure.failure("Unavailable", "the request could not be signed")
    })
    const answer: S3Failure.Answer = yield* exchange(request, url, headers)
    if (answer.status >= 200 && answer.status < 300) {
      const refused = request.refuse?.(answer)
      return refused === undefined ? answer : yield* refused
    }
    const failed = S3Failure.ofAnswer(about, answer, now)
    const isAnswer = request.accepts?.(answer.status, S3Failure.refusalOf(answer).code) ?? false
    return isAnswer && !failed.transient ? answer : yield* failed
  })

  const jittered = Schedule.exponential(options.backoff ?? "100 millis").pipe(
    Schedule.union(Schedule.spaced(options.maxBackoff ?? "20 seconds")),
    Schedule.jitteredWith({ min: 0, max: 1 })
  )
  const schedule = Schedule.identity<S3Failure.Failure>().pipe(
    Schedule.intersect(jittered),
    Schedule.intersect(Schedule.recurs((options.attempts ?? 8) - 1)),
    Schedule.modifyDelay(([[failed]], delay) => Duration.max(delay, failed.retryAfter))
  )

  return {
    unacknowledged: ({ headers }) =>
      headers.has("etag")
        ? undefined
        : S3Failure.failure("Unavailable", `${address.host} did not answer as an S3 service does; check endpoint`),
    send: (request) =>
      permits
        .withPermits(1)(attempt(request))
        .pipe(
          // whoever is told to come back in an hour is not kept waiting for it
          Effect.retry({
            schedule,
            while: (failed) => failed.transient && Duration.lessThanOrEqualTo(failed.retryAfter, longestWait)
          })
        )
  }
}

/**
 * Requests to one relay: so many at a time, each with a time limit, tried again with full jitter where that may help.
 *
 * @since 0.1.0
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"

/** A request came to nothing. @since 0.1.0 @category errors */
export class Failure extends Data.TaggedError("RelayFailure")<{
  readonly reason: "NotFound" | "Denied" | "Full" | "Damaged" | "Refused" | "Unsupported" | "Unavailable"
  readonly detail: string
  /** Whether the same request may succeed a little later. */
  readonly transient: boolean
  readonly retryAfter: Duration.Duration
}> {
  override get message() {
    return this.detail
  }
}

/** @since 0.1.0 @category models */
export interface Options {
  /** Where the relay is, as in `https://relay.example`. */
  readonly url: string
  /** What this device may write with; reads need none. */
  readonly token?: Redacted.Redacted<string> | undefined
  /** What people call it; the URL's host when absent. */
  readonly name?: string | undefined
  /** Requests in flight at a time, further ones wait; 16 when absent. */
  readonly maxInFlight?: number
  /** How long a request may take; two minutes when absent. */
  readonly timeout?: Duration.DurationInput
  /** How often a request is sent before it counts as failed; 8 times when absent. */
  readonly attempts?: number
}

/** An answer with its body. @since 0.1.0 @category models */
export interface Answer {
  readonly status: number
  readonly body: Uint8Array
}

/** @since 0.1.0 @category models */
export interface Client {
  readonly name: string
  /** The answer, where its status is a success or one of `accepts`. */
  readonly send: (
    request: HttpClientRequest.HttpClientRequest,
    accepts?: ReadonlyArray<number>
  ) => Effect.Effect<Answer, Failure>
  /** The body of a success as it comes; nothing is tried again once it began. */
  readonly stream: (
    request: HttpClientRequest.HttpClientRequest
  ) => Effect.Effect<Stream.Stream<Uint8Array, Failure>, Failure, Scope.Scope>
}

const Refusal = Schema.parseJson(Schema.Struct({ detail: Schema.String }))
const transient = new Set([408, 425, 429, 500, 502, 503, 504])
/** The most bytes of an answer: twice the largest blob that a relay takes unless it is told otherwise. */
const mostBytes = 128 * 1024 * 1024
const longestWait = Duration.minutes(2)
const shownMost = 1000
/** How long a relay counts as away after it did not answer. */
const awayFor = Duration.seconds(30)

const reasons: Readonly<Record<number, Failure["reason"]>> = {
  400: "Refused",
  401: "Denied",
  403: "Denied",
  404: "NotFound",
  413: "Full",
  501: "Unsupported"
}

/** A client of the relay at `url`. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (options: Options) {
  const permits = yield* Effect.makeSemaphore(options.maxInFlight ?? 16)
  const base = options.url.replace(/\/+$/, "")
  const name = options.name ?? base.replace(/^[a-z]+:\/\//, "")
  const timeout = options.timeout ?? "2 minutes"
  const { token } = options

  const http = HttpClient.mapRequest(yield* HttpClient.HttpClient, (request) =>
    HttpClientRequest.prependUrl(token === undefined ? request : HttpClientRequest.bearerToken(request, token), base)
  )

  const fail = (reason: Failure["reason"], detail: string, isTransient = false, retryAfter = Duration.zero) =>
    new Failure({ reason, detail: `relay ${name}: ${detail}`, transient: isTransient, retryAfter })
  // the message of a transport's failure names the method and the URL, neither of which is secret
  const unreached = (error: { readonly message: string }) =>
    fail("Unavailable", `cannot be reached, or broke off (${error.message.slice(0, shownMost)})`, true)

  /** The whole body, where it ends: a relay that need not be trusted could send for ever. */
  const bodyOf = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<Uint8Array, Failure> =>
    response.request.method === "HEAD" || response.status === 204
      ? Effect.succeed(new Uint8Array(0))
      : response.stream.pipe(
          Stream.mapError(unreached),
          // into one buffer: parts may be of a single byte, millions of them
          Stream.runFoldEffect({ bytes: new Uint8Array(0), length: 0 }, ({ bytes, length }, part) => {
            const end = length + part.length
            if (end > mostBytes)
              return fail("Unavailable", `answers with more than ${mostBytes} bytes; it is no relay, or a hostile one`)
            const room = end <= bytes.length ? bytes : new Uint8Array(Math.max(end, 2 * bytes.length))
            if (room !== bytes) room.set(bytes.subarray(0, length))
            room.set(part, length)
            return Effect.succeed({ bytes: room, length: end })
          }),
          Effect.map(({ bytes, length }) => (bytes.length === length ? bytes : bytes.slice(0, length)))
        )

  const refused = (response: HttpClientResponse.HttpClientResponse) =>
    Effect.gen(function* () {
      const { status } = response
      // nothing is lost: the status says what matters, the text only explains it
      const text = yield* Effect.orElseSucceed(Effect.map(bodyOf(response), Bytes.toUtf8), () => "")
      const said = yield* Effect.orElseSucceed(
        Effect.map(Schema.decodeUnknown(Refusal)(text), ({ detail }) => detail.replace(/\p{Cc}+/gu, " ")),
        () => `HTTP ${status}`
      )
      const wait = Number(response.headers["retry-after"] ?? "0")
      // what is kept there is rotten: asking again gives it no better
      const isDamage = status === 500 && text?.includes('"Damaged"') === true
      return yield* fail(
        isDamage ? "Damaged" : (reasons[status] ?? "Unavailable"),
        said.slice(0, shownMost),
        transient.has(status) && !isDamage,
        Duration.seconds(Number.isFinite(wait) && wait > 0 ? wait : 0)
      )
    })

  const schedule = Schedule.identity<Failure>().pipe(
    Schedule.intersect(
      Schedule.exponential("100 millis").pipe(
        Schedule.union(Schedule.spaced("20 seconds")),
        Schedule.jitteredWith({ min: 0, max: 1 })
      )
    ),
    Schedule.intersect(Schedule.recurs((options.attempts ?? 8) - 1)),
    Schedule.modifyDelay(([[failed]], delay) => Duration.max(delay, failed.retryAfter))
  )
  const again = {
    schedule,
    while: (failed: Failure) => failed.transient && Duration.lessThanOrEqualTo(failed.retryAfter, longestWait)
  }

  const begin = (request: HttpClientRequest.HttpClientRequest, accepts: ReadonlyArray<number>) =>
    Effect.mapError(http.execute(request), unreached).pipe(
      Effect.flatMap((response) =>
        (response.status >= 200 && response.status < 300) || accepts.includes(response.status)
          ? Effect.succeed(response)
          : refused(response)
      )
    )

  let failedAt: number | undefined
  /**
   * Sends again what may succeed a little later. After a request for which all that was in vain the next ones are sent once or
   * twice, until one succeeds or a while has passed: whoever has much to ask does not wait for each of it.
   */
  const patiently = <A>(attempt: Effect.Effect<A, Failure>): Effect.Effect<A, Failure> =>
    Effect.flatMap(Clock.currentTimeMillis, (began) => {
      const isAway = failedAt !== undefined && began - failedAt < Duration.toMillis(awayFor)
      return Effect.retry(attempt, isAway ? { ...again, times: 1 } : again).pipe(
        Effect.tapBoth({
          onSuccess: () =>
            Effect.sync(() => {
              failedAt = undefined
            }),
          onFailure: (failed) =>
            failed.transient
              ? Effect.map(Clock.currentTimeMillis, (now) => {
                  failedAt = now
                })
              : Effect.void
        })
      )
    })

  const client: Client = {
    name,
    send: (request, accepts = []) =>
      begin(request, accepts).pipe(
        Effect.flatMap((response) => Effect.map(bodyOf(response), (body) => ({ status: response.status, body }))),
        Effect.timeoutFail({
          duration: timeout,
          onTimeout: () => fail("Unavailable", `did not answer within ${Duration.format(timeout)}`, true)
        }),
        permits.withPermits(1),
        patiently
      ),
    stream: (request) =>
      Effect.map(patiently(begin(request, [])), (response) => Stream.mapError(response.stream, unreached))
  }
  return client
})

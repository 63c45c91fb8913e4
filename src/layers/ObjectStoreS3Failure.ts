/**
 * What the answers of an S3 service mean when they are no success: for whom, and whether trying again may help.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as S3Xml from "../schema/S3Xml.ts"
import type { ObjectStoreError } from "../services/ObjectStore.ts"

/** One attempt at a request came to nothing. @since 0.1.0 @category errors */
export class Failure extends Data.TaggedError("S3Failure")<{
  readonly reason: ObjectStoreError["reason"]
  readonly detail: string
  /** Whether the same request may succeed a little later. */
  readonly transient: boolean
  /** How long the service asks to wait before that. */
  readonly retryAfter: Duration.Duration
}> {}

/** An answer with its body. @since 0.1.0 @category models */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

/** What is said about a bucket in a message. @since 0.1.0 @category models */
export interface About {
  readonly bucket: string
  readonly host: string
  readonly region: string
  /** Texts that no message may hold. */
  readonly secrets: ReadonlyArray<string>
}

/** @since 0.1.0 @category constructors */
export const failure = (
  reason: ObjectStoreError["reason"],
  detail: string,
  options: { readonly transient?: boolean; readonly retryAfter?: Duration.Duration } = {}
): Failure =>
  new Failure({
    reason,
    detail,
    transient: options.transient ?? false,
    retryAfter: options.retryAfter ?? Duration.zero
  })

const lossy = new TextDecoder()

/** What an error's body says of itself. @since 0.1.0 @category getters */
export const refusalOf = (answer: Answer): S3Xml.Refusal => S3Xml.refusal(lossy.decode(answer.body))

const shownMost = 200

/** What a server says, fit for a message: one short line without secrets. @since 0.1.0 @category conversions */
export const clean = (about: Pick<About, "secrets">, text: string): string => {
  let shown = text.replace(/[\p{Cc}\p{Cf}\p{Cs}]+/gu, " ")
  for (const secret of about.secrets) if (secret !== "") shown = shown.replaceAll(secret, "…")
  return shown.length > shownMost ? `${shown.slice(0, shownMost)}…` : shown
}

/** The wait that a `Retry-After` header asks for, in seconds or as a date. @since 0.1.0 @category conversions */
export const retryAfterOf = (headers: Headers, now: number): Duration.Duration => {
  const text = headers.get("retry-after")?.trim() ?? ""
  if (/^[0-9]{1,9}$/.test(text)) return Duration.seconds(Number(text))
  const date = Date.parse(text)
  return Number.isNaN(date) ? Duration.zero : Duration.millis(Math.max(0, date - now))
}

const transientCodes = new Set([
  "InternalError",
  "ServiceUnavailable",
  "SlowDown",
  "SlowDownRead",
  "SlowDownWrite",
  "Busy",
  "RequestTimeout",
  "RequestTimeoutException",
  "RequestThrottled",
  "Throttling",
  "ThrottlingException",
  "TooManyRequests",
  "OperationAborted",
  "ConditionalRequestConflict",
  // the bytes were changed on the way
  "BadDigest",
  "IncompleteBody",
  "XAmzContentSHA256Mismatch"
])

const transientStatuses = new Set([408, 409, 425, 429, 500, 502, 503, 504])
const deniedCodes = new Set(["AccessDenied", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed"])
const fullCodes = new Set([
  "EntityTooLarge",
  "InsufficientStorage",
  "QuotaExceeded",
  "StorageFull",
  "XMinioStorageFull",
  "XMinioAdminBucketQuotaExceeded"
])
const pathCodes = new Set(["KeyTooLongError", "InvalidObjectName", "XMinioInvalidObjectName", "InvalidURI"])
const keyCodes: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: "the access key is unknown there; check access_key",
  SignatureDoesNotMatch: "the signature does not match; check secret_key, and the region",
  ExpiredToken: "the session token has expired; get a new one",
  InvalidToken: "the session token is not valid; get a new one",
  TokenRefreshRequired: "the session token has expired; get a new one"
}

const clockOff = (headers: Headers, now: number): string => {
  const theirs = Date.parse(headers.get("date") ?? "")
  const minutes = Math.round((now - theirs) / 60_000)
  const off =
    Number.isNaN(theirs) || minutes === 0 ? "off" : `${Math.abs(minutes)} minutes ${minutes > 0 ? "ahead" : "behind"}`
  return `this machine's clock is ${off}, so the bucket does not believe its signatures; set the clock and run it again`
}

/** What went wrong, from an answer that is no success. @since 0.1.0 @category conversions */
export const ofAnswer = (about: About, answer: Answer, now: number): Failure => {
  const { headers, status } = answer
  const { code, message, region = headers.get("x-amz-bucket-region") ?? undefined } = refusalOf(answer)
  const said = clean(about, [`HTTP ${status}`, code, message].filter((part) => part !== "").join(", "))
  const fail = (reason: ObjectStoreError["reason"], detail: string) => failure(reason, `${detail} (${said})`)

  if (transientCodes.has(code) || (code === "" && transientStatuses.has(status)))
    return failure("Unavailable", `the bucket could not answer (${said}); run it again later`, {
      transient: true,
      retryAfter: retryAfterOf(headers, now)
    })
  if (code === "RequestTimeTooSkewed") return fail("Denied", clockOff(headers, now))
  if (code === "NoSuchBucket")
    return fail("Unavailable", `there is no bucket ${about.bucket} at ${about.host}; make it, or check bucket_name`)
  const aboutKeys = keyCodes[code]
  if (aboutKeys !== undefined) return fail("Denied", aboutKeys)
  if (region !== undefined && region !== about.region && (status <= 400 || code === "AuthorizationHeaderMalformed"))
    return fail("Denied", `the bucket is in the region ${clean(about, region)}; set region to that`)
  if (status < 400) return fail("Unavailable", `${about.host} sends us elsewhere; check endpoint and region`)
  if (fullCodes.has(code) || status === 507)
    return fail("Full", "no room left in the bucket, or the object is too large")
  if (pathCodes.has(code)) return fail("BadPath", "this service takes no object under that name")
  if (code === "InvalidObjectState") return fail("Unreadable", "the object is archived; restore it there first")
  if (deniedCodes.has(code) || status === 401 || status === 403)
    return fail(
      "Denied",
      "not allowed; check the keys and the bucket's policy (without s3:ListBucket, what is not there is answered so too)"
    )
  if (transientStatuses.has(status))
    return failure("Unavailable", `the bucket could not answer (${said}); run it again later`, {
      transient: true,
      retryAfter: retryAfterOf(headers, now)
    })
  return fail("Unavailable", `${about.host} did not answer as an S3 service does; check endpoint and bucket_name`)
}

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

// trying again does not make a name or a certificate right
const lasting: Readonly<Record<string, string>> = {
  ENOTFOUND: "its name is not known; check endpoint and this machine's network",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not one that this machine trusts",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not one that this machine trusts",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not one that this machine trusts",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host"
}

/** What went wrong, from what `fetch` was rejected with. @since 0.1.0 @category conversions */
export const ofCause = (about: About, cause: unknown): Failure => {
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
  const code = codeOf(inner) ?? codeOf(cause)
  const known = code === undefined ? undefined : lasting[code]
  const said = clean(about, code ?? (inner instanceof Error ? inner.message : String(inner)))
  return known === undefined
    ? failure("Unavailable", `${about.host} cannot be reached, or broke off (${said})`, { transient: true })
    : failure("Unavailable", `${about.host} cannot be reached: ${known} (${said})`)
}

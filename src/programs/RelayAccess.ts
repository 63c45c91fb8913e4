/**
 * Who may write to a relay, how fast and how much: a token's own limits, and those of every token that let it in.
 *
 * @since 0.1.0
 */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Bytes from "../schema/Bytes.ts"
import * as RelayApi from "../schema/RelayApi.ts"
import * as Crypto from "../services/Crypto.ts"
import * as RelayTokens from "../services/RelayTokens.ts"
import * as RelayLimits from "./RelayLimits.ts"

/** How a request is told of in the log; the token's name is put in once it is known. @since 0.1.0 @category services */
export class RequestLog extends Context.Reference<RequestLog>()("cairn/RelayRequest", {
  defaultValue: (): { token: string | undefined; bytes: number } => ({ token: undefined, bytes: 0 })
}) {}

/** A token and those that let it in, itself first. @since 0.1.0 @category models */
export type Chain = readonly [RelayTokens.Token, ...ReadonlyArray<RelayTokens.Token>]

/** The most tokens that lead from one to the one that was made at the relay. @since 0.1.0 @category constants */
export const deepest = 8

/** The most living tokens that one token may have let in, counting theirs. @since 0.1.0 @category constants */
export const mostLetIn = 64

const unavailable = (error: { readonly message: string }) => new RelayApi.StoreFailed({ detail: error.message })

/** The chain of a token; nothing where one of it is gone or has ended, as then all below it have. @since 0.1.0 @category combinators */
export const chainOf = (
  token: RelayTokens.Token,
  all: ReadonlyArray<RelayTokens.Token>,
  now: number
): Chain | undefined => {
  const above: Array<RelayTokens.Token> = []
  let current = token
  for (;;) {
    if (current.expiresAt !== undefined && current.expiresAt <= now) return undefined
    const { parent } = current
    if (parent === undefined) return [token, ...above]
    const next = all.find(({ hash }) => hash === parent)
    if (next === undefined || above.length >= deepest) return undefined
    above.push(next)
    current = next
  }
}

/** Whether a token was let in by the one of that hash, or by one that was, ended or not. */
const isBelow = (token: RelayTokens.Token, hash: string, all: ReadonlyArray<RelayTokens.Token>): boolean => {
  let { parent } = token
  // a record that was made by hand could name itself
  for (let steps = 0; parent !== undefined && steps <= deepest; steps++) {
    if (parent === hash) return true
    const above = all.find((one) => one.hash === parent)
    parent = above?.parent
  }
  return false
}

const least = (...limits: ReadonlyArray<number | undefined>): number | undefined => {
  const given = limits.filter((limit) => limit !== undefined)
  return given.length === 0 ? undefined : Math.min(...given)
}

/** A new secret, and the hash of it, which is all that a relay keeps. */
const newSecret = Effect.gen(function* () {
  const { primitives, randomBytes } = yield* Crypto.Crypto
  const secret = `cairn_${Bytes.toHex(yield* randomBytes(32))}`
  return { secret: Redacted.make(secret), hash: Bytes.toHex(primitives.blake3(Bytes.fromUtf8(secret))) }
})

/** A new secret for a device, and what the relay keeps of it; nothing where the name is taken. @since 0.1.0 @category programs */
export const issue = Effect.fn("RelayAccess.issue")(function* (
  token: Omit<ConstructorParameters<typeof RelayTokens.Token>[0], "hash">
) {
  const tokens = yield* RelayTokens.RelayTokens
  const { hash, secret } = yield* newSecret
  const isNew = yield* tokens.create(new RelayTokens.Token({ ...token, hash }))
  return isNew ? secret : undefined
})

/** Names that are tried for a new token, until one is free. */
const namesLike = (name: string): ReadonlyArray<string> => [
  name,
  ...Array.from({ length: mostLetIn }, (_, index) => `${name.slice(0, 60)}-${index + 2}`)
]

/** Who may do what, over the tokens of the environment. @since 0.1.0 @category constructors */
export const make = Effect.gen(function* () {
  const tokens = yield* RelayTokens.RelayTokens
  const crypto = yield* Crypto.Crypto
  const { primitives } = crypto
  const requests = new Map<string, RelayLimits.Bucket>()
  const traffic = new Map<string, RelayLimits.Bucket>()
  /** Bytes that are being written, by the hash of the token. */
  const reserved = new Map<string, number>()

  const slow = Effect.fnUntraced(function* (
    buckets: Map<string, RelayLimits.Bucket>,
    hash: string,
    rate: number | undefined,
    amount: number
  ) {
    if (rate === undefined) return
    const { bucket, wait } = RelayLimits.take(buckets.get(hash), rate, amount, yield* Clock.currentTimeMillis)
    buckets.set(hash, bucket)
    if (wait === 0) return
    const seconds = Math.ceil(wait)
    yield* HttpApp.appendPreResponseHandler((_, response) =>
      Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", `${seconds}`))
    )
    return yield* new RelayApi.TooFast({ detail: "slower, please: this token's rate is used up", retryAfter: seconds })
  })

  /** The token that the request shows, and all above it, once their rates allow a body of `bytes`. */
  const authorize = Effect.fnUntraced(function* (bytes: number) {
    const request = yield* HttpServerRequest.HttpServerRequest
    const shown = /^Bearer (\S{1,256})$/i.exec(request.headers.authorization ?? "")?.[1]
    if (shown === undefined)
      return yield* new RelayApi.Unauthorized({ detail: "a write needs a token, as `Authorization: Bearer TOKEN`" })
    const hash = Bytes.toHex(primitives.blake3(Bytes.fromUtf8(shown)))
    const all = yield* Effect.mapError(tokens.list, unavailable)
    const token = all.find((one) => one.hash === hash)
    const chain = token === undefined ? undefined : chainOf(token, all, yield* Clock.currentTimeMillis)
    if (chain === undefined)
      return yield* new RelayApi.Unauthorized({ detail: "this relay does not know the token, or no longer" })
    const log = yield* RequestLog
    log.token = chain[0].name
    log.bytes = bytes
    for (const one of chain) {
      yield* slow(requests, one.hash, one.requestsPerSecond, 1)
      yield* slow(traffic, one.hash, one.bytesPerSecond, bytes)
    }
    return chain
  })

  /** What is counted for one token is looked at and changed by one at a time. */
  const turns = new Map<string, Effect.Semaphore>()
  const inTurn = ({ hash }: RelayTokens.Token) => {
    const turn = turns.get(hash) ?? Effect.unsafeMakeSemaphore(1)
    turns.set(hash, turn)
    return turn.withPermits(1)
  }

  const setApart = (hash: string, bytes: number) =>
    Effect.sync(() => {
      const now = (reserved.get(hash) ?? 0) + bytes
      if (now > 0) reserved.set(hash, now)
      else reserved.delete(hash)
    })

  /** Sets `bytes` of what the token may write in all apart until the scope ends, so that several writes at once keep to it. */
  const reserve = Effect.fnUntraced(function* (chain: Chain, bytes: number) {
    for (const token of chain) {
      const { hash, maxTotalBytes, name } = token
      if (maxTotalBytes === undefined) continue
      const taken = Effect.gen(function* () {
        const used = yield* Effect.mapError(tokens.used(name), unavailable)
        if (used + (reserved.get(hash) ?? 0) + bytes > maxTotalBytes)
          return yield* new RelayApi.Forbidden({
            detail: `this token may write ${maxTotalBytes} bytes in all, and has written ${used}`
          })
        yield* setApart(hash, bytes)
      })
      yield* Effect.acquireRelease(inTurn(token)(taken), () => setApart(hash, -bytes))
    }
  })

  /** Counts bytes as written by the token, and by all above it. */
  const count = (chain: Chain, bytes: number) =>
    Effect.forEach(chain, (token) => inTurn(token)(tokens.use(token.name, bytes)), { discard: true })

  // who asks for many at once gets no more of them than who asks for one after the other
  const delegating = Effect.unsafeMakeSemaphore(1)

  /** Lets another device in: a token below the one that asks, never with more than that one may. */
  const delegate = Effect.fnUntraced(function* (chain: Chain, asked: typeof RelayApi.Delegation.Type) {
    const [parent] = chain
    const now = yield* Clock.currentTimeMillis
    if (parent.mayDelegate !== true)
      return yield* new RelayApi.Forbidden({
        detail: "this token may not let in others; `cairn serve token add NAME --may-invite` makes one that may"
      })
    if (!RelayTokens.isName(asked.name))
      return yield* new RelayApi.BadRequest({ detail: "this cannot name a token: letters, digits, dots, dashes" })
    const all = yield* Effect.mapError(tokens.list, unavailable)
    const alive = all.filter((token) => chainOf(token, all, now) !== undefined)
    const damaged = yield* Effect.mapError(tokens.damaged, unavailable)
    // nobody is let in by what has ended, and its record would only grow old; but one that hangs on a damaged one may be mended
    if (damaged.length === 0)
      for (const { hash, name } of all.filter((token) => !alive.includes(token)))
        yield* Effect.mapError(tokens.remove(name, hash), unavailable)
    if (chain.length >= deepest)
      return yield* new RelayApi.Forbidden({ detail: "too many tokens lead to this one; ask for one at the relay" })
    for (const one of chain) {
      const below = alive.filter((token) => chainOf(token, all, now)?.some(({ hash }) => hash === one.hash) === true)
      if (below.length > mostLetIn)
        return yield* new RelayApi.Forbidden({ detail: `${one.name} has let in ${mostLetIn} already` })
    }
    const ends = asked.lifetimeMillis === undefined ? undefined : now + asked.lifetimeMillis
    const expiresAt = least(ends, parent.expiresAt)
    const maxTotalBytes = least(asked.maxTotalBytes, parent.maxTotalBytes)
    const { hash, secret } = yield* Effect.provideService(newSecret, Crypto.Crypto, crypto)
    for (const name of namesLike(asked.name)) {
      const token = new RelayTokens.Token({
        name,
        hash,
        parent: parent.hash,
        maxTotalBytes,
        expiresAt,
        requestsPerSecond: parent.requestsPerSecond,
        bytesPerSecond: parent.bytesPerSecond,
        ...(asked.mayDelegate === true ? { mayDelegate: true } : {}),
        ...(asked.device === undefined ? {} : { device: asked.device })
      })
      if (yield* Effect.mapError(tokens.create(token), unavailable)) return { token, secret }
    }
    return yield* new RelayApi.BadRequest({ detail: "the name is taken; choose another" })
  }, delegating.withPermits(1))

  /** What stands below a token. */
  const letIn = Effect.fnUntraced(function* ([asking]: Chain) {
    const all = yield* Effect.mapError(tokens.list, unavailable)
    return all.filter((token) => isBelow(token, asking.hash, all))
  })

  /** Ends the token of that hash, and all that came from it, for one that it came from: the names of all that ended. */
  const withdraw = Effect.fnUntraced(function* ([asking]: Chain, hash: string) {
    const all = yield* Effect.mapError(tokens.list, unavailable)
    const token = all.find((one) => one.hash === hash)
    if (token === undefined)
      return yield* new RelayApi.NotHere({ detail: "there is no such token; if there was one, it has ended" })
    if (asking.mayDelegate !== true || !isBelow(token, asking.hash, all))
      return yield* new RelayApi.Forbidden({
        detail: `this token did not let in ${token.name}; \`cairn serve token remove ${token.name}\` at the relay ends that one`
      })
    const ended = yield* Effect.mapError(tokens.remove(token.name, hash), unavailable)
    yield* Effect.annotateLogs(Effect.logInfo("tokens withdrawn"), { by: asking.name, tokens: ended.join(", ") })
    return ended
  }, delegating.withPermits(1))

  return { authorize, reserve, count, delegate, letIn, withdraw }
})

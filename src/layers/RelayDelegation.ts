/**
 * Letting another device in to a relay with a token of this one, and taking that away again.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as RelayApi from "../schema/RelayApi.ts"
import { type Delegation, DelegationError, WithdrawalError, type Withdrawn } from "../services/Places.ts"
import * as RelayTokens from "../services/RelayTokens.ts"
import type * as RelayClient from "./RelayClient.ts"

const decode = Schema.decodeUnknown(Schema.parseJson(RelayApi.Delegated))
const decodeLetIn = Schema.decodeUnknown(Schema.parseJson(RelayApi.LetIn))
const decodeWithdrawn = Schema.decodeUnknown(Schema.parseJson(RelayApi.Withdrawn))

/** The token that the relay makes for another device; an answer that was lost leaves one there that nobody knows. @since 0.1.0 @category programs */
export const delegate = Effect.fn("RelayDelegation.delegate")(function* (
  client: RelayClient.Client,
  place: string,
  delegation: Delegation
) {
  const failed = (reason: DelegationError["reason"], detail: string) => new DelegationError({ reason, place, detail })
  const request = HttpClientRequest.post("/tokens").pipe(
    HttpClientRequest.bodyUint8Array(Bytes.fromUtf8(JSON.stringify(delegation)), "application/json")
  )
  const { body } = yield* Effect.mapError(client.send(request), ({ detail, reason }) =>
    failed(
      reason === "Unavailable" ? "Unavailable" : "Refused",
      reason === "NotFound" ? "the relay is of an older version, which gives tokens only at the relay itself" : detail
    )
  )
  const { token } = yield* Effect.mapError(decode(Bytes.toUtf8(body)), () =>
    failed("Unavailable", "what the relay answers is no token")
  )
  return Redacted.make(token)
})

/** No relay has let in one device that often; each is asked for one by one. */
const mostOfOne = 1024

/** Ends the tokens that were asked for the device of that key, and all that came from them. @since 0.1.0 @category programs */
export const withdraw = Effect.fn("RelayDelegation.withdraw")(function* (
  client: RelayClient.Client,
  place: string,
  device: string
) {
  const failed = ({ detail, reason }: RelayClient.Failure) =>
    new WithdrawalError({
      reason: reason === "Unavailable" ? "Unavailable" : "Refused",
      place,
      detail: reason === "NotFound" ? "the relay is of an older version, which takes no token away from afar" : detail
    })
  const unread = () =>
    new WithdrawalError({ reason: "Unavailable", place, detail: "what the relay answers is no list of tokens" })
  const { body } = yield* Effect.mapError(client.send(HttpClientRequest.get("/tokens")), failed)
  const { tokens } = yield* Effect.mapError(decodeLetIn(Bytes.toUtf8(body)), unread)
  const wanted = tokens.filter((token) => token.device === device)
  if (wanted.length > mostOfOne) return yield* unread()
  const ended = new Set<string>()
  for (const { id } of wanted) {
    const path = `/tokens/${id.replace(/[^0-9a-f]/g, "")}`
    // 404: it ended with one that was taken away before it, or by another device
    const answer = yield* Effect.mapError(client.send(HttpClientRequest.del(path), [404]), failed)
    if (answer.status === 404) continue
    const { withdrawn } = yield* Effect.mapError(decodeWithdrawn(Bytes.toUtf8(answer.body)), unread)
    // what cannot be a token's name is none, and is not repeated to anybody
    for (const name of withdrawn.slice(0, mostOfOne)) if (RelayTokens.isName(name)) ended.add(name)
  }
  const names = wanted.map(({ name }) => name)
  const done: Withdrawn = { tokens: names, others: [...ended].filter((name) => !names.includes(name)) }
  return done
})

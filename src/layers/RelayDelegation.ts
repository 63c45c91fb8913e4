/**
 * Letting another device in to a relay, with a token of this one.
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Bytes from "../schema/Bytes.ts"
import * as RelayApi from "../schema/RelayApi.ts"
import { type Delegation, DelegationError } from "../services/Places.ts"
import type * as RelayClient from "./RelayClient.ts"

const decode = Schema.decodeUnknown(Schema.parseJson(RelayApi.Delegated))

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

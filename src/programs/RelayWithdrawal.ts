/**
 * Taking away what a device that was removed may write with, at every place that lets this device do so.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Bytes from "../schema/Bytes.ts"
import * as PortableStore from "../schema/PortableStore.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Places from "../services/Places.ts"
import * as Identity from "./Identity.ts"

/** A device that is in the list no more. @since 0.1.0 @category models */
export type Removed = Pick<IdentityState.Removed, "label" | "device">

const atTheRelay = "at the relay, `cairn serve token list` shows it and `cairn serve token remove NAME` ends it"

/** What is to be told of a place where the tokens were asked for. */
const told = (label: string, place: string, ended: Places.Withdrawn): ReadonlyArray<string> => [
  ...(ended.tokens.length === 0
    ? [
        `store ${place}: this device's token did not let ${label} in, so it cannot end the one that ${label} has; ${atTheRelay}`
      ]
    : []),
  ...(ended.others.length === 0
    ? []
    : [
        `store ${place}: ${ended.others.join(", ")} ended too, as ${label} had let them in and knows their tokens; each needs a new one: \`cairn serve token add NAME\` at the relay`
      ])
]

/** So long one place may take: what it does not do now is tried again, and others wait for it. */
const patience = "1 minute"

/** Tries it at one place: what is to be told, and whether the place is to be asked again. */
const at = Effect.fnUntraced(function* (name: string, { device, label }: Removed) {
  const places = yield* Places.Places
  const cannotOpen = ({ message }: { readonly message: string }) =>
    new Places.WithdrawalError({ reason: "Unavailable", place: name, detail: message })
  const ended = yield* Effect.mapError(places.open(name), cannotOpen).pipe(
    Effect.flatMap(({ withdraw }) => withdraw?.(device) ?? Effect.succeed({ tokens: [], others: [] })),
    Effect.timeoutFail({
      duration: patience,
      onTimeout: () => cannotOpen({ message: `no answer within ${patience}` })
    }),
    Effect.either
  )
  if (Either.isRight(ended))
    return { problems: told(label, name, ended.right), isWaiting: false, isNothing: ended.right.tokens.length === 0 }
  const { left } = ended
  return left.reason === "Refused"
    ? {
        problems: [`${left.message}; so ${label} can write there still: ${atTheRelay}`],
        isWaiting: false,
        isNothing: false
      }
    : {
        problems: [`${left.message}; so ${label} can write there still, and the next backup tries again`],
        isWaiting: true,
        isNothing: false
      }
})

/** Tries it at these places, each remembered as soon as it is done there; nothing is new where it was done `before`. */
const over = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  { device, label }: Removed,
  before: ReadonlyArray<string>
) {
  const state = yield* IdentityState.IdentityState
  const done = before.filter((name) => !names.includes(name))
  const waiting: Array<string> = []
  const problems: Array<string> = []
  // a place that comes later has nothing of the device
  if (names.length === 0)
    yield* state.saveWithdrawal(new IdentityState.Withdrawal({ device, label, done: [...done], waiting }))
  for (const [index, name] of names.entries()) {
    const outcome = yield* at(name, { device, label })
    if (!(outcome.isNothing && before.includes(name))) problems.push(...outcome.problems)
    if (outcome.isWaiting) waiting.push(name)
    else done.push(name)
    const left = [...waiting, ...names.slice(index + 1)]
    yield* state.saveWithdrawal(new IdentityState.Withdrawal({ device, label, done: [...done], waiting: left }))
  }
  return problems
})

/** What else the device has read, and can write with until somebody makes it void. */
const read = (label: string, stores: Identity.Identity["stores"]): ReadonlyArray<string> =>
  [...stores].flatMap(([name, json]) => {
    const store = Either.getOrUndefined(PortableStore.fromJson(json))
    if (store?.type === "s3" && store.secret_key !== undefined)
      return [
        `store ${name}: ${label} has read the bucket's keys, which the list of stores names: make others where the bucket is, put them into [store.${name}], and end the old ones`
      ]
    if (store?.type === "relay" && store.token !== undefined)
      return [
        `store ${name}: ${label} has read the token that the list of stores names: make another at the relay (\`cairn serve token add NAME --may-invite\`), put it into [store.${name}], and end the old one (\`cairn serve token remove NAME\`), which ends those that it let in too`
      ]
    return []
  })

/**
 * Takes away the tokens of a device that was just taken out of the list, and answers what could not be done: a place that
 * does not answer is asked again by `proceed`.
 *
 * @since 0.1.0
 * @category programs
 */
export const begin = Effect.fn("RelayWithdrawal.begin")(function* (
  removed: Removed,
  identity: Pick<Identity.Identity, "stores">
) {
  const { withTokens } = yield* Places.Places
  const state = yield* IdentityState.IdentityState
  const before = (yield* state.withdrawals).find(({ device }) => device === removed.device)?.done ?? []
  // also where it was done once: the device may have been let in again since
  const problems = yield* over(withTokens, removed, before)
  return [...problems, ...read(removed.label, identity.stores)]
})

/** The tokens that are still to be taken away, by removed device. @since 0.1.0 @category programs */
export const pending = Effect.fn("RelayWithdrawal.pending")(function* () {
  const state = yield* IdentityState.IdentityState
  const known = new Map((yield* state.withdrawals).map((one) => [one.device, one]))
  const { withTokens } = yield* Places.Places
  return (yield* state.removed).flatMap(({ device, label }) => {
    const one = known.get(device)
    const left = one === undefined ? withTokens : withTokens.filter((name) => one.waiting.includes(name))
    return left.length === 0 ? [] : [{ label, device, isBegun: one !== undefined, places: left, done: one?.done ?? [] }]
  })
})

/** Tries again what is pending, and answers what could still not be done. @since 0.1.0 @category programs */
export const proceed = Effect.fn("RelayWithdrawal.proceed")(function* () {
  const left = yield* pending()
  if (left.length === 0) return []
  const state = yield* IdentityState.IdentityState
  const identity = yield* Identity.read({ isOffline: true })
  const listed = new Set([...(identity?.devices.values() ?? [])].map(({ signing }) => Bytes.toHex(signing)))
  const problems: Array<string> = []
  for (const { device, done, isBegun, label, places } of left)
    if (!listed.has(device)) problems.push(...(yield* over(places, { device, label }, done)))
    // it was let in again since: its tokens are not those of a stranger; where it was never taken out, the removal goes on first
    else if (isBegun)
      yield* state.saveWithdrawal(
        new IdentityState.Withdrawal({ device, label, done: [...done, ...places], waiting: [] })
      )
  return problems
})

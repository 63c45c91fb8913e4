/**
 * `cairn join [FOLDER|URL]`
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as PlaceFromAddress from "../layers/PlaceFromAddress.ts"
import type * as Identity from "../programs/Identity.ts"
import * as IdentityChanges from "../programs/IdentityChanges.ts"
import * as IdentityUpkeep from "../programs/IdentityUpkeep.ts"
import * as Joining from "../programs/Joining.ts"
import * as Pairing from "../programs/Pairing.ts"
import * as PairingCode from "../schema/PairingCode.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Places from "../services/Places.ts"
import * as Answers from "./Answers.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import type * as Ending from "./Ending.ts"
import { exitCode, ofError } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as PullVoice from "./PullVoice.ts"
import * as RecoverStores from "./RecoverStores.ts"
import * as Verb from "./Verb.ts"

const config = {
  place: Args.optional(Verb.operand("FOLDER|URL")),
  store: Options.text("store").pipe(
    Options.withDescription("a store of the configuration, or a folder, in place of the operand"),
    Options.optional
  ),
  dryRun: Verb.dryRun
}

/** Where the code, or the user, says that both devices meet. */
const addressOf = (code: PairingCode.PairingCode, operand: string | undefined) =>
  operand !== undefined
    ? PlaceFromAddress.parse(operand, code.relay?.token)
    : code.relay === undefined
      ? undefined
      : PlaceFromAddress.Address.Relay(code.relay)

const openPlace = Effect.fnUntraced(function* (
  address: PlaceFromAddress.Address | undefined,
  store: string | undefined
) {
  if (address !== undefined) return yield* PlaceFromAddress.open(address)
  const places = yield* Places.Places
  const place = yield* places.open(store ?? places.names[0])
  if ((yield* place.portable) === undefined)
    return yield* new Argv.Usage({
      problem: "the code does not say where the other device waits: name the folder or store, as in `cairn join FOLDER`"
    })
  return place
})

/** The identity with tokens of this device's own in what it says of relays. */
const withTokens = (identity: Identity.Identity, tokens: ReadonlyMap<string, string>): Identity.Identity => ({
  ...identity,
  stores: new Map(
    [...identity.stores].map(([name, json]) => {
      const token = tokens.get(name)
      if (token === undefined) return [name, json] as const
      const parsed: unknown = JSON.parse(Redacted.value(json))
      return [name, Redacted.make(JSON.stringify({ ...Object(parsed), token }))] as const
    })
  )
})

/** Takes every vault; one that fails does not keep the others. */
const takeVaults = Effect.fnUntraced(function* (identity: Identity.Identity, common: Verb.Common) {
  let first: Ending.Tagged | undefined
  let code: number = exitCode.done
  for (const [name, entry] of identity.vaults) {
    const done = yield* Effect.either(Joining.takeVault(name, entry, identity.devices))
    if (Either.isLeft(done)) {
      first ??= done.left
      yield* Console.complain(`vault ${name}: ${done.left.message}`)
      continue
    }
    const { problems, taken } = done.right
    for (const problem of problems) yield* Console.complain(`vault ${name}: ${problem}`)
    if (taken === undefined) {
      if (problems.length > 0) code = exitCode.skipped
      yield* Console.note(
        common,
        `vault ${name}: nothing of it can be read here yet; \`cairn join\` need not be run again, \`cairn pull\` takes it once there is`
      )
      continue
    }
    const { result } = taken
    if (result.carried.missing.length > 0) code = exitCode.damage
    yield* Console.emit(
      common,
      PullVoice.record(taken.name, result),
      `${taken.name}: taken; \`cairn restore ${taken.name}: DIR\` brings it here`
    )
    yield* PullVoice.complain(taken.name, result)
  }
  for (const problem of yield* IdentityUpkeep.run(hostname())) yield* Console.complain(problem)
  return first === undefined ? code : ofError(first)
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "join",
  description:
    "Become one of a person's devices, with the code that `cairn invite` shows on another: join [FOLDER|URL]",
  config,
  handler: ({ dryRun, place: operand, store }, common) =>
    Effect.gen(function* () {
      const { primitives } = yield* Crypto.Crypto
      const keyring = yield* Keyring.Keyring
      const named = Option.getOrUndefined(operand) === "-" ? undefined : Option.getOrUndefined(operand)
      const stored = Option.getOrUndefined(store)
      if ([named, stored].some((text) => text !== undefined && /(^|#)pair-/i.test(text)))
        return yield* new Argv.Usage({
          problem:
            "the code is a secret, and other users can see what is on a command line: run `cairn join` alone and give it when asked, or on standard input"
        })
      if (named !== undefined && stored !== undefined)
        return yield* new Argv.Usage({ problem: "a folder or URL and --store are two places; name one" })
      yield* Joining.refuseOther
      const given = yield* Answers.ask(
        common,
        "The code that the other device shows:",
        "the code of `cairn invite` is needed: type it at a terminal, or give it on standard input"
      )
      const code = yield* Effect.mapError(
        PairingCode.fromText(primitives, given),
        ({ message }) => new Argv.Usage({ problem: message })
      )
      const isFolder = stored !== undefined && /[\\/]/.test(stored)
      const address = addressOf(code, isFolder ? stored : named)
      const place = yield* openPlace(address, stored)
      if (dryRun) {
        yield* Console.note(common, `would look for the other device at ${place.name}; nothing was written`)
        return exitCode.done
      }
      const device = IdentityChanges.keysOf(yield* keyring.ensureDevice)
      yield* Console.note(common, `Looking for the other device at ${place.name} …`)
      const joined = yield* Pairing.join({
        place,
        code,
        name: hostname(),
        device,
        confirm: (question) =>
          Effect.gen(function* () {
            yield* Console.tell(
              `Found "${Answers.shown(question.other)}". Both devices show the same words now, if nobody stands in between:`
            )
            if (common.json) yield* Console.json({ type: "words", words: question.words.join(" ") })
            const isEqual = yield* Answers.compare(common, question)
            if (isEqual) yield* Console.note(common, "Waiting for the other device to let this one in …")
            return isEqual
          })
      })
      const identity = yield* Joining.enter(joined, place, (found) =>
        Effect.gen(function* () {
          const withOwn = withTokens(found, joined.grant.tokens)
          const adopted = yield* RecoverStores.adopt(withOwn, address, false)
          for (const problem of adopted.left) yield* Console.complain(problem)
          yield* RecoverStores.assign(withOwn, adopted, false)
        })
      )
      yield* Console.emit(
        common,
        { type: "joined", device: joined.grant.label },
        `this device is ${joined.grant.label} now, one of ${Console.count(identity.devices.size, "device")}`
      )
      // now it does
      return yield* Effect.provide(takeVaults(identity, common), Live.layer)
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})

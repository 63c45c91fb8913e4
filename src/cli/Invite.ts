/**
 * `cairn invite`
 *
 * @since 0.1.0
 */
import { hostname } from "node:os"
import * as Options from "@effect/cli/Options"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as IdentityUpkeep from "../programs/IdentityUpkeep.ts"
import * as Joining from "../programs/Joining.ts"
import * as Pairing from "../programs/Pairing.ts"
import * as PairingCode from "../schema/PairingCode.ts"
import * as PortableStore from "../schema/PortableStore.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Places from "../services/Places.ts"
import * as Answers from "./Answers.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Verb from "./Verb.ts"

const config = {
  store: Options.text("store").pipe(
    Options.withDescription("the store that both devices reach; the default one when left out"),
    Options.optional
  ),
  lifetime: Options.integer("lifetime").pipe(
    Options.withDescription("how many minutes the code is good for"),
    Options.withDefault(Duration.toMinutes(Pairing.defaultLifetime))
  ),
  dryRun: Verb.dryRun
}

/** What a device may write with before it is let in. */
const mostBytes = 1024 * 1024

/** The place that both meet at, and the address of a relay. */
const meetingPlace = Effect.fnUntraced(function* (asked: string | undefined) {
  const places = yield* Places.Places
  const place = yield* places.open(asked ?? places.names[0])
  const json = yield* place.portable
  if (json === undefined)
    return yield* new Argv.Usage({
      problem: `store ${place.name} is on this device alone, so no other device can come there; add one that both reach (\`cairn store add\`) and name it with --store`
    })
  const store = yield* PortableStore.fromJson(json)
  return { place, url: store.type === "relay" ? store.url : undefined }
})

const makeCode = Effect.fnUntraced(function* (
  place: Places.Place,
  url: string | undefined,
  lifetime: Duration.Duration
) {
  const { randomBytes } = yield* Crypto.Crypto
  const secret = Redacted.make(yield* randomBytes(PairingCode.secretLength))
  if (url === undefined) return { secret } satisfies PairingCode.PairingCode
  const token = yield* place.delegate?.({
    name: "joining",
    lifetimeMillis: Duration.toMillis(lifetime) + Duration.toMillis(Pairing.stepLimit),
    maxTotalBytes: mostBytes
  }) ?? Effect.succeed(undefined)
  const code: PairingCode.PairingCode = { secret, relay: { url, ...(token === undefined ? {} : { token }) } }
  return code
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "invite",
  description: "Let another device in: shows a code for it, and waits for it (`cairn join` there)",
  config,
  handler: ({ dryRun, lifetime: minutes, store }, common) =>
    Effect.gen(function* () {
      if (minutes < 1 || minutes > 24 * 60)
        return yield* new Argv.Usage({ problem: "--lifetime is in minutes, 1 to 1440" })
      const lifetime = Duration.minutes(minutes)
      const { primitives } = yield* Crypto.Crypto
      const keys = yield* Joining.identityKeys
      const { place, url } = yield* meetingPlace(Option.getOrUndefined(store))
      if (dryRun) {
        yield* Console.note(common, `devices would meet at store ${place.name}; no code was made`)
        return exitCode.done
      }
      // what the other device is to find there
      for (const problem of yield* IdentityUpkeep.run(hostname())) yield* Console.complain(problem)
      const code = yield* makeCode(place, url, lifetime)
      const text = PairingCode.toText(primitives, code)
      const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(lifetime)
      yield* Console.note(
        common,
        url === undefined
          ? `On the other device, run \`cairn join\` with store ${place.name} (its folder there, or --store), and give it this code:`
          : "On the other device, run `cairn join`, and give it this:"
      )
      yield* Console.emit(
        common,
        { type: "invitation", code: text, store: place.name, expiresAt: new Date(until).toISOString() },
        text
      )
      yield* Console.note(common, `It is good until ${Console.localTime(until)}, for one device. Waiting …`)
      const invited = yield* Pairing.invite({
        place,
        code,
        name: hostname(),
        did: keys.recovery.did,
        lifetime,
        confirm: (question) =>
          Effect.gen(function* () {
            yield* Console.tell(
              `A device that calls itself "${Answers.shown(question.other)}" has the code. Both show the same words now, if nobody stands in between:`
            )
            if (common.json) yield* Console.json({ type: "words", words: question.words.join(" ") })
            return yield* Answers.compare(common, question)
          }),
        admit: (name, device) =>
          Effect.gen(function* () {
            yield* Console.note(common, "Letting it in, and sealing every snapshot for it …")
            const { grant, problems, resealed } = yield* Joining.admit(name, device)
            for (const problem of problems) yield* Console.complain(problem)
            for (const [vault, count] of resealed)
              yield* Console.note(common, `${vault}: ${Console.count(count, "snapshot")} sealed for it`)
            return grant
          })
      })
      yield* Console.emit(
        common,
        { type: "joined", device: invited.label },
        `${invited.label}: is one of your devices now; \`cairn device list\` shows all`
      )
      return exitCode.done
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})

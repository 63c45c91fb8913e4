/** What a removed device may write with is taken away, also where the place was away at that moment. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Devices from "../../src/programs/Devices.ts"
import * as Identity from "../../src/programs/Identity.ts"
import * as IdentityChanges from "../../src/programs/IdentityChanges.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Joining from "../../src/programs/Joining.ts"
import * as RelayWithdrawal from "../../src/programs/RelayWithdrawal.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as IdentityState from "../../src/services/IdentityState.ts"
import * as Places from "../../src/services/Places.ts"
import { place, type TestPlace } from "../support/identity.ts"
import { device, establish, type PersonDevice } from "../support/person.ts"
import { later, patiently } from "../support/programs.ts"

type Answer = "gone" | "away" | "silent" | "refused" | "not below"

/** A place in memory that gives tokens as a relay does: whoever was let in is in `tokens`, by key and name. */
const relay = Effect.fnUntraced(function* (name: string) {
  const made = yield* place(name)
  const control: { answer: Answer } = { answer: "gone" }
  const tokens = new Map<string, string>()
  const withTokens: TestPlace = {
    ...made,
    place: {
      ...made.place,
      portable: Effect.succeed(Redacted.make(`{"type":"relay","url":"https://${name}.example","token":"cairn_own"}`)),
      delegate: (asked) =>
        Effect.sync(() => {
          tokens.set(asked.device ?? "nobody", asked.name)
          return Redacted.make(`cairn_${asked.name}`)
        }),
      withdraw: (key) =>
        Effect.suspend(() => {
          const failed = (reason: "Refused" | "Unavailable", detail: string) =>
            new Places.WithdrawalError({ reason, place: name, detail })
          if (control.answer === "silent") return Effect.never
          if (control.answer === "away") return failed("Unavailable", "it is away")
          if (control.answer === "refused") return failed("Refused", "it does not want to")
          const found = control.answer === "not below" ? undefined : tokens.get(key)
          tokens.delete(key)
          return Effect.succeed({
            tokens: found === undefined ? [] : [found],
            others: found === undefined ? [] : ["guest"]
          })
        })
    }
  }
  return { place: withTokens, control, tokens }
})

/** A device that has let in `phone`, at a folder and a relay. */
const person = Effect.fnUntraced(function* () {
  yield* later
  const meeting = yield* relay("meeting")
  const all = [yield* place("folder"), meeting.place] as const
  const laptop = yield* device(all)
  yield* establish(laptop)
  yield* laptop.on(IdentityUpkeep.run("laptop"))
  const phone = yield* device(all)
  const keys = IdentityChanges.keysOf(yield* phone.world.keyring.ensureDevice)
  yield* patiently(laptop.on(Joining.admit("phone", keys)))
  assert.deepStrictEqual([...meeting.tokens.values()], ["phone"])
  return { ...meeting, laptop, keys }
})

const remove = (laptop: PersonDevice) =>
  Effect.map(patiently(laptop.on(Devices.remove("phone"))), ({ problems }) => problems)
const upkeep = (laptop: PersonDevice) => patiently(laptop.on(IdentityUpkeep.run("laptop")))
const pending = (laptop: PersonDevice) =>
  Effect.map(laptop.on(RelayWithdrawal.pending()), (all) => all.map(({ label, places }) => [label, ...places]))

describe("a device that is removed", () => {
  it.effect("loses its tokens, and whose ended with them is told, as is what else it has read", () =>
    Effect.gen(function* () {
      const { laptop, tokens } = yield* person()
      const problems = yield* remove(laptop)
      assert.strictEqual(tokens.size, 0)
      assert.deepStrictEqual(yield* pending(laptop), [])
      assert.lengthOf(problems, 2)
      assert.match(problems[0]!, /meeting: guest ended too/)
      assert.match(problems[1]!, /meeting: phone has read the token that the list of stores names/)
      assert.notInclude(problems.join(), "cairn_own")
      // once more there is nothing to end, which is no news
      assert.deepStrictEqual(yield* remove(laptop), problems.slice(1))
    })
  )

  it.effect("loses them when the relay is there again, and until then status has it to tell", () =>
    Effect.gen(function* () {
      const { control, laptop, tokens } = yield* person()
      control.answer = "away"
      assert.match((yield* remove(laptop))[0]!, /meeting: it is away; so phone can write there still/)
      assert.deepStrictEqual(yield* pending(laptop), [["phone", "meeting"]])
      assert.match((yield* upkeep(laptop)).join("; "), /phone can write there still/)
      control.answer = "gone"
      assert.match((yield* upkeep(laptop)).join("; "), /guest ended too/)
      assert.strictEqual(tokens.size, 0)
      assert.deepStrictEqual(yield* pending(laptop), [])
      assert.deepStrictEqual(yield* upkeep(laptop), [])
    })
  )

  it.effect("loses them also when the removal was cut off before it began with that", () =>
    Effect.gen(function* () {
      const { keys, laptop, tokens } = yield* person()
      // all that is left of a removal that was killed there
      const state = laptop.identityState
      const hex = Bytes.toHex(keys.signing)
      const removed = new IdentityState.Removed({ label: "phone", device: hex, warm: "", at: 0 })
      yield* state.saveRemoved(removed)
      yield* patiently(laptop.on(Identity.update(IdentityChanges.removeDevice(keys.signing))))
      assert.deepStrictEqual(yield* pending(laptop), [["phone", "meeting"]])
      yield* upkeep(laptop)
      assert.strictEqual(tokens.size, 0)
      assert.deepStrictEqual(yield* pending(laptop), [])
    })
  )

  it.effect("loses them when a removal that failed before is run again", () =>
    Effect.gen(function* () {
      const { keys, laptop, tokens } = yield* person()
      const hex = Bytes.toHex(keys.signing)
      // remembered, but the list could not be changed: the device is in it still
      yield* laptop.identityState.saveRemoved(
        new IdentityState.Removed({ label: "phone", device: hex, warm: "", at: 0 })
      )
      yield* upkeep(laptop)
      assert.deepStrictEqual([...tokens.values()], ["phone"])
      yield* remove(laptop)
      assert.strictEqual(tokens.size, 0)
      assert.deepStrictEqual(yield* pending(laptop), [])
    })
  )

  it.effect("keeps those of another time when it was let in again before the relay came back", () =>
    Effect.gen(function* () {
      const { control, keys, laptop, tokens } = yield* person()
      control.answer = "away"
      yield* remove(laptop)
      yield* patiently(laptop.on(Joining.admit("phone", keys)))
      control.answer = "gone"
      yield* upkeep(laptop)
      assert.deepStrictEqual([...tokens.values()], ["phone"])
      assert.deepStrictEqual(yield* pending(laptop), [])
    })
  )

  it.effect("is told of where this device cannot do it, with the command that does, and is not tried for ever", () =>
    Effect.gen(function* () {
      for (const answer of ["refused", "not below"] as const) {
        const { control, laptop } = yield* person()
        control.answer = answer
        const [problem] = yield* remove(laptop)
        assert.match(problem!, /^store meeting: .*phone.*cairn serve token remove NAME/)
        assert.deepStrictEqual(yield* pending(laptop), [])
        assert.deepStrictEqual(yield* upkeep(laptop), [])
      }
    })
  )

  it.effect("is removed though a relay never answers, which is asked again later", () =>
    Effect.gen(function* () {
      const { control, laptop, tokens } = yield* person()
      control.answer = "silent"
      assert.match((yield* remove(laptop))[0]!, /meeting: no answer within 1 minute; so phone can write there still/)
      assert.deepStrictEqual(yield* pending(laptop), [["phone", "meeting"]])
      control.answer = "gone"
      yield* upkeep(laptop)
      assert.strictEqual(tokens.size, 0)
    })
  )

  it.effect("has no token at a relay that comes later", () =>
    Effect.gen(function* () {
      const { laptop } = yield* person()
      const places = yield* laptop.on(Places.Places)
      const without = { ...places, withTokens: [] }
      yield* patiently(laptop.on(Effect.provideService(Devices.remove("phone"), Places.Places, without)))
      assert.deepStrictEqual(yield* pending(laptop), [])
    })
  )
})

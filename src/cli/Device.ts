/**
 * `cairn device list|remove NAME`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Prompt from "@effect/cli/Prompt"
import * as Effect from "effect/Effect"
import * as Devices from "../programs/Devices.ts"
import * as Identity from "../programs/Identity.ts"
import * as Joining from "../programs/Joining.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as RemovalVoice from "./RemovalVoice.ts"
import * as Verb from "./Verb.ts"
import * as Words from "./Words.ts"

const config = { words: Args.repeated(Verb.operand("list|remove NAME")), dryRun: Verb.dryRun }

const usage = (problem: string) => new Argv.Usage({ problem })

const list = Effect.fnUntraced(function* (voice: Console.Voice) {
  yield* Joining.identityKeys
  const keyring = yield* Keyring.Keyring
  const { publicKey } = yield* keyring.device
  const identity = yield* Identity.read({ isOffline: true })
  for (const [label, { signing }] of identity?.devices ?? []) {
    const isThis = Bytes.equals(signing, publicKey)
    yield* Console.emit(
      voice,
      { type: "listed-device", name: label, device: Bytes.toHex(signing), state: isThis ? "this" : "listed" },
      `${label}  ${Bytes.toHex(signing).slice(0, 10)}${isThis ? "  (this device)" : ""}`
    )
  }
  for (const removal of yield* Devices.incomplete()) {
    const { device, label, vaults } = removal
    yield* Console.emit(
      voice,
      {
        type: "listed-device",
        name: label,
        device,
        state: "incomplete",
        ...(vaults.length === 0 ? {} : { vaults: vaults.map(({ name }) => name) })
      },
      `${label}  ${device.slice(0, 10)}  (removed, incomplete)`
    )
    for (const text of RemovalVoice.stillToDo(removal)) yield* Console.complain(text)
  }
})

const remove = Effect.fnUntraced(function* (name: string, dryRun: boolean, common: Verb.Common) {
  yield* Joining.identityKeys
  for (const vault of yield* Devices.vaultsElsewhere())
    yield* Console.complain(
      `vault ${vault}: is not on this device, so the removal leaves it out: it keeps its keys, and what ${name} published of it last is not taken in; \`cairn pull ${vault}:\` before takes it here`
    )
  if (dryRun)
    return yield* Console.note(
      common,
      `${name}: would be taken out of the list of devices, and every vault would get new keys; nothing was changed`
    )
  if (!common.yes) {
    if (!Words.isInteractive(common))
      return yield* new Words.InputNeeded({ what: `removing ${name} takes a yes: --yes, or a terminal to ask at` })
    const isSure = yield* Effect.catchTag(
      Prompt.confirm({ message: `Take ${name} out of your devices?`, initial: false }),
      "QuitException",
      () => Effect.succeed(false)
    )
    if (!isSure) return yield* Console.note(common, "nothing was changed")
  }
  const removed = yield* Devices.remove(name)
  for (const problem of removed.problems) yield* Console.complain(problem)
  yield* Console.emit(
    common,
    {
      type: "removed-device",
      name: removed.label,
      vaults: removed.vaults,
      ...(removed.elsewhere.length === 0 ? {} : { elsewhere: removed.elsewhere })
    },
    `${removed.label}: removed; ${removed.vaults.map((vault) => `${vault}:`).join(", ") || "no vault"} ${removed.vaults.length === 1 ? "has" : "have"} new keys`
  )
  yield* Console.note(
    common,
    "What it has read it has: content that was stored before stays as it is, and its copies of older snapshots open for it. Nothing that is published from now on does."
  )
  for (const removal of yield* Devices.incomplete())
    if (removal.label === removed.label)
      for (const text of RemovalVoice.stillToDo(removal)) yield* Console.complain(text)
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "device",
  description:
    "Your devices: device list · device remove NAME (nothing is sealed for it any more, and vaults get new keys)",
  config,
  handler: ({ dryRun, words }, common) =>
    Effect.gen(function* () {
      const [action, name, ...rest] = words
      const actions = ["list", "remove"]
      if (action === undefined || !actions.includes(action)) {
        const near = action === undefined ? undefined : Argv.nearest(action, actions)
        return yield* usage(
          action === undefined
            ? "device takes list or remove"
            : `unknown: device ${action}${near === undefined ? "" : `: did you mean ${near}?`}`
        )
      }
      if (rest.length > 0 || (action === "list" && name !== undefined))
        return yield* usage(`device ${action} takes ${action === "list" ? "nothing more" : "one name"}`)
      if (action === "list") yield* list(common)
      else if (name === undefined) return yield* usage("device remove needs the device's name")
      else yield* remove(name, dryRun, common)
      return exitCode.done
    }).pipe(Effect.provide(Live.layer))
})

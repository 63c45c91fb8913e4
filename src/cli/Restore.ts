/**
 * `cairn restore REF DIR`
 *
 * @since 0.1.0
 */
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as VaultRef from "../schema/VaultRef.ts"
import * as Argv from "./Argv.ts"
import * as Reference from "./Reference.ts"
import * as TaskRun from "./TaskRun.ts"
import * as Verb from "./Verb.ts"

const config = {
  reference: Verb.operand("REF"),
  directory: Verb.operand("DIR"),
  device: Verb.device,
  peers: Verb.peers,
  overwrite: Options.boolean("overwrite").pipe(Options.withDescription("replace files and links that differ")),
  owner: Options.boolean("owner").pipe(Options.withDescription("restore owner and group too")),
  setuid: Options.boolean("setuid").pipe(Options.withDescription("keep setuid and setgid bits")),
  dryRun: Verb.dryRun
}

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "restore",
  description: "Bring a snapshot, a folder or a file of it back: restore VAULT[@SNAP]:[PATH] DIR",
  config,
  handler: ({ device, directory, dryRun, overwrite, owner, peers, reference, setuid }, common) =>
    Effect.gen(function* () {
      const parsed = yield* Reference.parse(reference)
      const { path, snapshot, vault } = parsed
      if (peers) yield* Reference.refuseWithPeers(parsed, Option.getOrUndefined(device))
      if (!VaultRef.isLocal(directory))
        return yield* new Argv.Usage({
          problem: `${directory} looks like a vault; a directory with a colon is written ./${directory}`
        })
      return yield* TaskRun.run(
        {
          _tag: "Restore",
          vault,
          ...(Option.isSome(device) ? { device: device.value } : {}),
          ...(peers ? { peers } : {}),
          snapshot: snapshot._tag === "At" ? { ...snapshot, until: Reference.endOf(snapshot) } : snapshot,
          path,
          directory: TaskRun.place(directory),
          overwrite,
          owner,
          setuid,
          dryRun
        },
        common
      )
    })
})

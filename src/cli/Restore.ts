/**
 * `cairn restore REF DIR`
 *
 * @since 0.1.0
 */
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Restore from "../programs/Restore.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import * as VaultRef from "../schema/VaultRef.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as ProgressTerminal from "./ProgressTerminal.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

const config = {
  reference: Verb.operand("REF"),
  directory: Verb.operand("DIR"),
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
  handler: ({ directory, dryRun, overwrite, owner, reference, setuid }, common) =>
    Effect.gen(function* () {
      const ref = yield* Reference.parse(reference)
      if (!VaultRef.isLocal(directory))
        return yield* new Argv.Usage({
          problem: `${directory} looks like a vault; a directory with a colon is written ./${directory}`
        })
      if (Live.isOwn(directory))
        return yield* new Argv.Usage({
          problem: `${directory}: Cairn keeps its own files there; restore somewhere else`
        })
      const { snapshot } = yield* Reference.open(ref)
      const result = yield* Restore.restore(snapshot, {
        vault: ref.vault,
        path: ref.path,
        directory,
        overwrite,
        owner,
        allowSetuid: setuid,
        dryRun,
        onProblem: (problem) =>
          Effect.zipRight(
            Console.complain(`${ref.vault}:${problem.path}: ${problem.detail}`),
            common.json ? Console.json({ type: "problem", ...problem }) : Effect.void
          )
      })
      const { bytes, files, problems, unchanged } = result
      const where = LocalPath.display(directory)
      const text = dryRun
        ? `${where}: would restore ${Console.count(files, "file")}, ${Console.size(bytes)}`
        : `${where}: restored ${Console.count(files, "file")}, ${Console.size(bytes)}${unchanged > 0 ? `; ${Console.count(unchanged, "file")} were there already` : ""}`
      yield* Console.emit(
        common,
        { type: "summary", verb: "restore", counts: { files, bytes, unchanged, ...problems } },
        common.quiet ? undefined : text
      )
      yield* RecoveryHint.tell
      if (problems.damaged > 0) return exitCode.damage
      return problems.skipped > 0 ? exitCode.skipped : exitCode.done
    }).pipe(Effect.scoped, Effect.provide(Layer.mergeAll(Live.layer, ProgressTerminal.layer(common))))
})

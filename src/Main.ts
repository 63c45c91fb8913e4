/**
 * The binary: finds the verb, runs it, tells the shell how it ended.
 *
 * @since 0.1.0
 */

import type * as Runtime from "@effect/platform/Runtime"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Argv from "./cli/Argv.ts"
import * as Console from "./cli/Console.ts"
import { exitCode } from "./cli/ExitCode.ts"
import * as Verbs from "./cli/Verbs.ts"

const words = process.argv.slice(2)
const { rest, verb } = Argv.splitVerb(words)

const wrong = (problem: string) => Effect.as(Console.tell(`cairn: ${problem}`), exitCode.usage)

const program: Effect.Effect<number> = Effect.gen(function* () {
  if (verb === undefined) {
    if (rest.includes("--version")) return yield* Effect.as(Console.data(Verbs.version), exitCode.done)
    if (rest.includes("--help") || rest.includes("-h"))
      return yield* Effect.as(Console.data(Verbs.overview), exitCode.done)
    return yield* rest.length > 0
      ? wrong(`unknown option ${rest[0]} (\`cairn --help\` shows the verbs)`)
      : Effect.as(Console.tell(Verbs.overview), exitCode.usage)
  }
  const known = Verbs.find(verb)
  if (known === undefined) {
    const near = Argv.nearest(verb, Verbs.names)
    return yield* wrong(
      `unknown verb ${verb}${near === undefined ? "" : `: did you mean ${near}?`} (\`cairn --help\` shows the verbs)`
    )
  }
  const loaded = yield* Effect.promise(known.load)
  return yield* loaded.verb.run(rest)
})

// a termination signal arrives as the same interruption as Ctrl-C: which one it was is noted before
let interruptedBy: number = exitCode.interrupted
process.once("SIGTERM", () => {
  interruptedBy = exitCode.terminated
})

const teardown: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit)) return onExit(typeof exit.value === "number" ? exit.value : exitCode.done)
  onExit(Cause.isInterruptedOnly(exit.cause) ? interruptedBy : exitCode.failed)
}

NodeRuntime.runMain(program, { disableErrorReporting: true, disablePrettyLogger: true, teardown })

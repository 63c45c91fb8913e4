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
import * as Ending from "./cli/Ending.ts"
import { exitCode } from "./cli/ExitCode.ts"
import * as Verbs from "./cli/Verbs.ts"

const words = process.argv.slice(2)
const { rest, verb } = Argv.splitVerb(words)
const voice = { json: Argv.wantsJson(words), verbose: words.includes("--verbose") || words.includes("-v") }

const wrong = (problem: string) =>
  Ending.failed(voice, new Argv.Usage({ problem: `${problem} (\`cairn --help\` shows the verbs)` }))

const program: Effect.Effect<number> = Effect.gen(function* () {
  if (verb === undefined) {
    const strange = rest.find((word) => !["--version", "--help", "-h", "--json"].includes(word))
    if (strange !== undefined) return yield* wrong(`unknown option ${strange}`)
    if (rest.includes("--version")) return yield* Effect.as(Console.data(Verbs.version), exitCode.done)
    if (rest.includes("--help") || rest.includes("-h"))
      return yield* Effect.as(Console.data(Verbs.overview), exitCode.done)
    return yield* voice.json ? wrong("no verb was given") : Effect.as(Console.tell(Verbs.overview), exitCode.usage)
  }
  const known = Verbs.find(verb)
  if (known === undefined) {
    const near = Argv.nearest(verb, Verbs.names)
    return yield* wrong(`unknown verb ${verb}${near === undefined ? "" : `: did you mean ${near}?`}`)
  }
  // a chunk of this very program that cannot be loaded is a broken installation
  const loaded = yield* Effect.promise(known.load)
  return yield* loaded.verb.run(rest)
})

const isService =
  verb !== undefined && Verbs.find(verb)?.isService === true && rest.every((word) => word.startsWith("-"))

// a termination signal arrives as the same interruption as Ctrl-C: which one it was is noted before
let interruptedBy: number = isService ? exitCode.done : exitCode.interrupted
process.once("SIGTERM", () => {
  if (!isService) interruptedBy = exitCode.terminated
})

const ended = Effect.catchAllCause(program, (cause) =>
  Cause.isInterruptedOnly(cause) ? Effect.failCause(cause) : Ending.bug(voice, cause)
).pipe(
  Effect.onInterrupt(() => (isService ? Ending.done(voice, exitCode.done) : Ending.interrupted(voice, interruptedBy)))
)

const teardown: Runtime.Teardown = (exit, onExit) => {
  if (Exit.isSuccess(exit)) return onExit(typeof exit.value === "number" ? exit.value : exitCode.done)
  onExit(Cause.isInterruptedOnly(exit.cause) ? interruptedBy : exitCode.failed)
}

NodeRuntime.runMain(ended, { disableErrorReporting: true, disablePrettyLogger: true, teardown })

/**
 * What all verbs share: how their words are read, how they end, and what the shell is told.
 *
 * @since 0.1.0
 */
import { stripVTControlCharacters } from "node:util"
import * as Args from "@effect/cli/Args"
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import type * as Usage from "@effect/cli/Usage"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as EffectConsole from "effect/Console"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Argv from "./Argv.ts"
import * as ConfigChoice from "./ConfigChoice.ts"
import * as Console from "./Console.ts"
import * as Ending from "./Ending.ts"
import * as Manual from "./Manual.ts"
import * as Verbs from "./Verbs.ts"

/** Options that every verb takes. @since 0.1.0 @category options */
export const common = {
  json: Options.boolean("json").pipe(Options.withDescription("print one JSON object a line, the last one the result")),
  quiet: Options.boolean("quiet").pipe(
    Options.withAlias("q"),
    Options.withDescription("say nothing but data and errors")
  ),
  verbose: Options.boolean("verbose").pipe(Options.withAlias("v"), Options.withDescription("say more")),
  yes: Options.boolean("yes").pipe(Options.withAlias("y"), Options.withDescription("answer questions with yes")),
  noInput: Options.boolean("no-input").pipe(Options.withDescription("never ask, even on a terminal")),
  config: Options.text("config").pipe(
    Options.withDescription("the configuration file, in place of CAIRN_CONFIG and the user's own"),
    Options.optional
  )
}

/** For verbs that change something. @since 0.1.0 @category options */
export const dryRun = Options.boolean("dry-run").pipe(
  Options.withAlias("n"),
  Options.withDescription("say what would be done, and change nothing")
)

/** For verbs that read one device's snapshots. @since 0.1.0 @category options */
export const device = Options.text("device").pipe(
  Options.withDescription("what that other device published: its name, or the start of its key"),
  Options.optional
)

/** For verbs that read what all devices have together. @since 0.1.0 @category options */
export const peers = Options.boolean("peers").pipe(
  Options.withDescription("what all devices of the vault have together now: what `cairn pull` would publish")
)

/** An operand. @since 0.1.0 @category options */
export const operand = (name: string) => Args.text({ name })

/** A verb, ready to be run on the words after its name. @since 0.1.0 @category models */
export interface Verb {
  readonly manual: Manual.Manual
  readonly run: (words: ReadonlyArray<string>) => Effect.Effect<number>
}

const flagsOf = (usage: Usage.Usage): ReadonlyArray<Argv.Flag> => {
  switch (usage._tag) {
    case "Named":
      return [{ names: usage.names, takesValue: Option.isSome(usage.acceptedValues), repeats: false }]
    case "Optional":
      return flagsOf(usage.usage)
    case "Repeated":
      return flagsOf(usage.usage).map((flag) => ({ ...flag, repeats: true }))
    case "Alternation":
    case "Concat":
      return [...flagsOf(usage.left), ...flagsOf(usage.right)]
    default:
      return []
  }
}

const builtIn: ReadonlyArray<Argv.Flag> = [{ names: ["--help", "-h"], takesValue: false, repeats: false }]

const plainOutput = (): boolean => (process.env.NO_COLOR ?? "") !== "" || !process.stdout.isTTY

/** The console for help texts: plain where it should be, and silent about errors, which are told in one place. */
const helpConsole = (): EffectConsole.Console => {
  const log = (...parts: ReadonlyArray<unknown>) => {
    const text = parts.join(" ")
    return Console.data(plainOutput() ? stripVTControlCharacters(text) : text)
  }
  const base = Effect.runSync(EffectConsole.consoleWith(Effect.succeed))
  return { ...base, log, error: () => Effect.void }
}

/** What the words of a verb become, beside its own options. @since 0.1.0 @category models */
export interface Common extends Console.Voice {
  readonly yes: boolean
  readonly noInput: boolean
}

/**
 * A verb from its options and what it does with them: the handler answers the exit code, its failures become theirs (`ExitCode.ofError`).
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <const Config extends Command.Command.Config, E extends Ending.Tagged>(options: {
  readonly name: string
  readonly description: string
  readonly config: Config
  readonly handler: (
    parsed: Command.Command.ParseConfigValue<Config>,
    common: Common
  ) => Effect.Effect<number | Ending.Told, E, NodeContext.NodeContext>
}): Verb => {
  let code = 0
  const command = Command.make(`cairn ${options.name}`, { own: options.config, common }, (parsed) =>
    Effect.gen(function* () {
      code = yield* options.handler(parsed.own, parsed.common).pipe(
        Effect.provideService(ConfigChoice.Choice, {
          option: Option.getOrUndefined(parsed.common.config),
          isQuiet: parsed.common.quiet
        }),
        Effect.flatMap((answered) =>
          typeof answered === "number" ? Ending.done(parsed.common, answered) : Ending.told(parsed.common, answered)
        ),
        Effect.catchAll((error) => Ending.failed(parsed.common, error))
      )
    })
  ).pipe(Command.withDescription(options.description))

  let written: Manual.Manual | undefined
  /** Made for who reads it: no run but that needs it. */
  const manual = (): Manual.Manual => {
    written ??= Manual.fromHelp(
      options.name,
      options.description,
      Command.getHelp(command, CliConfig.make({ showBuiltIns: true }))
    )
    return written
  }
  const run = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
    const wrong = (problem: string) =>
      Ending.failed(
        { json: Argv.wantsJson(words) },
        new Argv.Usage({ problem: `${problem} (\`cairn ${options.name} --help\` shows how)` })
      )
    const canonical = Argv.canonical(words, [...flagsOf(Command.getUsage(command)), ...builtIn])
    if (Either.isLeft(canonical)) return yield* wrong(canonical.left.message)
    if (canonical.right.options.includes("--help"))
      return yield* Effect.as(Console.data(Manual.toHelp(manual(), Verbs.find(options.name)?.usage ?? options.name)), 0)
    const operands = canonical.right.operands.map((word) => (word.startsWith("-") && word !== "-" ? `./${word}` : word))
    const argv = ["node", "cairn", ...canonical.right.options, ...operands]
    return yield* Command.run(command, { name: "cairn", version: Verbs.version })(argv).pipe(
      Effect.map(() => code),
      Effect.withConsole(helpConsole()),
      Effect.catchAll((error) => {
        if (!ValidationError.isValidationError(error)) return Effect.die(error)
        if (ValidationError.isHelpRequested(error)) return Effect.succeed(0)
        const text = stripVTControlCharacters(HelpDoc.toAnsiText(error.error)).replace(/\s+/g, " ").trim()
        return wrong(text)
      }),
      Effect.provide(Layer.mergeAll(NodeContext.layer, CliConfig.layer({ showBuiltIns: false, isCaseSensitive: true })))
    )
  })
  return {
    get manual() {
      return manual()
    },
    run
  }
}

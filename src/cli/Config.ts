/**
 * `cairn config check|show|schema`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import * as Redacted from "effect/Redacted"
import * as Toml from "smol-toml"
import * as ConfigFile from "../layers/ConfigFile.ts"
import * as Config from "../schema/Config.ts"
import * as Problem from "../schema/ConfigProblem.ts"
import * as Raw from "../schema/ConfigRaw.ts"
import * as Argv from "./Argv.ts"
import * as ConfigChoice from "./ConfigChoice.ts"
import * as Console from "./Console.ts"
import * as Ending from "./Ending.ts"
import { exitCode } from "./ExitCode.ts"
import * as Home from "./Home.ts"
import * as Verb from "./Verb.ts"

const actions = ["check", "show", "schema"]

/** The file that this run goes by. @since 0.1.0 @category accessors */
export const chosen = Effect.map(ConfigChoice.Choice, ({ option }) =>
  ConfigChoice.chosen(option, process.env, Home.fromEnvironment(process.env))
)

/** The configuration that this run goes by; the empty one where there is no file and none was named. @since 0.1.0 @category programs */
export const load = Effect.flatMap(chosen, ({ file, isNamed, isThere }) =>
  isThere || isNamed ? ConfigFile.load(file) : Effect.succeed(ConfigFile.none(file))
)

const redacted = "(redacted)"

/** The value as it may be shown: without the secrets that stand in it. @since 0.1.0 @category conversions */
export const shown = (value: unknown): unknown => {
  if (Redacted.isRedacted(value)) return redacted
  if (Array.isArray(value)) return value.map(shown)
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, shown(one)]))
    : value
}

const record = (located: Problem.Located) => ({
  type: "config-problem" as const,
  severity: located.severity,
  file: located.file,
  ...(located.place === undefined ? {} : located.place),
  path: Problem.showPath(located.path),
  problem: located.problem
})

const tell = (voice: Console.Voice, problems: ReadonlyArray<Problem.Located>) =>
  Effect.forEach(
    problems,
    (located) =>
      Effect.zipRight(
        Console.complain(Problem.show(located)),
        voice.json ? Console.json(record(located)) : Effect.void
      ),
    { discard: true }
  )

const check = Effect.fnUntraced(function* (voice: Console.Voice) {
  const { file, isNamed, isThere } = yield* chosen
  if (!isThere && !isNamed) {
    yield* Console.note(voice, `${file}: there is no such file, so everything has its default`)
    return exitCode.done
  }
  return yield* ConfigFile.load(file).pipe(
    Effect.flatMap(({ warnings }) =>
      Effect.zipRight(
        tell(voice, warnings),
        Effect.as(
          Console.note(
            voice,
            warnings.length === 0
              ? `${file}: no problems`
              : `${file}: nothing is wrong, ${Console.count(warnings.length, "warning")}`
          ),
          exitCode.done
        )
      )
    ),
    Effect.catchTag("ConfigInvalid", (error) => Effect.as(tell(voice, error.problems), new Ending.Told({ error })))
  )
})

const show = Effect.fnUntraced(function* (voice: Console.Voice) {
  const { config, file } = yield* load
  const table = Raw.asTable(shown(config))
  const filled = Object.fromEntries(
    Object.entries(table).filter(([, value]) => typeof value !== "object" || Object.keys(Raw.asTable(value)).length > 0)
  )
  yield* Console.emit(
    voice,
    { type: "config", file, section: "config", table },
    `# ${file}, with every default filled in\n${Toml.stringify(filled)}`.trimEnd()
  )
  return exitCode.done
})

const schema = (voice: Console.Voice) => {
  const text = JSON.stringify({ title: "cairn configuration", ...JSONSchema.make(Config.Tables) }, null, 2)
  return Effect.as(Console.emit(voice, { type: "text", text }, text), exitCode.done)
}

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "config",
  description:
    "The configuration file: config check (every problem with its place) · config show (with all defaults) · config schema (JSON Schema for editors)",
  config: { words: Args.repeated(Verb.operand("check|show|schema")) },
  handler: ({ words }, common) =>
    Effect.gen(function* () {
      const [action, ...rest] = words
      if (rest.length > 0)
        return yield* new Argv.Usage({ problem: `config ${action} takes nothing more; --config names the file` })
      switch (action) {
        case "check":
          return yield* check(common)
        case "show":
          return yield* show(common)
        case "schema":
          return yield* schema(common)
        default: {
          const near = action === undefined ? undefined : Argv.nearest(action, actions)
          return yield* new Argv.Usage({
            problem:
              action === undefined
                ? "config takes check, show or schema"
                : `unknown: config ${action}${near === undefined ? "" : `: did you mean ${near}?`}`
          })
        }
      }
    })
})

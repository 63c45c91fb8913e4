/**
 * What `cairn store`, `cairn source` and `cairn key` have in common: tables of one section of the configuration file.
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Toml from "smol-toml"
import * as ConfigFile from "../layers/ConfigFile.ts"
import * as Schemas from "../schema/Config.ts"
import * as ConfigEdit from "../schema/ConfigEdit.ts"
import * as Problem from "../schema/ConfigProblem.ts"
import * as Raw from "../schema/ConfigRaw.ts"
import * as References from "../schema/ConfigReferences.ts"
import * as Argv from "./Argv.ts"
import * as Config from "./Config.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Verb from "./Verb.ts"

/** The section has no table of that name. @since 0.1.0 @category errors */
export class NoSuchTable extends Data.TaggedError("NoSuchTable")<{
  readonly section: string
  readonly name: string
  readonly known: ReadonlyArray<string>
}> {
  override get message() {
    return `no ${this.section} ${this.name}${Problem.hint(this.name, this.known)}`
  }
}

/** A table cannot go while something names it. @since 0.1.0 @category errors */
export class StillUsed extends Data.TaggedError("StillUsed")<{
  readonly section: string
  readonly name: string
  readonly by: ReadonlyArray<string>
}> {
  override get message() {
    return `${this.section} ${this.name} is used by ${this.by.join(", ")}; take it out there first`
  }
}

/** @since 0.1.0 @category models */
export type Section = "key" | "source" | "store"

/** What all of them take. @since 0.1.0 @category options */
export const common = {
  words: Args.repeated(Verb.operand("add|list|show|remove NAME")),
  dryRun: Verb.dryRun
}

const usage = (problem: string) => new Argv.Usage({ problem })

/** Where the table is named, as paths of the configuration. */
const usesOf = (raw: Raw.Table, section: Section, name: string): ReadonlyArray<string> =>
  References.all(raw)
    .filter((reference) => reference.section === section && reference.name === name)
    .map(({ path }) => Problem.showPath(path))

const existing = Effect.fnUntraced(function* (section: Section, name: string) {
  const { config, file, raw } = yield* Config.load
  const tables = Raw.asTable(Config.shown(config[section]))
  const table = Raw.field(tables, name)
  if (table === undefined) return yield* new NoSuchTable({ section, name, known: Object.keys(tables) })
  return { file, table: Raw.asTable(table), usedBy: usesOf(raw, section, name) }
})

const list = Effect.fnUntraced(function* (
  section: Section,
  summary: (table: Raw.Table) => string,
  voice: Console.Voice
) {
  const { config, file, raw } = yield* Config.load
  const tables = Raw.section({ [section]: Config.shown(config[section]) }, section)
  const width = Math.max(0, ...tables.map(([name]) => name.length))
  for (const [name, table] of tables) {
    const usedBy = usesOf(raw, section, name)
    yield* Console.emit(
      voice,
      { type: "config", file, section, name, table, usedBy },
      `${name.padEnd(width)}  ${summary(table)}${usedBy.length === 0 ? "  (unused)" : ""}`
    )
  }
})

const show = Effect.fnUntraced(function* (section: Section, name: string, voice: Console.Voice) {
  const { file, table, usedBy } = yield* existing(section, name)
  const used = usedBy.length === 0 ? "used by nothing" : `used by ${usedBy.join(", ")}`
  yield* Console.emit(
    voice,
    { type: "config", file, section, name, table, usedBy },
    `# ${used}\n${Toml.stringify({ [section]: { [name]: table } })}`.trimEnd()
  )
})

/** Prints what the configuration says of a vault, or what counts for one that it does not name. @since 0.1.0 @category programs */
export const showVault = Effect.fnUntraced(function* (name: string, voice: Console.Voice) {
  const { config, file } = yield* Config.load
  const isNamed = Object.hasOwn(config.vault, name)
  const table = Raw.asTable(isNamed ? config.vault[name] : Schema.decodeSync(Schemas.Vault)({}))
  const usedBy = References.all(Raw.asTable(config))
    .filter((reference) => reference.section === "vault" && reference.name === name)
    .map(({ path }) => Problem.showPath(path))
  yield* Console.emit(
    voice,
    { type: "config", file, section: "vault", name, table, usedBy },
    `# ${isNamed ? `as in ${file}` : "not in the configuration, so everything has its default"}\n${Toml.stringify({ vault: { [name]: table } })}`.trimEnd()
  )
})

const change = Effect.fnUntraced(function* (
  edit: ConfigEdit.Edit,
  told: string,
  dryRun: boolean,
  voice: Console.Voice
) {
  const { file } = yield* Config.chosen
  yield* ConfigFile.edit(file, edit, { dryRun })
  yield* Console.note(voice, `${told}${dryRun ? ` would be in ${file}; nothing was written` : ` in ${file}`}`)
})

/** Takes the table of a vault out of the configuration: `false` when there is none. @since 0.1.0 @category programs */
export const removeVault = Effect.fnUntraced(function* (name: string, dryRun: boolean, voice: Console.Voice) {
  const { config, raw } = yield* Config.load
  if (!Object.hasOwn(config.vault, name)) return false
  const by = References.all(raw)
    .filter((reference) => reference.section === "vault" && reference.name === name)
    .map(({ path }) => Problem.showPath(path))
  if (by.length > 0) return yield* new StillUsed({ section: "vault", name, by })
  yield* change(ConfigEdit.remove(["vault", name]), `[vault.${name}] is no longer`, dryRun, voice)
  return true
})

const actions = ["add", "list", "show", "remove"]

/** Does what the words say: `fields` makes the table that `add` adds, from the words behind the name. @since 0.1.0 @category programs */
export const run = <E>(options: {
  readonly section: Section
  /** What the verb does beside the four. */
  readonly more?: ReadonlyArray<string>
  readonly words: ReadonlyArray<string>
  readonly dryRun: boolean
  readonly voice: Console.Voice
  /** The table in a few words. */
  readonly summary: (table: Raw.Table) => string
  readonly fields: (rest: ReadonlyArray<string>) => Effect.Effect<ConfigEdit.Fields, E>
}) =>
  Effect.gen(function* () {
    const { dryRun, section, voice } = options
    const [action, name, ...rest] = options.words
    if (action === undefined || !actions.includes(action)) {
      const near = action === undefined ? undefined : Argv.nearest(action, [...actions, ...(options.more ?? [])])
      return yield* usage(
        action === undefined
          ? `${section} takes ${[...actions, ...(options.more ?? [])].join(", ")}`
          : `unknown: ${section} ${action}${near === undefined ? "" : `: did you mean ${near}?`}`
      )
    }
    if (action === "list") {
      if (name !== undefined) return yield* usage(`${section} list takes nothing more`)
      yield* list(section, options.summary, voice)
      return exitCode.done
    }
    if (name === undefined || name === "") return yield* usage(`${section} ${action} needs a name`)
    if (action !== "add" && rest.length > 0)
      return yield* usage(`${section} ${action} takes one name, not also ${rest.join(" ")}`)
    if (action === "show") yield* show(section, name, voice)
    else if (action === "add") {
      const fields = yield* options.fields(rest)
      const told = `[${section}.${name}]`
      yield* change(ConfigEdit.addTable([section, name], fields), told, dryRun, voice)
    } else {
      const { usedBy } = yield* existing(section, name)
      if (usedBy.length > 0) return yield* new StillUsed({ section, name, by: usedBy })
      yield* change(ConfigEdit.remove([section, name]), `[${section}.${name}] is no longer`, dryRun, voice)
    }
    return exitCode.done
  })

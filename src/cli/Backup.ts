/**
 * `cairn backup [SRC...] REF`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import * as VaultRef from "../schema/VaultRef.ts"
import * as Argv from "./Argv.ts"
import * as Reference from "./Reference.ts"
import * as TaskRun from "./TaskRun.ts"
import * as Verb from "./Verb.ts"

const config = {
  words: Args.repeated(Verb.operand("SRC... REF")),
  exclude: Options.text("exclude").pipe(
    Options.withAlias("e"),
    Options.withDescription("leave out what matches this gitignore-style pattern, relative to the source"),
    Options.repeated
  ),
  ignoreFiles: Options.boolean("ignore-files").pipe(
    Options.withDescription("heed .gitignore and .ignore too (.cairnignore always is)")
  ),
  includeCaches: Options.boolean("include-caches").pipe(
    Options.withDescription("take folders that a CACHEDIR.TAG marks as caches too")
  ),
  oneFileSystem: Options.boolean("one-file-system").pipe(
    Options.withAlias("x"),
    Options.withDescription("do not go into other file systems")
  ),
  reread: Options.boolean("reread").pipe(
    Options.withDescription("read every file again, and mend what is rotten in the store")
  ),
  unattended: Options.boolean("unattended").pipe(
    Options.withDescription("for runs that nobody watches: what deletes or rewrites much of a source waits for approve")
  ),
  dryRun: Verb.dryRun
}

/** What the words ask for: a vault and sources, a vault and its saved ones, or everything. */
const asked = Effect.fnUntraced(function* (words: ReadonlyArray<string>, selection: TaskSpec.Selection | undefined) {
  const last = words[words.length - 1]
  if (last === undefined) return { folder: "", sources: [] }
  if (VaultRef.isLocal(last))
    return yield* new Argv.Usage({
      problem: `the last word names the vault, with a colon: cairn backup ${words.join(" ")} NAME:`
    })
  const { path: folder, snapshot, vault } = yield* Reference.parse(last)
  if (snapshot._tag !== "Latest" || snapshot.back !== 0)
    return yield* new Argv.Usage({ problem: `${last}: a backup makes a new snapshot, it cannot go into an old one` })
  const sources = words.slice(0, -1)
  const remote = sources.find((word) => !VaultRef.isLocal(word))
  if (remote !== undefined)
    return yield* new Argv.Usage({
      problem: `${remote} looks like a vault; a source with a colon is written ./${remote}`
    })
  if (sources.length === 0 && selection !== undefined)
    return yield* new Argv.Usage({ problem: "options that select files need the source that they are for" })
  return {
    vault,
    folder,
    sources: sources.map((word) => ({ ...TaskRun.place(word), ...(selection === undefined ? {} : { selection }) }))
  }
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "backup",
  description: "Keep files and folders in a vault: backup SRC... VAULT: · backup VAULT: · backup",
  config,
  handler: ({ dryRun, exclude, ignoreFiles, includeCaches, oneFileSystem, reread, unattended, words }, common) =>
    Effect.gen(function* () {
      const selects = exclude.length > 0 || ignoreFiles || includeCaches || oneFileSystem
      const selection = { exclude, ignoreFiles, excludeCaches: !includeCaches, oneFileSystem }
      const spec = yield* asked(words, selects ? selection : undefined)
      return yield* TaskRun.run(
        { _tag: "Backup", ...spec, attended: !unattended, anything: common.yes, reread, dryRun },
        common
      )
    })
})

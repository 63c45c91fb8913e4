/**
 * `cairn source add|list|show|remove`
 *
 * @since 0.1.0
 */
import { resolve } from "node:path"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Raw from "../schema/ConfigRaw.ts"
import * as Argv from "./Argv.ts"
import * as ConfigTables from "./ConfigTables.ts"
import * as Verb from "./Verb.ts"

const config = {
  ...ConfigTables.common,
  exclude: Options.text("exclude").pipe(
    Options.withAlias("e"),
    Options.withDescription("add: leave out what matches this gitignore-style pattern, relative to each path"),
    Options.repeated
  ),
  ignoreFiles: Options.boolean("ignore-files").pipe(
    Options.withDescription("add: heed .gitignore and .ignore too (.cairnignore always is)")
  ),
  includeCaches: Options.boolean("include-caches").pipe(
    Options.withDescription("add: take folders that a CACHEDIR.TAG marks as caches too")
  ),
  oneFileSystem: Options.boolean("one-file-system").pipe(
    Options.withAlias("x"),
    Options.withDescription("add: do not go into other file systems")
  ),
  skipHidden: Options.boolean("skip-hidden").pipe(Options.withDescription("add: leave out what begins with a dot"))
}

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "source",
  description:
    "Files and folders of this device: source add NAME PATH… · source list · source show NAME · source remove NAME",
  config,
  handler: ({ dryRun, exclude, ignoreFiles, includeCaches, oneFileSystem, skipHidden, words }, voice) =>
    ConfigTables.run({
      section: "source",
      words,
      dryRun,
      voice,
      summary: (table) =>
        Raw.texts(table, "paths")
          .map(([, path]) => path)
          .join("  "),
      fields: (paths) =>
        paths.length === 0
          ? new Argv.Usage({ problem: "source add needs a path: cairn source add NAME PATH…" })
          : Effect.succeed({
              paths: paths.map((path) => resolve(path)),
              ...(exclude.length === 0 ? {} : { exclude }),
              ...(ignoreFiles ? { respect_ignore_files: true } : {}),
              ...(includeCaches ? { include_caches: true } : {}),
              ...(oneFileSystem ? { one_file_system: true } : {}),
              ...(skipHidden ? { skip_hidden: true } : {})
            })
    })
})

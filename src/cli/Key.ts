/**
 * `cairn key add|list|show|remove`
 *
 * @since 0.1.0
 */
import { resolve } from "node:path"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Raw from "../schema/ConfigRaw.ts"
import * as Argv from "./Argv.ts"
import * as ConfigTables from "./ConfigTables.ts"
import * as Verb from "./Verb.ts"

const config = {
  ...ConfigTables.common,
  publicKey: Options.text("public-key").pipe(
    Options.withDescription("add: the age recipient, age1…"),
    Options.optional
  ),
  identityFile: Options.text("identity-file").pipe(
    Options.withDescription(
      "add: the age identity file that opens what is sealed for it; it is read each time, not copied"
    ),
    Options.optional
  )
}

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "key",
  description: "Who may read: key add NAME --public-key age1… · key list · key show NAME · key remove NAME",
  config,
  handler: ({ dryRun, identityFile, publicKey, words }, voice) =>
    ConfigTables.run({
      section: "key",
      words,
      dryRun,
      voice,
      summary: (table) =>
        `${Raw.text(table, "public_key")}${Raw.text(table, "identity_file") === undefined ? "" : "  with identity"}`,
      fields: (rest) => {
        if (rest.length > 0) return new Argv.Usage({ problem: `key add takes one name, not also ${rest.join(" ")}` })
        if (Option.isNone(publicKey))
          return new Argv.Usage({ problem: "key add needs --public-key: cairn key add NAME --public-key age1…" })
        return Effect.succeed({
          public_key: publicKey.value,
          ...(Option.isNone(identityFile) ? {} : { identity_file: resolve(identityFile.value) })
        })
      }
    })
})

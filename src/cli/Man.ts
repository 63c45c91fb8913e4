/**
 * `cairn man`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Manual from "./Manual.ts"
import * as Manuals from "./Manuals.ts"
import * as Verb from "./Verb.ts"
import * as Verbs from "./Verbs.ts"

/** The page in roff's man macros. @since 0.1.0 @category conversions */
export const page = (manuals: ReadonlyArray<Manual.Manual>): string => {
  const [first, ...rest] = manuals
  const isCommon = ({ names }: Manual.Option) =>
    rest.every(({ options }) => options.some((each) => each.names.at(-1) === names.at(-1)))
  const own = (manual: Manual.Manual) => ({ ...manual, options: manual.options.filter((each) => !isCommon(each)) })
  return [
    `.TH CAIRN 1 "" "cairn ${Verbs.version}" "User Commands"`,
    ".SH NAME",
    "cairn \\- encrypted vaults that many writers publish to at once",
    ".SH SYNOPSIS",
    ".B cairn",
    ".I VERB",
    "[\\fIOPTION\\fR]... [\\fIWORD\\fR]...",
    ".SH DESCRIPTION",
    "Cairn keeps folders in encrypted, content\\-addressed vaults. A vault is named by its colon, as in",
    ".BR docs: ;",
    "what stands after the colon is a path in it, and a snapshot stands before it, as in",
    ".BR docs@latest~1:reports .",
    "When a run ends with 0, every selected file is in a snapshot that is durable.",
    ".SH VERBS",
    ...manuals.map((manual) => Manual.toRoff(own(manual), Verbs.find(manual.name)?.usage ?? manual.name)),
    ".SH OPTIONS OF ALL VERBS",
    Manual.optionsToRoff((first?.options ?? []).filter(isCommon)),
    ".SH EXIT STATUS",
    ...(
      [
        ["0", "done and durable"],
        ["1", "failed"],
        ["2", "the command line or the configuration is wrong"],
        ["3", "done, some items skipped, each named"],
        ["4", "input needed, and no terminal to ask"],
        ["5", "damage found"],
        ["10", "no such vault, snapshot or path"],
        ["11", "a store cannot be reached"],
        ["12", "wrong key, or not allowed"],
        ["13", "gave up on contention with other writers"],
        ["130, 143", "interrupted"]
      ] as const
    ).flatMap(([code, means]) => [".TP", `.B ${code}`, means]),
    ".SH ENVIRONMENT",
    ".TP",
    ".B CAIRN_HOME",
    "one folder for configuration, data and cache; otherwise the XDG base directories are used",
    ".TP",
    ".B CAIRN_CRYPTO",
    "\\fBauto\\fR, or \\fBportable\\fR to do without native addons",
    ".TP",
    ".B NO_COLOR",
    "when not empty, no colours"
  ].join("\n")
}

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "man",
  description: "Prints the manual page: cairn man | man -l -",
  config: {},
  handler: (_, common) =>
    Effect.gen(function* () {
      const text = page(yield* Manuals.all)
      yield* Console.emit(common, { type: "text", text }, text)
      return exitCode.done
    })
})

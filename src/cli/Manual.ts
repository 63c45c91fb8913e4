/**
 * What a verb takes, read from its command: the one source of its help, the completions and the manual page.
 *
 * @since 0.1.0
 */
import type * as HelpDoc from "@effect/cli/HelpDoc"
import type * as Span from "@effect/cli/HelpDoc/Span"

/** An option as people meet it. @since 0.1.0 @category models */
export interface Option {
  /** `-n`, `--dry-run`: the short name first. */
  readonly names: ReadonlyArray<string>
  /** What its value is called; a switch has none. */
  readonly value: string | undefined
  /** The only values that it takes, where they are few. */
  readonly choices: ReadonlyArray<string>
  readonly does: string
  readonly repeats: boolean
}

/** @since 0.1.0 @category models */
export interface Manual {
  readonly name: string
  readonly description: string
  readonly options: ReadonlyArray<Option>
}

const spanText = (span: Span.Span): string => {
  switch (span._tag) {
    case "Text":
    case "URI":
      return span.value
    case "Sequence":
      return spanText(span.left) + spanText(span.right)
    default:
      return spanText(span.value)
  }
}

const paragraphs = (doc: HelpDoc.HelpDoc): ReadonlyArray<string> => {
  switch (doc._tag) {
    case "Paragraph":
      return [spanText(doc.value)]
    case "Sequence":
      return [...paragraphs(doc.left), ...paragraphs(doc.right)]
    default:
      return []
  }
}

const definitions = (doc: HelpDoc.HelpDoc): ReadonlyArray<readonly [string, HelpDoc.HelpDoc]> => {
  switch (doc._tag) {
    case "DescriptionList":
      return doc.definitions.map(([term, meaning]) => [spanText(term), meaning])
    case "Sequence":
      return [...definitions(doc.left), ...definitions(doc.right)]
    default:
      return []
  }
}

// the first paragraph tells the type, which the value's name tells already; the last whether it is optional or repeats
const meaning = (doc: HelpDoc.HelpDoc): string =>
  paragraphs(doc)
    .slice(1)
    .filter((text) => !text.startsWith("This option ") && !text.startsWith("This setting "))
    .join(" ")

const option = ([term, doc]: readonly [string, HelpDoc.HelpDoc]): Option => {
  const repeats = term.endsWith("...")
  const words = term.replace(/\.\.\.$/, "").replace(/^\((.*)\)$/, "$1")
  const [, names = words, value] = /^(-[^\s,]+(?:, -[^\s,]+)*)(?: (.+))?$/.exec(words) ?? []
  const choices = value?.includes(" | ") === true ? value.split(" | ") : []
  return {
    names: names.split(", "),
    value: value === undefined || choices.length > 0 ? value : value.toUpperCase(),
    choices,
    does: meaning(doc),
    repeats
  }
}

/** The manual of the command `name` from what the command-line library knows of it. @since 0.1.0 @category constructors */
export const fromHelp = (name: string, description: string, help: HelpDoc.HelpDoc): Manual => ({
  name,
  description,
  options: definitions(help)
    .filter(([term]) => /^\(?-/.test(term))
    .map(option)
    // what the library adds by itself and Cairn does not offer
    .filter(({ names }) => !["--completions", "--log-level", "--wizard", "--version"].includes(names.at(-1) ?? ""))
    .map((found) => (found.names.includes("--help") ? { ...found, does: "show this help" } : found))
})

const term = ({ names, repeats, value }: Option): string =>
  `${names[0]?.startsWith("--") === true ? "    " : ""}${names.join(", ")}${value === undefined ? "" : ` ${value}`}${repeats ? " ..." : ""}`

/** What `cairn VERB --help` prints; `usage` is the verb's line of the overview. @since 0.1.0 @category conversions */
export const toHelp = ({ description, options }: Manual, usage: string): string => {
  const width = Math.max(...options.map((found) => term(found).length))
  return [
    `cairn ${usage}`,
    "",
    ...description.split(" · ").map((line) => `  ${line}`),
    "",
    ...options.map((found) => `  ${term(found).padEnd(width)}  ${found.does}`)
  ].join("\n")
}

const roff = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/gm, "\\&$1")

/** Options as a list of the manual page. @since 0.1.0 @category conversions */
export const optionsToRoff = (options: ReadonlyArray<Option>): string =>
  options
    .flatMap(({ does, names, value }) => [
      ".TP",
      `\\fB${names.map(roff).join("\\fR, \\fB")}\\fR${value === undefined ? "" : ` \\fI${roff(value)}\\fR`}`,
      roff(does)
    ])
    .join("\n")

/** One verb's section of the manual page. @since 0.1.0 @category conversions */
export const toRoff = ({ description, options }: Manual, usage: string): string =>
  [
    `.SS "cairn ${roff(usage)}"`,
    ...description.split(" · ").flatMap((line, index) => [...(index === 0 ? [] : [".br"]), roff(line)]),
    optionsToRoff(options)
  ]
    .filter((part) => part !== "")
    .join("\n")

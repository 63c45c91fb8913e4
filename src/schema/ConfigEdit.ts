/**
 * Changes to the text of a configuration that leave everything else as it is: comments, order, spaces.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Problem from "./ConfigProblem.ts"
import * as Raw from "./ConfigRaw.ts"
import * as ConfigSyntax from "./ConfigSyntax.ts"
import * as ConfigText from "./ConfigText.ts"

/**
 * The text cannot be changed like this.
 *
 * - `Exists`: what was to be added is there already.
 * - `Absent`: what was to be changed or removed is not there.
 * - `Unsupported`: it is written in a form that only a person can change.
 *
 * @since 0.1.0
 * @category errors
 */
export class EditRefused extends Schema.TaggedError<EditRefused>()("EditRefused", {
  reason: Schema.Literal("Exists", "Absent", "Unsupported"),
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.path}: ${this.detail}`
  }
}

/** What a field can be set to. @since 0.1.0 @category models */
export type Value = string | number | boolean | ReadonlyArray<Value> | { readonly [name: string]: Value }

/** The fields of a table in the order of writing. @since 0.1.0 @category models */
export type Fields = { readonly [name: string]: Value }

/** A change of a text. @since 0.1.0 @category models */
export type Edit = (text: string) => Either.Either<string, EditRefused>

const refuse = (reason: EditRefused["reason"], path: Problem.Path, detail: string) =>
  Either.left(new EditRefused({ reason, path: Problem.showPath(path), detail }))

const quote = (text: string): string => JSON.stringify(text).replace(/\x7f/g, "\\u007F")

const key = (name: string): string => (/^[A-Za-z0-9_-]+$/.test(name) ? name : quote(name))

const isList = (value: Value): value is ReadonlyArray<Value> => Array.isArray(value)

/** The value as TOML writes it on one line. @since 0.1.0 @category conversions */
export const render = (value: Value): string => {
  if (typeof value === "string") return quote(value)
  if (typeof value !== "object") return String(value)
  if (isList(value)) return `[${value.map(render).join(", ")}]`
  const fields = Object.entries(value).map(([name, one]) => `${key(name)} = ${render(one)}`)
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`
}

const lineEnd = (text: string): string => (text.includes("\r\n") ? "\r\n" : "\n")

const isAt = (path: Problem.Path, at: Problem.Path): boolean =>
  path.length >= at.length && at.every((part, index) => part === path[index])

const isSame = (one: Problem.Path, other: Problem.Path): boolean => one.length === other.length && isAt(one, other)

const valueAt = (table: Raw.Table, path: Problem.Path): unknown =>
  path.reduce<unknown>((value, part) => Raw.field(Raw.asTable(value), String(part)), table)

const withValue = (table: Raw.Table, path: ReadonlyArray<string>, value: unknown): Raw.Table => {
  const [first, ...rest] = path
  if (first === undefined) return table
  const { [first]: before, ...others } = table
  const now = rest.length === 0 ? value : withValue(Raw.asTable(before), rest, value)
  return now === undefined ? others : { ...table, [first]: now }
}

/** The same for tables in any order; a section without tables is like none. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === "bigint") return `${one}n`
    if (typeof one !== "object" || one === null || Array.isArray(one)) return one
    return Object.fromEntries(
      Object.entries(one)
        .filter(([, inner]) => canonical(inner) !== "{}")
        .sort(([a], [b]) => (a < b ? -1 : 1))
    )
  })

/** Lets a change pass only if the text then says exactly what it should, and nothing else changed. */
const checked = (text: string, path: ReadonlyArray<string>, value: Value | undefined, changed: string) => {
  const before = ConfigText.parse(text)
  const after = ConfigText.parse(changed)
  return Either.isRight(before) &&
    Either.isRight(after) &&
    canonical(withValue(before.right, path, value)) === canonical(after.right)
    ? Either.right(changed)
    : refuse("Unsupported", path, "the file is written in a form that Cairn does not change; change it by hand")
}

const read = (text: string, path: Problem.Path) => {
  const top = ConfigSyntax.parse(text)
  const raw = ConfigText.parse(text)
  return top === undefined || Either.isLeft(raw)
    ? refuse("Unsupported", path, "the file is not valid TOML; `cairn config check` shows where")
    : Either.right({ written: ConfigSyntax.all(top), raw: raw.right })
}

const lineStart = (text: string, at: number): number => text.lastIndexOf("\n", at - 1) + 1
const nextLine = (text: string, at: number): number => {
  const end = text.indexOf("\n", at)
  return end < 0 ? text.length : end + 1
}

/** Adds the table `path` after everything else. @since 0.1.0 @category edits */
export const addTable =
  (path: ReadonlyArray<string>, fields: Fields): Edit =>
  (text) =>
    Either.flatMap(read(text, path), ({ raw }) => {
      if (valueAt(raw, path) !== undefined) return refuse("Exists", path, "there is one already; choose another name")
      const end = lineEnd(text)
      const before = text === "" || text.endsWith("\n") ? text : `${text}${end}`
      const gap = before.trim() === "" ? "" : end
      const lines = Object.entries(fields).map(([name, value]) => `${key(name)} = ${render(value)}${end}`)
      return checked(text, path, fields, `${before}${gap}[${path.map(key).join(".")}]${end}${lines.join("")}`)
    })

/** Removes the table or field `path`, however its parts are written. @since 0.1.0 @category edits */
export const remove =
  (path: ReadonlyArray<string>): Edit =>
  (text) =>
    Either.flatMap(read(text, path), ({ raw, written }) => {
      if (valueAt(raw, path) === undefined) return refuse("Absent", path, "there is none")
      const parts = written.filter((one) => isAt(one.path, path) && one._tag !== "Element")
      let changed = text
      let last = Number.POSITIVE_INFINITY
      // from the end, so that ranges before stay right; what is inside of what is removed goes with it
      for (const { node } of [...parts].sort(
        (a, b) => b.node.range[1] - a.node.range[1] || a.node.range[0] - b.node.range[0]
      )) {
        if (node.range[0] >= last) continue
        const from = lineStart(text, node.range[0])
        let to = nextLine(text, node.range[1])
        const emptyBefore = from === 0 || /\n\r?\n$/.test(text.slice(0, from))
        const gap = /^(?:[ \t]*\r?\n)+/.exec(changed.slice(to))
        if (emptyBefore && gap !== null) to += gap[0].length
        changed = changed.slice(0, from) + changed.slice(to)
        last = from
      }
      return checked(
        text,
        path,
        undefined,
        changed.trim() === "" ? changed : changed.replace(/(\r?\n)(?:\r?\n)+$/, "$1")
      )
    })

/** Sets a field of a table that is there, in its place or after the table's other fields. @since 0.1.0 @category edits */
export const setField =
  (table: ReadonlyArray<string>, name: string, value: Value): Edit =>
  (text) =>
    Either.flatMap(read(text, table), ({ raw, written }) => {
      const path = [...table, name]
      if (table.length > 0 && valueAt(raw, table) === undefined) return refuse("Absent", table, "there is none")
      const present = written.find((one) => one._tag === "Field" && isSame(one.path, path))
      const splice = (from: number, to: number, put: string) =>
        checked(text, path, value, text.slice(0, from) + put + text.slice(to))
      if (present !== undefined && present._tag === "Field") {
        const [from, to] = present.node.value.range
        return splice(from, to, render(value))
      }
      const end = lineEnd(text)
      const line = `${key(name)} = ${render(value)}`
      if (table.length === 0) return splice(0, 0, `${line}${end}`)
      const header = written.find((one) => one._tag === "Table" && isSame(one.path, table))
      if (header !== undefined && header._tag === "Table") {
        const last = header.node.body.at(-1)?.range[1] ?? header.node.key.range[1]
        const at = nextLine(text, last)
        const isLastLine = at === text.length && !text.endsWith("\n")
        return splice(at, at, isLastLine ? `${end}${line}` : `${line}${end}`)
      }
      const inline = written.find((one) => one._tag === "Field" && isSame(one.path, table))
      if (inline?._tag === "Field" && inline.node.value.type === "TOMLInlineTable") {
        const last = inline.node.value.body.at(-1)
        return last === undefined
          ? splice(...inline.node.value.range, `{ ${line} }`)
          : splice(last.range[1], last.range[1], `, ${line}`)
      }
      return checked(text, path, value, text)
    })

/** One change after the other, all or none. @since 0.1.0 @category combinators */
export const all =
  (edits: ReadonlyArray<Edit>): Edit =>
  (text) =>
    edits.reduce<Either.Either<string, EditRefused>>((done, edit) => Either.flatMap(done, edit), Either.right(text))

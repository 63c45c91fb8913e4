/**
 * The text of a configuration as a tree with places; loaded only to tell where a problem is and to change the text.
 *
 * @since 0.1.0
 */
import { type AST, parseTOML } from "toml-eslint-parser"
import type * as Problem from "./ConfigProblem.ts"

/** Parses text that `ConfigText.parse` has taken; nothing where the two disagree. @since 0.1.0 @category conversions */
export const parse = (text: string): AST.TOMLTopLevelTable | undefined => {
  try {
    return parseTOML(text, { tomlVersion: "1.1.0" }).body[0]
  } catch {
    // nothing is lost: problems are told without their places, and changes are refused
    return undefined
  }
}

/** The names of a key, between its dots. @since 0.1.0 @category accessors */
export const keyOf = (key: AST.TOMLKey): ReadonlyArray<string> =>
  key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value))

/** Everything that is written somewhere. @since 0.1.0 @category models */
export type Written =
  | { readonly _tag: "Table"; readonly path: Problem.Path; readonly node: AST.TOMLTable }
  | { readonly _tag: "Field"; readonly path: Problem.Path; readonly node: AST.TOMLKeyValue }
  | { readonly _tag: "Element"; readonly path: Problem.Path; readonly node: AST.TOMLContentNode }

/** All tables, fields and elements of lists, in the order of the text. @since 0.1.0 @category accessors */
export const all = (top: AST.TOMLTopLevelTable): ReadonlyArray<Written> => {
  const found: Array<Written> = []
  const value = (node: AST.TOMLContentNode, path: Problem.Path): void => {
    if (node.type === "TOMLArray")
      node.elements.forEach((element, index) => {
        found.push({ _tag: "Element", path: [...path, index], node: element })
        value(element, [...path, index])
      })
    if (node.type === "TOMLInlineTable") for (const field of node.body) keyValue(field, path)
  }
  const keyValue = (node: AST.TOMLKeyValue, table: Problem.Path): void => {
    const path = [...table, ...keyOf(node.key)]
    found.push({ _tag: "Field", path, node })
    value(node.value, path)
  }
  for (const node of top.body) {
    if (node.type === "TOMLKeyValue") keyValue(node, [])
    else {
      found.push({ _tag: "Table", path: node.resolvedKey, node })
      for (const field of node.body) keyValue(field, node.resolvedKey)
    }
  }
  return found
}

/** Finds the place of a path, or of the nearest thing above it that is written down. @since 0.1.0 @category constructors */
export const places = (text: string): ((path: Problem.Path) => Problem.Place | undefined) => {
  const top = parse(text)
  const known = new Map<string, Problem.Place>()
  for (const { node, path } of top === undefined ? [] : all(top)) {
    const place = { line: node.loc.start.line, column: node.loc.start.column + 1 }
    // a table that only its subtables write down is where the first of them is
    for (let length = path.length; length > 0; length--) {
      const key = JSON.stringify(path.slice(0, length))
      if (!known.has(key)) known.set(key, place)
    }
  }
  return (path) => {
    for (let length = path.length; length > 0; length--) {
      const place = known.get(JSON.stringify(path.slice(0, length)))
      if (place !== undefined) return place
    }
    return undefined
  }
}

/** Loading of the test vectors: from the folder that `S5_VECTORS` names, else from `test/vectors`. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Either from "effect/Either"
import { afterEach } from "vitest"
import * as Bytes from "../../src/schema/Bytes.ts"

// Most cases are synchronous and there may be minutes of them: without a pause in between, the runner hears nothing of
// this file for so long that it gives up on it.
afterEach(() => new Promise<void>((resolve) => setImmediate(resolve)))

/** Any JSON value. */
export type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json }

const ownFolder = fileURLToPath(new URL("../vectors/", import.meta.url))

/**
 * The vector file of that name ("node.json" or "node"). One that the folder named by `S5_VECTORS` lacks comes from
 * `test/vectors`; one that neither has is an error.
 */
export const load = (file: string): JsonObject => {
  const name = file.endsWith(".json") ? file : `${file}.json`
  const given = process.env.S5_VECTORS
  const folders = given === undefined || given === "" ? [ownFolder] : [given, ownFolder]
  // a mistyped folder must not pass for one that holds the files of test/vectors
  if (!existsSync(folders[0] ?? "")) throw new Error(`S5_VECTORS names ${folders[0]}, which is not there`)
  const path = folders.map((folder) => join(folder, name)).find((candidate) => existsSync(candidate))
  if (path === undefined) throw new Error(`no vector file ${name} in ${folders.join(" or ")}`)
  return object(JSON.parse(readFileSync(path, "utf8")), name)
}

const isList = (value: Json | undefined): value is ReadonlyArray<Json> => Array.isArray(value)

/** Whether `value` is a JSON object. */
export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !isList(value)

const wrong = (value: Json | undefined, wanted: string, what: string) =>
  new Error(`vector field ${what}: expected ${wanted}, got ${String(JSON.stringify(value)).slice(0, 80)}`)

/** `value` as an object, or an error that names `what`. */
export const object = (value: Json | undefined, what = "value"): JsonObject => {
  if (isObject(value)) return value
  throw wrong(value, "an object", what)
}

/** `value` as a list, or an error that names `what`. */
export const list = (value: Json | undefined, what = "value"): ReadonlyArray<Json> => {
  if (isList(value)) return value
  throw wrong(value, "a list", what)
}

/** `value` as a list of objects, or an error that names `what`. */
export const objects = (value: Json | undefined, what = "value"): ReadonlyArray<JsonObject> =>
  list(value, what).map((item, index) => object(item, `${what}[${index}]`))

/** `value` as a text, or an error that names `what`. */
export const text = (value: Json | undefined, what = "value"): string => {
  if (typeof value === "string") return value
  throw wrong(value, "a text", what)
}

/** `value` as a number, or an error that names `what`. */
export const number = (value: Json | undefined, what = "value"): number => {
  if (typeof value === "number") return value
  throw wrong(value, "a number", what)
}

/** `value` as a boolean, or an error that names `what`. */
export const boolean = (value: Json | undefined, what = "value"): boolean => {
  if (typeof value === "boolean") return value
  throw wrong(value, "a boolean", what)
}

/** A number, also one that is written as a decimal text because it may be large. */
export const whole = (value: Json | undefined, what = "value"): number =>
  typeof value === "string" && /^-?\d+$/.test(value) ? Number(value) : number(value, what)

/** Whether a field says nothing: it is null or not there. */
export const isAbsent = (value: Json | undefined): value is null | undefined => value === null || value === undefined

/** What a file says about itself, which is not to be tested. */
const remarks = ["reference", "rule", "generators", "about", "note", "notes", "comment", "what"]

/** The lists and objects of a vector file that are not in `tested`: there should be none. Single values may be remarks. */
export const untested = (file: JsonObject, tested: ReadonlyArray<string>): ReadonlyArray<string> =>
  Object.entries(file)
    .filter(([name, value]) => typeof value === "object" && value !== null && !remarks.includes(name))
    .map(([name]) => name)
    .filter((name) => !tested.includes(name))

/** A decimal text or number as a bigint. */
export const big = (value: Json | undefined, what = "value"): bigint => {
  if (typeof value === "string" || typeof value === "number") return BigInt(value)
  throw wrong(value, "a decimal text", what)
}

/** The bytes of a hex text. */
export const hex = (value: Json | undefined, what = "value"): Uint8Array =>
  Either.getOrThrow(Bytes.fromHex(text(value, what)))

/** Lower-case hex of bytes. */
export const toHex = Bytes.toHex

/** `[name, case]` pairs of a list of named cases for `it.each`; names that occur twice get their position. */
export const named = (cases: ReadonlyArray<JsonObject>): ReadonlyArray<readonly [name: string, value: JsonObject]> => {
  const seen = new Set<string>()
  return cases.map((value, index) => {
    const name = typeof value.name === "string" ? value.name : `case ${index}`
    const unique = seen.has(name) ? `${name} (case ${index})` : name
    seen.add(name)
    return [unique, value] as const
  })
}

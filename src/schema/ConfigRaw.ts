/**
 * A configuration as it was read, before anybody knows that it has the right form.
 *
 * @since 0.1.0
 */

/** A table whose fields can be anything. @since 0.1.0 @category models */
export type Table = Readonly<Record<string, unknown>>

/** A table, or an empty one in the place of anything else. @since 0.1.0 @category accessors */
export const asTable = (value: unknown): Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {}

/** The field itself, never what every object has. @since 0.1.0 @category accessors */
export const field = (table: Table, name: string): unknown => (Object.hasOwn(table, name) ? table[name] : undefined)

/** @since 0.1.0 @category accessors */
export const text = (table: Table, name: string): string | undefined => {
  const value = field(table, name)
  return typeof value === "string" ? value : undefined
}

/** The elements of a list; none in the place of anything else. @since 0.1.0 @category accessors */
export const list = (table: Table, name: string): ReadonlyArray<unknown> => {
  const value = field(table, name)
  return Array.isArray(value) ? value : []
}

/** The texts in a list, with their positions. @since 0.1.0 @category accessors */
export const texts = (table: Table, name: string): ReadonlyArray<readonly [index: number, text: string]> =>
  list(table, name).flatMap((value, index) => (typeof value === "string" ? [[index, value] as const] : []))

/** The tables of a section by name. @since 0.1.0 @category accessors */
export const section = (config: Table, name: string): ReadonlyArray<readonly [name: string, table: Table]> =>
  Object.entries(asTable(field(config, name))).map(([key, value]) => [key, asTable(value)])

/** The names that a section defines. @since 0.1.0 @category accessors */
export const names = (config: Table, section: string): ReadonlyArray<string> =>
  Object.keys(asTable(field(config, section)))

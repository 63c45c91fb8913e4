/**
 * Fields of configuration tables.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

// the schema library names types as TypeScript does
const typeNames: ReadonlyArray<readonly [RegExp, string]> = [
  [/^ReadonlyArray<string>$/, "a list of texts"],
  [/^(?:ReadonlyArray|readonly \[|minItems).*$/, "a list"],
  [/^string$/, "a text"],
  [/^boolean$/, "true or false"],
  [/^\{.*\}$/s, "a table"]
]

/** A type as people call it. @since 0.1.0 @category conversions */
export const typeName = (type: string): string => typeNames.find(([pattern]) => pattern.test(type))?.[1] ?? type

/** A field that may be left out. @since 0.1.0 @category constructors */
export const optional = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.optionalWith(schema, { exact: true }).annotations({ description })

/** A field that stands for `value` when it is left out. @since 0.1.0 @category constructors */
export const withDefault = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<A>, description: string) =>
  Schema.optionalWith(schema, { exact: true, default: () => value }).annotations({ description, default: value })

/** A field that has to be there. @since 0.1.0 @category constructors */
export const required = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  // with a title errors name the type and not the description
  schema.annotations({ title: typeName(String(schema.ast)), description })

/** Names of tables in another section. @since 0.1.0 @category schemas */
export const Names = Schema.Array(Schema.String)

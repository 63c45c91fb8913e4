/**
 * Secrets as a configuration names them: by where they are, so that the file itself can be shown and copied.
 *
 * @since 0.1.0
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const expected = 'expected { file = "…" }, { env = "NAME" } or { command = ["…"] }'

/**
 * Where a secret is: a file's content, an environment variable, what a command prints, or the secret itself, which the
 * rules warn of.
 *
 * @since 0.1.0
 * @category models
 */
export const ConfigSecret = Schema.Union(
  Schema.Struct({ file: Schema.String }),
  Schema.Struct({ env: Schema.String }),
  Schema.Struct({ command: Schema.NonEmptyArray(Schema.String) }),
  Schema.Redacted(Schema.String)
).annotations({
  // one sentence of our own: the library's would show what was given
  message: () => ({ message: expected, override: true })
})

/** @since 0.1.0 @category models */
export type ConfigSecret = typeof ConfigSecret.Type

/** Whether the secret stands in the configuration itself; for what was read and for what was not decoded yet. @since 0.1.0 @category guards */
export const isInline = (secret: unknown): boolean => typeof secret === "string" || Redacted.isRedacted(secret)

/**
 * Files with age identities, as they are on disk.
 *
 * @since 0.1.0
 */
import { readFile } from "node:fs/promises"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** An identity file cannot be used; what is in it is never told. @since 0.1.0 @category errors */
export class IdentityUnusable extends Data.TaggedError("IdentityUnusable")<{
  readonly file: string
  readonly detail: string
}> {
  override get message() {
    return `identity file ${this.file}: ${this.detail}`
  }
}

/** The age identities of a file: one a line, comments begin with `#`. @since 0.1.0 @category programs */
export const identities = Effect.fnUntraced(function* (file: string) {
  const text = yield* Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (cause) =>
      new IdentityUnusable({ file, detail: cause instanceof Error ? cause.message : "it cannot be read" })
  })
  const found = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line.startsWith("AGE-SECRET-KEY-"))
  if (found.length === 0) return yield* new IdentityUnusable({ file, detail: "it holds no age identity" })
  return found.map((line) => Redacted.make(line))
})

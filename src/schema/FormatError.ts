/**
 * What every decoder here answers when bytes are not what the format says.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Bytes or text that are not the format they were read as.
 *
 * `at` names the byte offset ("byte 59") or the field ("entries[\"a\"].content.hash") where reading stopped.
 *
 * @since 0.1.0
 * @category errors
 */
export class FormatError extends Schema.TaggedError<FormatError>()("FormatError", {
  format: Schema.String,
  at: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `not a valid ${this.format}: ${this.problem} (at ${this.at})`
  }
}

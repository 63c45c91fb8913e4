/**
 * A change that waits until a person has agreed to it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const HashText = Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/))

/** What a change does to the files that a source has in its vault. @since 0.1.0 @category models */
export class Numbers extends Schema.Class<Numbers>("Numbers")({
  /** Files before. */
  files: Schema.Int,
  deleted: Schema.Int,
  /** Files whose bytes are others now. */
  rewritten: Schema.Int,
  /** Files whose bytes stand under another name now; not among the deleted. */
  moved: Schema.Int,
  added: Schema.Int
}) {}

/** A change of one source that was not published yet. @since 0.1.0 @category models */
export class Approval extends Schema.Class<Approval>("Approval")({
  vault: Schema.String,
  folder: Schema.String,
  /** The source's path on this device. */
  path: Schema.String,
  /** `Emptied`: nothing is left of what was there; `MassChange`: much of it is deleted or rewritten. */
  reason: Schema.Literal("Emptied", "MassChange"),
  numbers: Numbers,
  /** The roots that were compared: of the last acknowledged scan, and of the new one, absent when it is empty. In hex. */
  base: HashText,
  scan: Schema.optionalWith(HashText, { exact: true }),
  scanPlaintextHash: Schema.optionalWith(HashText, { exact: true }),
  /** Milliseconds since 1970. */
  askedAt: Schema.Number
}) {}

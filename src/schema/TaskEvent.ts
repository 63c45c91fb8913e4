/**
 * What a running task says, in whatever process it runs.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Output from "./Output.ts"

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** How far the task is; the newest counts, at most five come in a second. @since 0.1.0 @category models */
export const Progress = Schema.TaggedStruct("Progress", {
  phase: Schema.String,
  /** Done since the phase began; sizes in bytes. */
  files: Schema.Number,
  bytes: Schema.Number,
  totalFiles: optional(Schema.Number),
  totalBytes: optional(Schema.Number),
  /** Bytes in a second, since the phase began. */
  rate: Schema.Number,
  /** The thing at hand, as people know it. */
  current: optional(Schema.String)
})

/** @since 0.1.0 @category models */
export type Progress = typeof Progress.Type

/** A source was dealt with. @since 0.1.0 @category models */
export const Source = Schema.TaggedStruct("Source", { record: Output.Source })

/** A restore came to its end. @since 0.1.0 @category models */
export const Restored = Schema.TaggedStruct("Restored", {
  /** As the user wrote it. */
  directory: Schema.String,
  dryRun: Schema.Boolean,
  record: Output.Summary
})

/** A vault was verified. @since 0.1.0 @category models */
export const Verified = Schema.TaggedStruct("Verified", { vault: Schema.String, record: Output.Summary })

/** Something was not done as asked, or is damaged. @since 0.1.0 @category models */
export const Problem = Schema.TaggedStruct("Problem", {
  record: Output.Problem,
  /** What people are told; nothing where they were told the same before. */
  complaint: optional(Schema.String)
})

/** Something that people are to know whatever they asked for. @since 0.1.0 @category models */
export const Complaint = Schema.TaggedStruct("Complaint", { text: Schema.String })

/** Something that people may want to know. @since 0.1.0 @category models */
export const Note = Schema.TaggedStruct("Note", { text: Schema.String })

/** There is no recovery phrase yet. @since 0.1.0 @category models */
export const NoRecoveryPhrase = Schema.TaggedStruct("NoRecoveryPhrase", {})

/** What a task failed with. @since 0.1.0 @category models */
export const Failure = Schema.Struct({
  tag: Schema.String,
  reason: optional(Schema.String),
  message: Schema.String
})

/** @since 0.1.0 @category models */
export type Failure = typeof Failure.Type

/** The task has ended; nothing comes after it. @since 0.1.0 @category models */
export const End = Schema.TaggedStruct("End", {
  /** As a run of the verb would end. */
  code: Schema.Number,
  error: optional(Failure),
  /** Whether events before this one told the error. */
  isTold: Schema.Boolean,
  /** The tasks that its success has started. */
  next: Schema.Array(Schema.Int)
})

/** @since 0.1.0 @category models */
export type End = typeof End.Type

/** Anything that a task says before its end. @since 0.1.0 @category models */
export const Said = Schema.Union(Progress, Source, Restored, Verified, Problem, Complaint, Note, NoRecoveryPhrase)

/** @since 0.1.0 @category models */
export type Said = typeof Said.Type

/** Anything that a task says. @since 0.1.0 @category models */
export const TaskEvent = Schema.Union(...Said.members, End)

/** @since 0.1.0 @category models */
export type TaskEvent = typeof TaskEvent.Type

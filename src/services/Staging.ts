/**
 * What this device has ingested and not published yet.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RootRecord, type VaultStateError } from "./VaultState.ts"

/** A scan of one source whose content and tree are in the vault's store. @since 0.1.0 @category models */
export class Staged extends Schema.Class<Staged>("Staged")({
  /** Where the source stands in the vault. */
  folder: Schema.String,
  /** Its tree; absent when it is empty. */
  root: Schema.optional(RootRecord),
  /** When the scan began, milliseconds since 1970. */
  scannedAt: Schema.Number,
  files: Schema.Number,
  /** The files' total size in bytes. */
  bytes: Schema.Number
}) {}

/** @since 0.1.0 @category models */
export interface Service {
  /** What waits to be published in the vault, ordered by its folders. */
  readonly staged: (vault: string) => Effect.Effect<ReadonlyArray<Staged>, VaultStateError>
  /** Keeps a scan, durably, in place of an earlier one of its folder. */
  readonly stage: (vault: string, staged: Staged) => Effect.Effect<void, VaultStateError>
  /** Forgets exactly this scan of the folder; a later one that took its place stays. */
  readonly forget: (vault: string, staged: Staged) => Effect.Effect<void, VaultStateError>
}

/** @since 0.1.0 @category services */
export class Staging extends Context.Tag("cairn/Staging")<Staging, Service>() {}

/**
 * What every kind of task needs to know of the installation that it runs on, and how it can end.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Snapshot from "../fs5/Snapshot.ts"
import * as Keyring from "../services/Keyring.ts"
import * as TaskEvents from "../services/TaskEvents.ts"
import type * as Vault from "./Vault.ts"

/** An error as tasks fail with it. @since 0.1.0 @category errors */
export interface Failed {
  readonly _tag: string
  readonly message: string
  readonly reason?: unknown
}

/** The task asks for what Cairn does not do. @since 0.1.0 @category errors */
export class Misuse extends Data.TaggedError("Usage")<{ readonly problem: string }> {
  override get message() {
    return this.problem
  }
}

/** What a task came to that did its work, all of it or not. @since 0.1.0 @category models */
export interface Outcome {
  /** `skipped`: some items were left out, each named; `damaged`: damage was found. */
  readonly outcome: "done" | "skipped" | "damaged"
  /** The first thing that failed while the rest went on; it was told. */
  readonly error?: Failed
}

/** @since 0.1.0 @category models */
export interface Service {
  /** Cairn's own folders, which are never backed up. */
  readonly own: ReadonlyArray<string>
  /** Whether a local path is in one of them. */
  readonly isOwn: (path: string) => boolean
  /** A vault of this device, or an attached one, to be read; as another of its devices published it where one is named. */
  readonly openVault: (name: string, device?: string) => Effect.Effect<Vault.Readable, Failed, Scope.Scope>
  /** What all devices of a vault have together now, and what is said of those that had to be left out. */
  readonly openTogether: (
    name: string
  ) => Effect.Effect<
    { readonly snapshot: Snapshot.Snapshot; readonly leftOut: ReadonlyArray<string> },
    Failed,
    Scope.Scope
  >
}

/** @since 0.1.0 @category services */
export class TaskHost extends Context.Tag("cairn/TaskHost")<TaskHost, Service>() {}

/** Reminds of the recovery phrase, where there is none. @since 0.1.0 @category programs */
export const remind = Effect.gen(function* () {
  const keyring = yield* Keyring.Keyring
  const { say } = yield* TaskEvents.TaskEvents
  if ((yield* keyring.recovery) === undefined) yield* say({ _tag: "NoRecoveryPhrase" })
})

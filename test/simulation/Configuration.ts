/** What one run is about, and what it gives. */
import type { CallId, FaultName, Struck, Trouble } from "./Faults.ts"
import type { Mutant } from "./Mutants.ts"
import type { Call } from "./Process.ts"
import type { Change } from "./Writer.ts"

export interface Configuration {
  readonly seed: number
  readonly writers: number
  /** Publications that each writer must get acknowledged. */
  readonly rounds: number
  /** Whether each writer has a folder of its own in the vault, or all share one. */
  readonly folders: "own" | "shared"
  /** Whether files have contents of their own, or few names and few contents that all writers have in common. */
  readonly contents: "varied" | "alike"
  /**
   * One atomic cell, claims in the shared object store as the production layer makes them, or several cells under
   * `RegistryMulti` and a policy that the seed decides.
   */
  readonly registry: "cell" | "objects" | "several"
  /** Records as values, or as files as the production layer keeps them. */
  readonly state: "values" | "files"
  /** Each writer on a device of its own with the same key, or all of them processes on one, which share their records. */
  readonly homes: "own" | "one"
  /** Blobs as objects one by one, or in packs with an index in each home. */
  readonly store: "objects" | "packed"
  /** How many meta targets the vault has. */
  readonly mirrors: number
  readonly faults: ReadonlySet<FaultName>
  readonly attemptMillis: number
  readonly mutant?: Mutant | undefined
  /** For shrinking: what is left of the run. */
  readonly only?: Only | undefined
}

/** Whether all writers are runs of one source: they have one folder, in the vault and on the device. */
export const isOneSource = ({ folders, homes }: Configuration): boolean => folders === "shared" && homes === "one"

/** What of a run is left: everything else that the seed says does not take place. */
export interface Only {
  readonly writers?: ReadonlySet<number>
  readonly struck?: ReadonlyMap<CallId, Trouble>
  readonly slow?: ReadonlySet<CallId>
  readonly edits?: ReadonlyArray<Edit>
}

/** A change of one file by a writer's user. */
export interface Edit {
  readonly writer: number
  readonly round: number
  /** How many processes the writer had had by then. */
  readonly lives: number
  /** Before a round, or after a process that did not get to its end. */
  readonly moment: "round" | "again"
  readonly change: Change
}

export interface Report {
  readonly configuration: Configuration
  /** What was not as it must be. */
  readonly problem: string | undefined
  /** One line for each thing that happened. */
  readonly trace: ReadonlyArray<string>
  readonly struck: ReadonlyArray<Struck>
  readonly slow: ReadonlyArray<CallId>
  /** Every call and what it was. */
  readonly calls: ReadonlyArray<Call>
  readonly edits: ReadonlyArray<Edit>
  /** Attempts of each publication that was acknowledged. */
  readonly attempts: ReadonlyArray<number>
  /** Publications that gave up after the most attempts; their writers ran again. */
  readonly gaveUp: number
  /** The longest attempt in simulated milliseconds. */
  readonly millis: number
  readonly heads: number
  /** Heads that were published beside another one that they do not know of. */
  readonly rivals: number
}

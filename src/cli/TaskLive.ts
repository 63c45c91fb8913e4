/**
 * The layers that tasks run on, in whatever process, and the exit codes that they end with.
 *
 * @since 0.1.0
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ApprovalsObjectStore from "../layers/ApprovalsObjectStore.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as StagingObjectStore from "../layers/StagingObjectStore.ts"
import type * as Executor from "../programs/Executor.ts"
import type * as Identity from "../programs/Identity.ts"
import * as Task from "../programs/Task.ts"
import * as TaskHost from "../programs/TaskHost.ts"
import * as TaskProgress from "../programs/TaskProgress.ts"
import type * as Vault from "../programs/Vault.ts"
import type * as TaskSpec from "../schema/TaskSpec.ts"
import { exitCode, ofError } from "./ExitCode.ts"
import * as Home from "./Home.ts"
import * as Live from "./Live.ts"
import * as Opening from "./Opening.ts"
import * as Peers from "./Peers.ts"
import * as TaskFailure from "./TaskFailure.ts"

const staging = Layer.unwrapScoped(
  Effect.map(ObjectStoreFs.make({ directory: join(Home.mine.data, "vaults"), private: true }), StagingObjectStore.layer)
)

const approvals = Layer.unwrapScoped(
  Effect.map(ObjectStoreFs.make({ directory: Home.mine.data, private: true }), ApprovalsObjectStore.layer)
)

const host = Layer.effect(
  TaskHost.TaskHost,
  Effect.zipWith(Effect.context<Identity.Requirements | Vault.Requirements>(), Live.ownFolders, (context, folders) => ({
    ...folders,
    openVault: (name: string, device?: string) => Effect.provide(Opening.openVault(name, device), context),
    openTogether: (name: string) => Effect.provide(Peers.together(name), context)
  }))
)

/** Everything that a task asks for, but whom it tells. @since 0.1.0 @category layers */
export const layer = Layer.mergeAll(staging, approvals, host).pipe(Layer.provideMerge(Live.layer))

/** Does what `spec` says. @since 0.1.0 @category programs */
export const perform = (spec: TaskSpec.TaskSpec) => Effect.provide(Task.perform(spec), TaskProgress.layer)

/** What a run of the verb ends with. @since 0.1.0 @category conversions */
export const codeOf = ({ error, outcome }: TaskHost.Outcome): number =>
  error === undefined
    ? { done: exitCode.done, skipped: exitCode.skipped, damaged: exitCode.damage }[outcome]
    : ofError(error)

/** How a task ended that failed before or in the middle of its work. @since 0.1.0 @category conversions */
export const failed = (error: TaskHost.Failed): Executor.Ended => ({
  code: ofError(error),
  error: TaskFailure.to(error),
  isTold: false
})

/** Does what `spec` says to its end, whatever that is. @since 0.1.0 @category programs */
export const complete = (spec: TaskSpec.TaskSpec) =>
  Effect.match(perform(spec), {
    onFailure: failed,
    onSuccess: (outcome): Executor.Ended => ({
      code: codeOf(outcome),
      ...(outcome.error === undefined ? {} : { error: TaskFailure.to(outcome.error) }),
      isTold: outcome.error !== undefined
    })
  })

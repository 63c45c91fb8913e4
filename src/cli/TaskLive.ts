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
import type * as Ending from "./Ending.ts"
import { exitCode, ofError } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Peers from "./Peers.ts"
import * as Reference from "./Reference.ts"

const staging = Layer.unwrapScoped(
  Effect.map(ObjectStoreFs.make({ directory: join(Live.home.data, "vaults"), private: true }), StagingObjectStore.layer)
)

const approvals = Layer.unwrapScoped(
  Effect.map(ObjectStoreFs.make({ directory: Live.home.data, private: true }), ApprovalsObjectStore.layer)
)

const host = Layer.effect(
  TaskHost.TaskHost,
  Effect.zipWith(Effect.context<Identity.Requirements | Vault.Requirements>(), Live.ownFolders, (context, folders) => ({
    ...folders,
    openVault: (name: string, device?: string) => Effect.provide(Reference.openVault(name, device), context),
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

/** The error as it goes to another process. @since 0.1.0 @category conversions */
export const toFailure = ({ _tag, message, reason }: TaskHost.Failed) => ({
  tag: _tag,
  message,
  ...(typeof reason === "string" ? { reason } : {})
})

/** The error of another process as a run here fails with it. @since 0.1.0 @category conversions */
export const fromFailure = (failure: ReturnType<typeof toFailure>): Ending.Tagged & { readonly reason?: string } => ({
  _tag: failure.tag,
  message: failure.message,
  ...(failure.reason === undefined ? {} : { reason: failure.reason })
})

/** How a task ended that failed before or in the middle of its work. @since 0.1.0 @category conversions */
export const failed = (error: TaskHost.Failed): Executor.Ended => ({
  code: ofError(error),
  error: toFailure(error),
  isTold: false
})

/** Does what `spec` says to its end, whatever that is. @since 0.1.0 @category programs */
export const complete = (spec: TaskSpec.TaskSpec) =>
  Effect.match(perform(spec), {
    onFailure: failed,
    onSuccess: (outcome): Executor.Ended => ({
      code: codeOf(outcome),
      ...(outcome.error === undefined ? {} : { error: toFailure(outcome.error) }),
      isTold: outcome.error !== undefined
    })
  })

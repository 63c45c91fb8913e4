/**
 * The errors of tasks, between the process that does them and the one that asked.
 *
 * @since 0.1.0
 */
import type * as TaskHost from "../programs/TaskHost.ts"
import type * as Ending from "./Ending.ts"

/** The error as it goes to another process. @since 0.1.0 @category conversions */
export const to = ({ _tag, message, reason }: TaskHost.Failed) => ({
  tag: _tag,
  message,
  ...(typeof reason === "string" ? { reason } : {})
})

/** The error of another process as a run here fails with it. @since 0.1.0 @category conversions */
export const from = (failure: ReturnType<typeof to>): Ending.Tagged & { readonly reason?: string } => ({
  _tag: failure.tag,
  message: failure.message,
  ...(failure.reason === undefined ? {} : { reason: failure.reason })
})

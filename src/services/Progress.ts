/**
 * How far a long program is.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** What was done since the last report. @since 0.1.0 @category models */
export interface Step {
  readonly files?: number
  readonly bytes?: number
  /** The thing at hand, as people know it. */
  readonly current?: string
}

/** @since 0.1.0 @category models */
export interface Service {
  /** A new phase begins; totals where they are known. */
  readonly phase: (name: string, total?: { readonly files?: number; readonly bytes?: number }) => Effect.Effect<void>
  readonly step: (step: Step) => Effect.Effect<void>
}

/** @since 0.1.0 @category services */
export class Progress extends Context.Tag("cairn/Progress")<Progress, Service>() {}

/** Reports to nobody. @since 0.1.0 @category layers */
export const layerSilent: Layer.Layer<Progress> = Layer.succeed(Progress, {
  phase: () => Effect.void,
  step: () => Effect.void
})

/**
 * Whom everything that this device publishes is sealed for, as the newest signed list of devices has it, and what that list
 * is told of this device.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * The newest list of devices cannot be had, so nothing may be sealed now.
 *
 * - `Unreachable`: the store that decides does not answer; trying again may help.
 * - `Unusable`: what it answers is older than what was seen, damaged, or not for this device.
 *
 * @since 0.1.0
 * @category errors
 */
export class DeviceListError extends Schema.TaggedError<DeviceListError>()("DeviceListError", {
  reason: Schema.Literal("Unreachable", "Unusable"),
  detail: Schema.String
}) {
  override get message() {
    return `nothing was published, for whom it should be sealed is not known: ${this.detail}`
  }
}

/** @since 0.1.0 @category models */
export interface Service {
  /** age recipients of all devices and of the phrase; nothing for a device that belongs to no identity. */
  readonly recipients: Effect.Effect<ReadonlyArray<string> | undefined, DeviceListError>
  /** Makes the identity list this device's vaults and stores; answers what could not be done yet, which the next run does. */
  readonly upkeep: Effect.Effect<ReadonlyArray<string>>
}

/** Nothing where nobody provides it. @since 0.1.0 @category services */
export class DeviceList extends Context.Reference<DeviceList>()("cairn/DeviceList", {
  defaultValue: (): Service => ({ recipients: Effect.succeed(undefined), upkeep: Effect.succeed([]) })
}) {}

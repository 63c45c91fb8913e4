/**
 * The reminder that a vault without recovery phrase dies with this device.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Keyring from "../services/Keyring.ts"
import * as Console from "./Console.ts"

/** The reminder itself. @since 0.1.0 @category constants */
export const line = "cairn: no recovery phrase yet: if this device is lost, so are its vaults; `cairn init` makes one"

/** One line on standard error, `--quiet` or not, until there is a phrase. @since 0.1.0 @category output */
export const tell = Effect.gen(function* () {
  const keyring = yield* Keyring.Keyring
  if ((yield* keyring.recovery) === undefined) yield* Console.tell(line)
})

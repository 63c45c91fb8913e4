/**
 * References as the command line gives them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as VaultRef from "../schema/VaultRef.ts"
import * as Argv from "./Argv.ts"

/** The vault reference that an operand is. @since 0.1.0 @category conversions */
export const parse = (word: string) =>
  Effect.mapError(VaultRef.parse(word), (error) => new Argv.Usage({ problem: error.message }))

/** The last millisecond of a local day or minute. @since 0.1.0 @category conversions */
export const endOf = (at: Extract<VaultRef.SnapshotSelector, { readonly _tag: "At" }>): number =>
  at.hour === undefined
    ? new Date(at.year, at.month - 1, at.day + 1).getTime() - 1
    : new Date(at.year, at.month - 1, at.day, at.hour, at.minute, 60).getTime() - 1

/** Refuses what the view of all devices cannot be of. @since 0.1.0 @category programs */
export const refuseWithPeers = ({ snapshot, vault }: VaultRef.VaultRef, device: string | undefined) => {
  const isNewest = snapshot._tag === "Latest" && snapshot.back === 0
  return isNewest && device === undefined
    ? Effect.void
    : Effect.fail(
        new Argv.Usage({
          problem: `--peers shows what all devices of ${vault}: have together now, so it goes with neither --device nor @SNAP`
        })
      )
}

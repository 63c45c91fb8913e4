/**
 * References as the command line gives them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Snapshot from "../fs5/Snapshot.ts"
import type * as Head from "../programs/Head.ts"
import * as Snapshots from "../programs/Snapshots.ts"
import * as Vault from "../programs/Vault.ts"
import * as VaultRef from "../schema/VaultRef.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Peers from "./Peers.ts"

/** The vault reference that an operand is. @since 0.1.0 @category conversions */
export const parse = (word: string) =>
  Effect.mapError(VaultRef.parse(word), (error) => new Argv.Usage({ problem: error.message }))

/** The last millisecond of a local day or minute. @since 0.1.0 @category conversions */
export const endOf = (at: Extract<VaultRef.SnapshotSelector, { readonly _tag: "At" }>): number =>
  at.hour === undefined
    ? new Date(at.year, at.month - 1, at.day + 1).getTime() - 1
    : new Date(at.year, at.month - 1, at.day, at.hour, at.minute, 60).getTime() - 1

/**
 * Opens the vault of that name for reading: this device's own, or an attached one; as `device` published it where one is
 * named.
 *
 * @since 0.1.0
 * @category programs
 */
export const openVault = Effect.fnUntraced(function* (name: string, device?: string) {
  const state = yield* VaultState.VaultState
  if (device !== undefined) return yield* Peers.ofDevice(yield* Vault.open(name), device)
  const peer = yield* state.peer(name)
  if (peer !== undefined) return (yield* Peers.load(name, peer)).vault
  const vault: Vault.Readable = yield* Vault.open(name)
  return vault
})

/** Opens the vault and the snapshot that a reference names. @since 0.1.0 @category programs */
export const open = Effect.fnUntraced(function* (reference: VaultRef.VaultRef, device?: string) {
  const vault = yield* openVault(reference.vault, device)
  const published: Head.Published = yield* Snapshots.resolve(vault, reference.snapshot, endOf)
  // a snapshot is read with the keys that were published with it
  const pipeline = vault.pipeline.within(published.node.context)
  return { vault, published, snapshot: Vault.snapshot({ pipeline }, published.root) }
})

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

/** Which view of a vault is asked for. @since 0.1.0 @category models */
export interface Of {
  /** As that device published it. */
  readonly device?: string | undefined
  /** As all devices together have it. */
  readonly peers: boolean
}

/** A snapshot to be looked into. @since 0.1.0 @category models */
export interface Opened {
  readonly snapshot: Snapshot.Snapshot
  /** `exitCode.skipped` where devices had to be left out, which were named. */
  readonly code: number
}

/** As `open`, or what all devices together have; says which had to be left out. @since 0.1.0 @category programs */
export const look = Effect.fnUntraced(function* (reference: VaultRef.VaultRef, { device, peers }: Of) {
  if (!peers) {
    const alone: Opened = { snapshot: (yield* open(reference, device)).snapshot, code: exitCode.done }
    return alone
  }
  yield* refuseWithPeers(reference, device)
  const { leftOut, snapshot } = yield* Peers.together(reference.vault)
  for (const text of leftOut) yield* Console.complain(text)
  const together: Opened = { snapshot, code: leftOut.length === 0 ? exitCode.done : exitCode.skipped }
  return together
})

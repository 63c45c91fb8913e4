/**
 * The vaults and snapshots that references name, opened.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Snapshot from "../fs5/Snapshot.ts"
import type * as Head from "../programs/Head.ts"
import * as Snapshots from "../programs/Snapshots.ts"
import * as Vault from "../programs/Vault.ts"
import type * as VaultRef from "../schema/VaultRef.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Peers from "./Peers.ts"
import * as Reference from "./Reference.ts"

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
  const published: Head.Published = yield* Snapshots.resolve(vault, reference.snapshot, Reference.endOf)
  // a snapshot is read with the keys that were published with it
  const pipeline = vault.pipeline.within(published.node.context)
  return { vault, published, snapshot: Vault.snapshot({ pipeline }, published.root) }
})

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
  yield* Reference.refuseWithPeers(reference, device)
  const { leftOut, snapshot } = yield* Peers.together(reference.vault)
  for (const text of leftOut) yield* Console.complain(text)
  const together: Opened = { snapshot, code: leftOut.length === 0 ? exitCode.done : exitCode.skipped }
  return together
})

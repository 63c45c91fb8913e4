/** Entries for tests of registries. */
import * as Effect from "effect/Effect"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import * as Registry from "../../src/services/Registry.ts"
import { right } from "./either.ts"

// signing is what these tests spend their time on
const { primitives } = await Effect.runPromise(CryptoAuto.make())

/** An entry of revision `revision` that points to the hash of `content`, by the signer and for the vault of one byte each. */
export const entryOf = (revision: bigint, content: string, signer = 7, vault = 9): RegistryEntry.RegistryEntry =>
  right(
    RegistryEntry.sign(primitives, new Uint8Array(32).fill(signer), {
      vaultId: VaultId.unsafeFromBytes(new Uint8Array(16).fill(vault)),
      revision,
      hash: primitives.blake3(Bytes.fromUtf8(content))
    })
  )

/** The key of {@link entryOf}'s entries. */
export const key = entryOf(0n, "").key

export const wire = (entry: RegistryEntry.RegistryEntry): string => Bytes.toHex(RegistryEntry.toBytes(entry))

/** Revision and start of the hash, to compare what was answered. */
export const shown = (entry: RegistryEntry.RegistryEntry): string =>
  `${entry.revision} ${Bytes.toHex(entry.hash).slice(0, 12)}`

/** "Stored", or "Lost to" the entry that was there. */
export const outcome = Registry.SetOutcome.$match({
  Stored: () => "Stored",
  Lost: ({ current }) => `Lost to ${shown(current)}`
})

/**
 * Which entries went into which: what is reachable from an entry is everything that it and its ancestors were written
 * over.
 */
export class Ancestry {
  readonly #over = new Map<string, ReadonlyArray<RegistryEntry.RegistryEntry>>()

  record(entry: RegistryEntry.RegistryEntry, over: ReadonlyArray<RegistryEntry.RegistryEntry>) {
    this.#over.set(wire(entry), over)
  }

  reachable(from: ReadonlyArray<RegistryEntry.RegistryEntry>): ReadonlySet<string> {
    const found = new Set<string>()
    const pending = [...from]
    for (let entry = pending.pop(); entry !== undefined; entry = pending.pop()) {
      if (found.has(wire(entry))) continue
      found.add(wire(entry))
      pending.push(...(this.#over.get(wire(entry)) ?? []))
    }
    return found
  }
}

/** Numbers from 0 up to `below`, the same ones for the same seed. */
export const dice = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

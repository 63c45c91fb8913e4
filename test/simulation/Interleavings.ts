/**
 * Every order in which the calls of a few writers can be answered, one run for each, with nothing left out: slow, simple,
 * and what the search over states is held against.
 */
import * as RegistryRules from "../../src/layers/RegistryRules.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as Gates from "./Gates.ts"
import { HeadReader } from "./HeadReader.ts"
import * as ReachableStates from "./ReachableStates.ts"

export interface Enumerated {
  readonly interleavings: bigint
  readonly outcomes: ReadonlyArray<string>
}

interface Player {
  session: Gates.Session
  disk: Gates.Disk
  round: number
}

/** Runs every order of the calls that others can notice; no crashes. */
export const enumerate = (about: Pick<ReachableStates.Case, "writers" | "rounds" | "folders">): Enumerated => {
  const blobs = new Map<string, Uint8Array>()
  const reader = new HeadReader((hash) => blobs.get(Hash.toHex(hash)))
  const outcomes = new Set<string>()
  let interleavings = 0n
  // at each depth who may go, and who does in this run
  const path: Array<{ readonly able: ReadonlyArray<number>; at: number }> = []

  const begin = (writer: number, round: number) =>
    new Gates.Session({ writer, round, life: 0, folders: about.folders, blobs })

  /** Answers everything that nobody else can notice, up to the writer's next round and its end. */
  const ahead = (player: Player, writer: number): void => {
    for (;;) {
      const { reached } = player.session
      if (reached._tag === "Failed") throw new Error(reached.detail)
      if (reached._tag === "Told") {
        if (player.round + 1 >= about.rounds) return
        player.session = begin(writer, ++player.round)
        continue
      }
      if (reached.gate._tag !== "Own") return
      const before = player.disk
      player.disk = reached.gate.change(before)
      player.session.answer({ _tag: "Own", disk: before })
    }
  }

  do {
    let head: RegistryEntry.RegistryEntry | undefined
    const players = Array.from({ length: about.writers }, (_, writer): Player => {
      const player: Player = { session: begin(writer, 0), disk: Gates.emptyDisk, round: 0 }
      ahead(player, writer)
      return player
    })
    for (let depth = 0; ; depth++) {
      const able = players.flatMap(({ session }, writer) => (session.reached._tag === "Gate" ? [writer] : []))
      if (able.length === 0) break
      if (depth === path.length) path.push({ able, at: 0 })
      const writer = able[path[depth]!.at]!
      const player = players[writer]!
      const { reached } = player.session
      if (reached._tag !== "Gate") continue
      if (reached.gate._tag === "Entries")
        player.session.answer({ _tag: "Entries", entries: head === undefined ? [] : [head] })
      else if (reached.gate._tag === "Set") {
        const { entry, over } = reached.gate
        const isLost = RegistryRules.decide(head, entry, over) === "lost"
        const outcome = Gates.outcome(isLost ? head : undefined)
        if (!isLost) head = entry
        player.session.answer({ _tag: "Set", outcome })
      }
      ahead(player, writer)
    }
    interleavings++
    if (head !== undefined) outcomes.add(ReachableStates.textOf(reader.filesOf(head.hash)))
    while (path.length > 0 && ++path[path.length - 1]!.at >= path[path.length - 1]!.able.length) path.pop()
  } while (path.length > 0)
  return { interleavings, outcomes: [...outcomes].sort() }
}

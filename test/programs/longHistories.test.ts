/** Histories that are longer than what a node names, and cross. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import * as Head from "../../src/programs/Head.ts"
import * as Sealing from "../../src/programs/Sealing.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import { as, devices } from "../support/devices.ts"
import { make, primitives } from "../support/programs.ts"

/** Envelopes that anybody can open: what is tested here is history. */
const open = (sealed: Uint8Array) => Effect.succeed(sealed)

describe("two histories of 300 that one node merges", () => {
  it.effect("are both listed to their ends", () =>
    Effect.gen(function* () {
      const world = yield* make()
      const envelope = yield* Effect.provide(Envelope, world.layer)
      yield* Effect.gen(function* () {
        const vault = yield* Vault.ensure("docs")
        let time = Date.UTC(2026, 0, 1)
        const write = Effect.fnUntraced(function* (history: ReadonlyArray<TransparentNode.HistoryEntry>, salt: string) {
          const node = TransparentNode.make({
            root: primitives.blake3(new TextEncoder().encode(salt)),
            context: vault.context,
            history: TransparentNode.chronological(history).slice(-Snapshots.inlineHistory)
          })
          const bytes = TransparentNode.encode(node)
          const hash = primitives.blake3(bytes)
          yield* vault.blobs.put(hash, bytes)
          return { hash, node, root: undefined } satisfies Head.Published
        })
        const superseding = (published: Head.Published) =>
          TransparentNode.addHistory(published.node.history, time, published.hash)
        const names = new Set<string>()
        const heads: Record<string, Head.Published> = {}
        for (let number = 0; number < 300; number++)
          for (const line of ["a", "b"]) {
            const before = heads[line]
            time += 1000
            const next: Head.Published = yield* write(
              before === undefined ? [] : superseding(before),
              `${line} ${number}`
            )
            heads[line] = next
            names.add(Hash.toHex(next.hash))
          }
        const both = [
          ...superseding(heads.a!),
          ...TransparentNode.addHistory(heads.b!.node.history, BigInt(time) * 1_000_000n + 1n, heads.b!.hash)
        ]
        const merged = yield* write(both, "merged")
        names.add(Hash.toHex(merged.hash))
        const listed = new Set((yield* Snapshots.all(vault, merged)).map(({ id }) => Hash.toHex(id)))
        assert.strictEqual([...names].filter((name) => !listed.has(name)).length, 0)
      }).pipe(
        Effect.provideService(Envelope, {
          ...envelope,
          open: (_, sealed) => open(sealed),
          seal: (_, plain) => open(plain)
        }),
        Effect.provide(world.layer)
      )
    })
  )
})

describe("a merge whose parents leave what a node names inline", () => {
  it.effect("leads to the pasts of all of them, wherever the list ends", () =>
    Effect.gen(function* () {
      const { vault } = (yield* devices(1))[0]!
      const seal = Effect.fnUntraced(function* (...heads: ReadonlyArray<Head.Published>) {
        yield* TestClock.adjust("1 minute")
        const { hash } = yield* Sealing.seal(vault, undefined, heads)
        names.add(Hash.toHex(hash))
        return yield* Head.read(vault, hash)
      })
      const names = new Set<string>()
      const line = Effect.fnUntraced(function* (length: number) {
        let head: Head.Published | undefined
        for (let at = 0; at < length; at++) head = yield* seal(...(head === undefined ? [] : [head]))
        return head!
      })
      const parents = [yield* line(4), yield* line(5), yield* line(6)]
      let head = yield* seal(...parents)
      let looked = 0
      for (let later = 0; later < Snapshots.inlineHistory + 4; later++) {
        head = yield* seal(head)
        if (later < Snapshots.inlineHistory - 20) continue
        looked += 1
        const listed = new Set((yield* Snapshots.all(vault, head)).map(({ id }) => Hash.toHex(id)))
        assert.deepStrictEqual(
          [...names].filter((name) => !listed.has(name)),
          [],
          `${later} after the merge`
        )
        assert.isAtMost(head.node.history.length, Snapshots.inlineHistory + 2)
      }
      assert.strictEqual(looked, 24)
    }).pipe((effect) => Effect.flatMap(devices(1), ([device]) => as(device!)(effect)))
  )
})

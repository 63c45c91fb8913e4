import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as Publish from "../../src/programs/Publish.ts"
import * as Repair from "../../src/programs/Repair.ts"
import * as Todos from "../../src/programs/Todos.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Derivation from "../../src/schema/Derivation.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import { RegistryError, SetOutcome } from "../../src/services/Registry.ts"
import { VaultStateError } from "../../src/services/VaultState.ts"
import { right } from "../support/either.ts"
import { backup, head, later, make, mapping, primitives, type World } from "../support/programs.ts"
import * as Rivals from "../support/rivals.ts"

type Files = Readonly<Record<string, LocalTreeMemory.Value>>

const fact = <E>(
  name: string,
  files: Files,
  run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>
) =>
  it.effect(name, () =>
    Effect.flatMap(make(files), (world) => Effect.zipRight(later, run(world)).pipe(Effect.provide(world.layer)))
  )

const files = { "/one/f": "1", "/two/g": "2" }
const [one, two] = [mapping("/one"), mapping("/two")]

const down = new BlobStore.BlobStoreError({ reason: "Unavailable", store: "meta", blob: "b", detail: "no answer" })

/** A meta target in memory, with a hand on it and a look at what it was asked. */
const target = Effect.fnUntraced(function* (name: string) {
  const objects = yield* ObjectStoreMemory.make({ name })
  const inner = BlobStoreObjects.fromObjects(objects, primitives)
  const hands = { put: Effect.void as Effect.Effect<void, BlobStore.BlobStoreError>, unsynced: 0, reads: 0 }
  const service: BlobStore.Service = {
    ...inner,
    name,
    get: (hash) =>
      Effect.zipRight(
        Effect.sync(() => hands.reads++),
        inner.get(hash)
      ),
    put: (hash, bytes) =>
      Effect.suspend(() => hands.put).pipe(
        Effect.zipRight(inner.put(hash, bytes)),
        Effect.tap(() => Effect.sync(() => hands.unsynced++))
      ),
    sync: Effect.sync(() => {
      hands.unsynced = 0
    })
  }
  const held = Effect.map(Stream.runCollect(inner.list), (found) => [...found].map(Hash.toHex).sort())
  return { service, hands, held, get: inner.get }
})

const seedOf = (vault: Vault.Vault) => Derivation.recoverySigningSeed(primitives, Redacted.value(vault.recoverySecret))

/** What is published where a holder of the vault's root looks first. */
const recoveryEntries = (vault: Vault.Vault) =>
  vault.registry.entries(
    StreamKey.vault(PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(seedOf(vault))), vault.id)
  )

describe("meta targets", () => {
  fact("get the published nodes, the same bytes, and nothing else", files, (world) =>
    Effect.gen(function* () {
      const [a, b] = [yield* target("a"), yield* target("b")]
      const vault = yield* Rivals.openVault([a.service, b.service])
      const first = yield* Rivals.backupInto(vault, one)
      yield* world.disk.put("/one/f", "2nd")
      const second = yield* Rivals.backupInto(vault, one)
      assert.deepStrictEqual([first.published.pending, second.published.pending], [[], []])
      const nodes = [first.published.node, second.published.node]
      for (const { get, hands, held } of [a, b]) {
        assert.deepStrictEqual(yield* held, nodes.map(Hash.toHex).sort())
        for (const node of nodes) assert.deepStrictEqual(yield* get(node), yield* world.blobs.get(node))
        assert.strictEqual(hands.unsynced, 0)
        // nor is anything ever read from there in place of the vault's own store
        assert.strictEqual(hands.reads, 0)
      }
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("get nothing from a run that published nothing", files, () =>
    Effect.gen(function* () {
      const a = yield* target("a")
      const vault = yield* Rivals.openVault([a.service])
      yield* Rivals.backupInto(vault, one)
      const before = yield* a.held
      assert.strictEqual((yield* Rivals.backupInto(vault, one)).published.outcome, "unchanged")
      assert.deepStrictEqual(yield* a.held, before)
      assert.lengthOf(before, 1)
    })
  )

  fact("that were added later get what is published from then on", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const a = yield* target("a")
      yield* world.disk.put("/one/f", "2nd")
      const { published } = yield* Rivals.backupInto(yield* Rivals.openVault([a.service]), one)
      assert.deepStrictEqual(yield* a.held, [Hash.toHex(published.node)])
    })
  )

  fact("that do not answer stay on the list, are told, hold up no other, and are served by the next run", files, () =>
    Effect.gen(function* () {
      const [a, b] = [yield* target("a"), yield* target("b")]
      a.hands.put = down
      const vault = yield* Rivals.openVault([a.service, b.service])
      const first = yield* Rivals.backupInto(vault, one)
      assert.strictEqual(first.published.outcome, "published")
      const node = Hash.toHex(first.published.node)
      assert.deepStrictEqual(first.published.pending, [{ _tag: "Mirror", store: "a", node, revision: 1n }])
      assert.deepStrictEqual([yield* a.held, yield* b.held], [[], [node]])
      // still so, and told again by a run that has nothing else to do
      assert.lengthOf((yield* Rivals.backupInto(vault, one)).published.pending, 1)
      a.hands.put = Effect.void
      const next = yield* Rivals.backupInto(vault, one)
      assert.strictEqual(next.published.outcome, "unchanged")
      assert.deepStrictEqual(next.published.pending, [])
      assert.deepStrictEqual(yield* a.held, [node])
    })
  )

  fact("get what was published before a crash between the head's move and the copies", files, (world) =>
    Effect.gen(function* () {
      const a = yield* target("a")
      const vault = yield* Rivals.openVault([a.service])
      world.faults.saveRecord = () =>
        new VaultStateError({ reason: "Full", vault: "docs", record: "r", detail: "no room" })
      yield* Effect.flip(Rivals.backupInto(vault, one))
      assert.deepStrictEqual(yield* a.held, [])
      const crashed = yield* head
      world.faults.saveRecord = (inner) => inner
      yield* Rivals.backupInto(vault, one)
      assert.deepStrictEqual(yield* a.held, [Hash.toHex(crashed.hash)])
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("never get a node that lost its race", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const a = yield* target("a")
      const vault = yield* Rivals.openVault([a.service])
      world.faults.set = (entry, over, inner) => {
        world.faults.set = (x, y, z) => z(x, y)
        return Publish.reseal(vault).pipe(
          Effect.provide(world.layer),
          Effect.orDie,
          Effect.zipRight(inner(entry, over))
        )
      }
      const { published } = yield* Rivals.backupInto(vault, two)
      assert.strictEqual(published.attempts, 2)
      const { history } = (yield* head).node
      const after = history.slice(1).map(({ hash }) => Hash.toHex(hash))
      assert.deepStrictEqual(yield* a.held, [...after, Hash.toHex(published.node)].sort())
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("get the node of a run whose head had not moved yet while another run worked off the list", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      const a = yield* target("a")
      const vault = yield* Rivals.openVault([a.service])
      world.faults.set = (entry, over, inner) => {
        world.faults.set = (x, y, z) => z(x, y)
        return Todos.workOff(vault).pipe(
          Effect.provide(world.layer),
          Effect.orDie,
          Effect.tap((pending) => Effect.sync(() => assert.deepStrictEqual(pending, []))),
          Effect.zipRight(inner(entry, over))
        )
      }
      const { published } = yield* Rivals.backupInto(vault, two)
      assert.deepStrictEqual(yield* a.held, [Hash.toHex(published.node)])
    })
  )

  fact("that the vault has no more are forgotten", files, (world) =>
    Effect.gen(function* () {
      const a = yield* target("a")
      a.hands.put = down
      yield* Rivals.backupInto(yield* Rivals.openVault([a.service]), one)
      assert.lengthOf(yield* world.state.todos("docs"), 1)
      assert.deepStrictEqual((yield* backup(one)).published.pending, [])
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("get the node that a repair published with the next run", files, (world) =>
    Effect.gen(function* () {
      const a = yield* target("a")
      const vault = yield* Rivals.openVault([a.service])
      yield* Rivals.backupInto(vault, one)
      yield* world.lose((yield* head).hash)
      // the head was mirrored, but a vault never reads from there by itself
      const { revision } = yield* Repair.repair(vault)
      assert.strictEqual(revision, 2n)
      yield* Rivals.backupInto(vault, one)
      assert.include(yield* a.held, Hash.toHex((yield* head).hash))
    })
  )
})

describe("the recovery entry", () => {
  fact("is written with the first publication, once, and names this device", files, (world) =>
    Effect.gen(function* () {
      const { published, vault } = yield* backup(one)
      assert.deepStrictEqual(published.pending, [])
      const [entry, ...more] = yield* recoveryEntries(vault)
      assert.lengthOf(more, 0)
      assert.deepStrictEqual(entry?.hash, right(Hash.fromBytes(vault.device.publicKey)))
      assert.strictEqual(entry?.revision, 1n)
      const before = new Map(world.entries)
      assert.strictEqual(before.size, 2)
      yield* world.disk.put("/one/f", "2nd")
      yield* backup(one)
      assert.deepStrictEqual(yield* recoveryEntries(vault), entry === undefined ? [] : [entry])
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("of whoever was first stays, whatever it says", files, () =>
    Effect.gen(function* () {
      const vault = yield* Vault.ensure("docs")
      const other = right(
        RegistryEntry.sign(primitives, seedOf(vault), {
          vaultId: vault.id,
          revision: 7n,
          hash: primitives.blake3(new Uint8Array([1]))
        })
      )
      yield* vault.registry.set(other, [])
      const { published } = yield* backup(one)
      assert.deepStrictEqual(published.pending, [])
      assert.deepStrictEqual(yield* recoveryEntries(vault), [other])
    })
  )

  fact("that another device writes in the same moment is as good", files, (world) =>
    Effect.gen(function* () {
      const vault = yield* Vault.ensure("docs")
      const headKey = StreamKey.toHex(vault.streamKey)
      let lost = 0
      world.faults.set = (entry, over, inner) => {
        if (StreamKey.toHex(entry.key) === headKey) return inner(entry, over)
        lost++
        return Effect.succeed(SetOutcome.Lost({ current: entry, verdicts: [] }))
      }
      const { published } = yield* backup(one)
      assert.strictEqual(lost, 1)
      assert.deepStrictEqual(published.pending, [])
      assert.deepStrictEqual(yield* world.state.todos("docs"), [])
    })
  )

  fact("that the registry does not take stays on the list, is told, and comes with the next run", files, (world) =>
    Effect.gen(function* () {
      const vault = yield* Vault.ensure("docs")
      const headKey = StreamKey.toHex(vault.streamKey)
      world.faults.set = (entry, over, inner) =>
        StreamKey.toHex(entry.key) === headKey
          ? inner(entry, over)
          : new RegistryError({ reason: "Unavailable", registry: "memory", key: "k", detail: "no answer" })
      const first = yield* backup(one)
      assert.strictEqual(first.published.outcome, "published")
      assert.deepStrictEqual(first.published.pending, [{ _tag: "RecoveryEntry" }])
      world.faults.set = (entry, over, inner) => inner(entry, over)
      const next = yield* backup(one)
      assert.strictEqual(next.published.outcome, "unchanged")
      assert.deepStrictEqual(next.published.pending, [])
      assert.lengthOf(yield* recoveryEntries(vault), 1)
    })
  )

  fact("is not forgotten by a crash right after the first publication", files, (world) =>
    Effect.gen(function* () {
      world.faults.saveRecord = () =>
        new VaultStateError({ reason: "Full", vault: "docs", record: "r", detail: "no room" })
      yield* Effect.flip(backup(one))
      const vault = yield* Vault.open("docs")
      assert.lengthOf(yield* recoveryEntries(vault), 0)
      world.faults.saveRecord = (inner) => inner
      yield* backup(one)
      assert.lengthOf(yield* recoveryEntries(vault), 1)
    })
  )

  fact("stays off while nothing was published", files, (world) =>
    Effect.gen(function* () {
      world.faults.set = () => Effect.interrupt
      yield* Effect.exit(Effect.fork(backup(one)).pipe(Effect.flatMap((fiber) => Effect.exit(fiber))))
      assert.strictEqual(world.entries.size, 0)
      world.faults.set = (entry, over, inner) => inner(entry, over)
      const { vault } = yield* backup(one)
      assert.lengthOf(yield* recoveryEntries(vault), 1)
    })
  )
})

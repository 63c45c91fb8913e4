// The scenarios of docs/format/node.md §6.3 that are about publishing; the others have their tests beside what they are about.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as RegistryMulti from "../../src/layers/RegistryMulti.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { BlobStore, BlobStoreError } from "../../src/services/BlobStore.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import { Registry } from "../../src/services/Registry.ts"
import { backup, head, later, latest, make, mapping, patiently, type World } from "../support/programs.ts"
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

const files = { "/one/f": "1", "/one/doomed": "x", "/two/g": "2" }
const [one, two] = [mapping("/one"), mapping("/two")]

describe("scenario", () => {
  fact("31: a deletion holds in the publication that makes it, and in every later one", files, (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* backup(two)
      yield* world.disk.remove("/one/doomed")
      yield* backup(one)
      const without = { "one/": "", "one/f": "1", "two/": "", "two/g": "2" }
      assert.deepStrictEqual(yield* latest, without)
      for (const text of ["1a", "1b"]) {
        yield* later
        yield* world.disk.put("/one/f", text)
        yield* backup(one)
        assert.deepStrictEqual(yield* latest, { ...without, "one/f": text })
      }
      yield* world.disk.put("/two/g", "2a")
      yield* backup(two)
      assert.deepStrictEqual(yield* latest, { ...without, "one/f": "1b", "two/g": "2a" })
    })
  )

  fact("32: a deletion holds beside another's new file, and an edit beside another's deletion", files, (world) =>
    Effect.gen(function* () {
      const shared = [mapping("/one", "d"), mapping("/two", "d")] as const
      yield* world.disk.put("/two/f", "1")
      yield* world.disk.put("/two/doomed", "x")
      yield* backup(shared[0])
      const home = yield* Rivals.home(world)
      yield* Rivals.backupAt(home, world.registry, shared[1])
      yield* later
      yield* world.disk.remove("/one/doomed")
      yield* world.disk.remove("/one/f")
      yield* world.disk.put("/two/f", "edited")
      yield* world.disk.put("/two/new", "n")
      yield* backup(shared[0])
      yield* Rivals.backupAt(home, world.registry, shared[1])
      assert.deepStrictEqual(yield* latest, { "d/": "", "d/f": "edited", "d/g": "2", "d/new": "n" })
    })
  )

  it.effect("36: whichever read fails, no head comes to lack what was published", () =>
    Effect.gen(function* () {
      let failed = 0
      for (let nth = 1; ; nth++) {
        const world = yield* make(files)
        const reached = yield* Effect.gen(function* () {
          yield* later
          yield* backup(one)
          let reads = 0
          world.faults.get = Effect.suspend(() =>
            ++reads === nth
              ? new BlobStoreError({ reason: "Unavailable", store: "memory", blob: "b", detail: "no answer" })
              : Effect.void
          )
          const ended = yield* Effect.either(patiently(backup(two)))
          const isReached = reads >= nth
          world.faults.get = Effect.void
          const first = { "one/": "", "one/doomed": "x", "one/f": "1" }
          const both = { ...first, "two/": "", "two/g": "2" }
          assert.deepStrictEqual(yield* latest, ended._tag === "Right" ? both : first)
          if (ended._tag === "Left") failed++
          yield* backup(two)
          assert.deepStrictEqual(yield* latest, both)
          assert.lengthOf((yield* head).node.history, 1)
          return isReached
        }).pipe(Effect.provide(world.layer))
        if (!reached) {
          // every read was struck once, and not every one of them ended the run
          assert.isAbove(nth, 2)
          assert.isBelow(failed, nth - 1)
          return
        }
      }
    })
  )

  fact("38: of two entries with one revision all readers take the same, and the next run merges both", files, (world) =>
    Effect.gen(function* () {
      const { backends, multi } = yield* Rivals.registries(2)
      const home = yield* Effect.zipRight(Vault.ensure("docs"), Rivals.home(world))
      const [a, b] = [backends[0].service, backends[1]!.service]
      const ours = yield* Rivals.backupAt(world, a, one)
      const theirs = yield* Rivals.backupAt(home, b, two)
      assert.deepStrictEqual([ours.published.revision, theirs.published.revision], [1n, 1n])
      const reversed = yield* RegistryMulti.make({ backends: [b, a], policy: { _tag: "Any" } })
      const smaller = [ours, theirs].map(({ published }) => Hash.toHex(published.node)).sort()[0]
      for (const registry of [multi, reversed])
        assert.strictEqual(Hash.toHex((yield* Rivals.over(registry)(head)).hash), smaller)
      const { published } = yield* Rivals.backupAt(home, reversed, two)
      assert.strictEqual(published.outcome, "published")
      for (const registry of [a, b, multi]) {
        const found = yield* Rivals.over(registry)(latest)
        assert.deepStrictEqual(found, { "one/": "", "one/doomed": "x", "one/f": "1", "two/": "", "two/g": "2" })
      }
    })
  )

  fact("40: a node that only the cache has is in the store before the head names it", files, (world) =>
    Effect.gen(function* () {
      const vault = yield* Rivals.openVault()
      const first = yield* Rivals.backupInto(vault, one)
      const root = (yield* head).node.root
      yield* world.lose(root)
      const again = yield* Rivals.backupInto(vault, one)
      assert.strictEqual(again.published.revision, first.published.revision)
      assert.isTrue(yield* world.blobs.has(root))
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/doomed": "x", "one/f": "1" })
    })
  )

  fact("41: what did not change spends no revision", files, () =>
    Effect.gen(function* () {
      const { published } = yield* backup(one)
      const again = (yield* backup(one)).published
      assert.deepStrictEqual([again.outcome, again.revision], ["unchanged", published.revision])
      assert.deepStrictEqual(again.node, published.node)
    })
  )

  fact("42: sealed also for somebody whose identity is not here, it merges and keeps its history", files, (world) =>
    Effect.gen(function* () {
      const envelope = yield* Envelope
      const { recipient } = yield* envelope.generateIdentity
      const vault = yield* Rivals.openVault()
      const forBoth: Vault.Vault = { ...vault, recipients: [...vault.recipients, recipient] }
      yield* Rivals.backupInto(forBoth, one)
      yield* Rivals.backupInto(forBoth, two)
      yield* later
      yield* world.disk.remove("/one/doomed")
      yield* Rivals.backupInto(forBoth, one)
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1", "two/": "", "two/g": "2" })
      assert.lengthOf((yield* head).node.history, 2)
    })
  )

  it.effect("44: two devices that make a vault of one name have two vaults, and neither is mixed into the other", () =>
    Effect.gen(function* () {
      const [world, other] = [yield* make(files), yield* make(files)]
      const onOther = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        effect.pipe(
          Effect.provideService(BlobStore, world.blobs),
          Effect.provideService(Registry, world.registry),
          Effect.provide(other.layer)
        )
      const onThis = Effect.provide(world.layer)
      yield* later
      yield* patiently(Effect.all([onThis(backup(one)), onOther(backup(two))], { concurrency: 2 }))
      const ids = [yield* onThis(Vault.open("docs")), yield* onOther(Vault.open("docs"))].map(({ id }) =>
        VaultId.toHex(id)
      )
      assert.notStrictEqual(ids[0], ids[1])
      assert.deepStrictEqual(yield* onThis(latest), { "one/": "", "one/doomed": "x", "one/f": "1" })
      assert.deepStrictEqual(yield* onOther(latest), { "two/": "", "two/g": "2" })
      // two heads and two recovery entries
      assert.strictEqual(world.entries.size, 4)
    })
  )
})

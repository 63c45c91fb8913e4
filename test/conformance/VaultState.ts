/** What a device's memory of its vaults does, whatever keeps it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import type { Crypto } from "../../src/services/Crypto.ts"
import * as VaultState from "../../src/services/VaultState.ts"

export interface Subject<E> {
  readonly state: VaultState.Service
  /** The same records as another process has them. */
  readonly other: Effect.Effect<VaultState.Service, E, Scope.Scope | Crypto>
  /** Puts this in the place of every record of a vault. */
  readonly damage: (bytes: Uint8Array) => Effect.Effect<void, E>
}

const hex = (digit: string) => digit.repeat(64)

export const record = (revision: bigint, more: Partial<VaultState.SourceRecord> = {}) =>
  new VaultState.SourceRecord({
    base: new VaultState.RootRecord({ root: hex("b"), plaintextHash: hex("c") }),
    root: new VaultState.RootRecord({ root: hex("d") }),
    revision,
    node: hex("a"),
    scannedAt: 1_750_000_000_123,
    files: 3,
    bytes: 12,
    ...more
  })

const mapping = (folder: string, path: string) =>
  new VaultState.SourceMapping({
    folder,
    path,
    selection: new VaultState.Selection({
      exclude: ["*.tmp"],
      ignoreFiles: true,
      excludeCaches: false,
      oneFileSystem: true
    })
  })

const peer = (store: string) =>
  new VaultState.Peer({ store, device: hex("e"), vaultId: "f".repeat(32), identity: "/keys/one.txt" })

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)

export const suite = <E, E2>(name: string, make: Effect.Effect<Subject<E>, E2, Scope.Scope | Crypto>) =>
  describe(`VaultState: ${name}`, () => {
    const fact = <F>(text: string, run: (subject: Subject<E>) => Effect.Effect<void, F, Scope.Scope | Crypto>) =>
      it.scopedLive(text, () => Effect.provide(Effect.flatMap(make, run), CryptoAuto.layer()))

    fact("it is empty at first", ({ state }) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* state.vaults, [])
        assert.deepStrictEqual(yield* state.peers, [])
        assert.isUndefined(yield* state.peer("docs"))
        assert.isUndefined(yield* state.keys("docs"))
        assert.isUndefined(yield* state.record("docs", ""))
        assert.isUndefined(yield* state.lastNode("docs"))
        assert.deepStrictEqual(yield* state.sources("docs"), [])
        assert.deepStrictEqual(yield* state.intents("docs", "a"), [])
        assert.deepStrictEqual(yield* state.todos("docs"), [])
        assert.strictEqual(yield* state.seen("docs"), 0n)
        // forgetting what is not there is no failure
        yield* state.removeSource("docs", "a")
        yield* state.removeTodo("docs", { _tag: "RecoveryEntry" })
        yield* state.forgetIntent("docs", "a", record(1n))
        yield* state.forgetSeen("docs")
      })
    )

    fact("a vault's keys are made once: of two that race one wins, and both see it", ({ other, state }) =>
      Effect.gen(function* () {
        const second = yield* other
        const made = yield* Effect.all([state.createKeys("docs", bytes(1)), second.createKeys("docs", bytes(2))], {
          concurrency: 2
        })
        assert.sameMembers(made, [true, false])
        const kept = bytes(made[0] ? 1 : 2)
        assert.deepStrictEqual(yield* state.keys("docs"), kept)
        assert.deepStrictEqual(yield* second.keys("docs"), kept)
        yield* state.createKeys("art", bytes(3))
        assert.deepStrictEqual(yield* second.vaults, ["art", "docs"])
      })
    )

    fact("an attachment is made once, and is no vault of this device", ({ other, state }) =>
      Effect.gen(function* () {
        assert.isTrue(yield* state.createPeer("relay", peer("/one")))
        assert.isFalse(yield* (yield* other).createPeer("relay", peer("/two")))
        yield* state.createPeer("gone", peer("/four"))
        yield* state.removePeer("gone")
        yield* state.removePeer("gone")
        assert.isUndefined(yield* state.peer("gone"))
        assert.isTrue(yield* state.createPeer("attic", peer("/three")))
        assert.deepStrictEqual(yield* state.peers, [
          ["attic", peer("/three")],
          ["relay", peer("/one")]
        ])
        assert.deepStrictEqual(yield* state.peer("relay"), peer("/one"))
        assert.deepStrictEqual(yield* state.vaults, [])
      })
    )

    fact("of revisions seen the highest counts, until its owner takes a lower one", ({ other, state }) =>
      Effect.gen(function* () {
        yield* state.saveSeen("relay", 9n)
        yield* state.saveSeen("relay", 10n)
        yield* (yield* other).saveSeen("relay", 7n)
        assert.strictEqual(yield* state.seen("relay"), 10n)
        assert.strictEqual(yield* state.seen("other"), 0n)
        yield* state.saveSeen("relay", 2n ** 64n - 1n)
        assert.strictEqual(yield* state.seen("relay"), 2n ** 64n - 1n)
        yield* state.forgetSeen("relay")
        assert.strictEqual(yield* state.seen("relay"), 0n)
        yield* state.saveSeen("relay", 7n)
        assert.strictEqual(yield* state.seen("relay"), 7n)
      })
    )

    fact("mappings are kept whole, by folder, and made once", ({ state }) =>
      Effect.gen(function* () {
        const [a, b] = [mapping("b/é #", "/home/x"), mapping("a", "/home/y")]
        assert.isTrue(yield* state.createSource("docs", a))
        assert.isTrue(yield* state.createSource("docs", b))
        assert.isFalse(yield* state.createSource("docs", mapping("a", "/home/z")))
        assert.deepStrictEqual(yield* state.sources("docs"), [b, a])
        yield* state.saveSource("docs", mapping("a", "/home/z"))
        assert.deepStrictEqual(yield* state.sources("docs"), [mapping("a", "/home/z"), a])
        assert.deepStrictEqual(yield* state.sources("do"), [])
        yield* state.removeSource("docs", "a")
        assert.deepStrictEqual(yield* state.sources("docs"), [a])
      })
    )

    fact("a record comes back as it was saved, with and without a base", ({ state }) =>
      Effect.gen(function* () {
        const whole = record(2n, { conflicts: ["a (conflict 00000000).txt"] })
        yield* state.saveRecord("docs", "a", whole)
        assert.deepStrictEqual(yield* state.record("docs", "a"), whole)
        const { base: _, root: __, ...rest } = record(2n)
        const bare = new VaultState.SourceRecord(rest)
        yield* state.saveRecord("docs", "a", bare)
        assert.deepStrictEqual(yield* state.record("docs", "a"), bare)
        assert.isUndefined(yield* state.record("docs", "a/b"))
        assert.isUndefined(yield* state.record("art", "a"))
      })
    )

    fact("of records the highest revision counts, whoever saves last", ({ other, state }) =>
      Effect.gen(function* () {
        const second = yield* other
        yield* state.saveRecord("docs", "a", record(10n, { files: 10 }))
        yield* second.saveRecord("docs", "a", record(9n, { files: 9 }))
        assert.strictEqual((yield* state.record("docs", "a"))?.files, 10)
        yield* second.saveRecord("docs", "a", record(100n, { files: 100 }))
        assert.strictEqual((yield* state.record("docs", "a"))?.files, 100)
        yield* second.saveRecord("docs", "b", record(1n, { files: 1 }))
        assert.strictEqual((yield* state.record("docs", "a"))?.files, 100)
        assert.strictEqual((yield* state.record("docs", "b"))?.files, 1)
      })
    )

    fact("a record can be read at any time while others save newer ones", ({ other, state }) =>
      Effect.gen(function* () {
        const second = yield* other
        yield* state.saveRecord("docs", "a", record(1n))
        const saves = Effect.forEach(Array.from({ length: 40 }), (_, i) =>
          second.saveRecord("docs", "a", record(BigInt(i + 2), { files: i }))
        )
        let last = 0n
        const reads = Effect.forEach(Array.from({ length: 40 }), () =>
          Effect.map(state.record("docs", "a"), (found) => {
            assert.isDefined(found)
            assert.isAtLeast(Number(found?.revision), Number(last))
            last = found?.revision ?? last
          })
        )
        yield* Effect.all([saves, reads], { concurrency: 2 })
        assert.strictEqual((yield* state.record("docs", "a"))?.revision, 41n)
      })
    )

    fact("intents are kept side by side until each is forgotten", ({ state }) =>
      Effect.gen(function* () {
        const [one, two] = [record(1n, { node: hex("1") }), record(2n, { node: hex("2") })]
        yield* state.intend("docs", "a", one)
        yield* state.intend("docs", "a", two)
        yield* state.intend("docs", "b", one)
        assert.sameDeepMembers([...(yield* state.intents("docs", "a"))], [one, two])
        yield* state.forgetIntent("docs", "a", one)
        assert.deepStrictEqual(yield* state.intents("docs", "a"), [two])
        assert.deepStrictEqual(yield* state.intents("docs", "b"), [one])
        assert.isUndefined(yield* state.record("docs", "a"))
      })
    )

    fact("what is to be done is kept once for each store and node", ({ other, state }) =>
      Effect.gen(function* () {
        const mirror = (store: string, node: string): VaultState.Todo => ({
          _tag: "Mirror",
          store,
          node: hex(node),
          revision: 3n
        })
        const todos = [mirror("one", "1"), mirror("two / odd: name", "1"), mirror("one", "2")]
        for (const todo of [...todos, ...todos]) yield* state.addTodo("docs", todo)
        yield* state.addTodo("docs", { _tag: "RecoveryEntry" })
        assert.sameDeepMembers([...(yield* (yield* other).todos("docs"))], [...todos, { _tag: "RecoveryEntry" }])
        yield* state.removeTodo("docs", mirror("one", "1"))
        yield* state.removeTodo("docs", { _tag: "RecoveryEntry" })
        assert.sameDeepMembers([...(yield* state.todos("docs"))], todos.slice(1))
        assert.deepStrictEqual(yield* state.todos("art"), [])
      })
    )

    fact("the last published node is replaced whole", ({ state }) =>
      Effect.gen(function* () {
        yield* state.saveLastNode("docs", bytes(1, 2, 3))
        yield* state.saveLastNode("docs", bytes(4))
        assert.deepStrictEqual(yield* state.lastNode("docs"), bytes(4))
        assert.isUndefined(yield* state.lastNode("art"))
        assert.deepStrictEqual(yield* state.vaults, [])
      })
    )

    fact("what is damaged is said to be so, and is not taken for nothing", ({ damage, state }) =>
      Effect.gen(function* () {
        yield* state.createSource("docs", mapping("a", "/a"))
        yield* state.saveRecord("docs", "a", record(1n))
        yield* state.intend("docs", "a", record(2n))
        yield* state.addTodo("docs", { _tag: "RecoveryEntry" })
        yield* state.createPeer("docs", peer("/one"))
        for (const bad of [bytes(), bytes(0x7b), bytes(0xff, 0xfe), bytes(0x7b, 0x7d)]) {
          yield* damage(bad)
          for (const read of [
            Effect.asVoid(state.sources("docs")),
            Effect.asVoid(state.record("docs", "a")),
            Effect.asVoid(state.intents("docs", "a")),
            Effect.asVoid(state.todos("docs")),
            Effect.asVoid(state.peer("docs"))
          ]) {
            const error = yield* Effect.flip(read)
            assert.strictEqual(error.reason, "Damaged")
            assert.match(error.message, /^vault docs: .*\.json: the record on this device is damaged; move it away/)
          }
        }
      })
    )
  })

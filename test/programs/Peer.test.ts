import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as MergedView from "../../src/fs5/MergedView.ts"
import type * as LocalTreeMemory from "../../src/layers/LocalTreeMemory.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as Head from "../../src/programs/Head.ts"
import * as List from "../../src/programs/List.ts"
import * as Peer from "../../src/programs/Peer.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Verify from "../../src/programs/Verify.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import * as Registry from "../../src/services/Registry.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import { right } from "../support/either.ts"
import { backup, head, later, make, mapping, primitives, type World } from "../support/programs.ts"

type Files = Readonly<Record<string, LocalTreeMemory.Value>>

/** A device of its own that publishes; whoever reads has another world. */
const fact = <E>(
  name: string,
  files: Files,
  run: (peer: World, reader: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>
) =>
  it.effect(name, () =>
    Effect.gen(function* () {
      const [peer, reader] = [yield* make(files), yield* make({ "/mine/m": "mine", "/mine/f": "of mine" })]
      yield* Effect.zipRight(later, run(peer, reader)).pipe(Effect.provide(peer.layer))
    })
  )

const files = { "/one/f": "1", "/one/g": "2" }
const one = mapping("/one")

/** What a reader on `reader` was told to load from where the peer publishes. */
const optionsOf = Effect.fnUntraced(function* (peer: World, more: Partial<Peer.Options> = {}) {
  const vault = yield* Vault.open("docs").pipe(Effect.provide(peer.layer))
  const options: Peer.Options = {
    name: "attached",
    publicKey: PublicKey.unsafeFromBytes(vault.device.publicKey),
    vaultId: vault.id,
    registry: peer.registry,
    blobs: peer.blobs,
    identities: [vault.device.identity],
    atLeast: 0n,
    ...more
  }
  return { options, vault }
})

const load = Effect.fnUntraced(function* (peer: World, reader: World, more: Partial<Peer.Options> = {}) {
  const { options } = yield* optionsOf(peer, more)
  return yield* Peer.load(options).pipe(Effect.provide(reader.layer))
})

const reasonOf = (error: { readonly _tag: string; readonly reason?: unknown }) => `${error._tag} ${error.reason}`

/** Publishes a node made by hand under the peer's key. */
const plant = Effect.fnUntraced(function* (peer: World, node: TransparentNode.TransparentNode, recipient?: string) {
  const vault = yield* Vault.open("docs")
  const current = yield* head
  const envelope = yield* Envelope
  const sealed = yield* envelope.seal([recipient ?? vault.device.recipient], TransparentNode.encode(node))
  const hash = primitives.blake3(sealed)
  yield* peer.blobs.put(hash, sealed)
  const revision = current.entry.revision + 1n
  const entry = RegistryEntry.sign(primitives, Redacted.value(vault.device.signingSeed), {
    vaultId: vault.id,
    revision,
    hash
  })
  yield* peer.registry.set(right(entry), [current.entry])
})

const keys = (tree: { readonly scan: ReturnType<typeof Vault.snapshot>["scan"] }) =>
  Effect.map(Stream.runCollect(tree.scan()), (found) => [...found].map(([key]) => key))

describe("a peer's newest snapshot", () => {
  fact(
    "is loaded with nothing but its key, its vault's id and an identity, and read to the last byte",
    files,
    (...all) =>
      Effect.gen(function* () {
        const [peer, reader] = all
        const { published } = yield* backup(one)
        const { head, vault } = yield* load(peer, reader)
        assert.deepStrictEqual(head?.hash, published.node)
        assert.strictEqual(head?.entry.revision, 1n)
        const tree = Vault.snapshot(vault, head?.root)
        assert.deepStrictEqual(yield* keys(tree), ["one/", "one/f", "one/g"])
        const content = yield* Stream.runCollect(yield* List.show("attached", tree, "one/g"))
        assert.strictEqual(new TextDecoder().decode([...content][0]), "2")
        const verified = yield* Verify.verify(vault).pipe(Effect.provide(reader.layer))
        assert.deepStrictEqual([verified.damaged, verified.snapshots], [0, 1])
        // nothing of it is left on the reader's side
        assert.deepStrictEqual([...(yield* Stream.runCollect(reader.records.list("")))], [])
        assert.strictEqual(reader.entries.size, 0)
      })
  )

  fact("follows what the peer publishes, with its history", files, (peer, reader) =>
    Effect.gen(function* () {
      const first = yield* backup(one)
      yield* peer.disk.put("/one/f", "changed")
      const second = yield* backup(one)
      const { head, vault } = yield* load(peer, reader, { atLeast: 1n })
      assert.deepStrictEqual(head?.hash, second.published.node)
      assert.isDefined(head)
      if (head === undefined) return
      const infos = yield* Snapshots.all(vault, head).pipe(Effect.provide(reader.layer))
      assert.deepStrictEqual(
        infos.map(({ id }) => id),
        [first.published.node, second.published.node]
      )
    })
  )

  fact("is nothing while nothing was published, which is no failure", files, (peer, reader) =>
    Effect.gen(function* () {
      yield* Vault.ensure("docs")
      const { head, vault } = yield* load(peer, reader)
      assert.isUndefined(head)
      assert.isTrue(Vault.snapshot(vault, undefined).isEmpty)
    })
  )

  fact("is one layer of a view with this device's own, which comes first", files, (peer, reader) =>
    Effect.gen(function* () {
      yield* backup(mapping("/one", "d"))
      const theirs = yield* load(peer, reader)
      const ours = yield* Effect.gen(function* () {
        yield* backup(mapping("/mine", "d"))
        const vault = yield* Vault.open("docs")
        return Vault.snapshot(vault, (yield* head).root)
      }).pipe(Effect.provide(reader.layer))
      const view = MergedView.make([ours, Vault.snapshot(theirs.vault, theirs.head?.root)])
      assert.deepStrictEqual(yield* keys(view), ["d/", "d/f", "d/g", "d/m"])
      assert.deepStrictEqual(yield* view.get("d/f"), yield* ours.get("d/f"))
      assert.isUndefined(yield* ours.get("d/g"))
      assert.strictEqual((yield* List.at("view", view, "d"))._tag, "Directory")
    })
  )
})

describe("refused is", () => {
  fact("a registry entry whose signature does not hold", files, (peer, reader) =>
    Effect.gen(function* () {
      const { vault } = yield* backup(one)
      const key = StreamKey.toHex(vault.streamKey)
      const bytes = Uint8Array.from(peer.entries.get(key) ?? [])
      for (let at = bytes.length - 64; at < bytes.length; at += 9) {
        bytes[at] = bytes[at]! ^ 1
        peer.entries.set(key, bytes)
        assert.strictEqual(reasonOf(yield* Effect.flip(load(peer, reader))), "RegistryError Corrupt")
        bytes[at] = bytes[at]! ^ 1
      }
      peer.entries.set(key, bytes)
      yield* load(peer, reader)
    })
  )

  fact("an entry that another key signed, though its registry answers it", files, (peer, reader) =>
    Effect.gen(function* () {
      const { vault } = yield* backup(one)
      const stranger = right(
        RegistryEntry.sign(primitives, new Uint8Array(32).fill(5), {
          vaultId: vault.id,
          revision: 9n,
          hash: (yield* head).hash
        })
      )
      peer.entries.set(StreamKey.toHex(vault.streamKey), RegistryEntry.toBytes(stranger))
      assert.strictEqual(reasonOf(yield* Effect.flip(load(peer, reader))), "RegistryError Corrupt")
    })
  )

  fact("another vault's node under the peer's own key and this vault's id", files, (peer, reader) =>
    Effect.gen(function* () {
      yield* backup(one)
      const current = yield* head
      const foreign = TraversalContext.vaultRoot({
        leaf: new Uint8Array(32).fill(1),
        node: new Uint8Array(32).fill(2),
        recovery: new Uint8Array(32).fill(3)
      })
      yield* plant(peer, TransparentNode.make({ ...current.node, context: foreign }))
      const error = yield* Effect.flip(load(peer, reader))
      assert.strictEqual(reasonOf(error), "HeadError Substituted")
      assert.include(error.message, "attached")
    })
  )

  fact("a node without the vault's secret", files, (peer, reader) =>
    Effect.gen(function* () {
      yield* backup(one)
      const current = yield* head
      const secretless = { ...current.node.context, keys: new Map(current.node.context.keys) }
      secretless.keys.delete(TraversalContext.keySlot.recovery)
      yield* plant(peer, TransparentNode.make({ ...current.node, context: secretless }))
      assert.strictEqual(reasonOf(yield* Effect.flip(load(peer, reader))), "HeadError Substituted")
    })
  )

  fact("an older revision than was seen before, and the way out is named", files, (peer, reader) =>
    Effect.gen(function* () {
      yield* backup(one)
      const old = new Map(peer.entries)
      yield* peer.disk.put("/one/f", "changed")
      yield* backup(one)
      yield* load(peer, reader, { atLeast: 2n })
      for (const [key, bytes] of old) peer.entries.set(key, bytes)
      const error = yield* Effect.flip(load(peer, reader, { atLeast: 2n }))
      assert.strictEqual(reasonOf(error), "HeadError RolledBack")
      assert.include(error.message, "revision 1, but this device has seen 2")
      assert.include(error.message, "cairn vault trust attached:")
      // a registry that forgot everything is no "nothing published"
      peer.entries.clear()
      const forgotten = yield* Effect.flip(load(peer, reader, { atLeast: 2n }))
      assert.strictEqual(reasonOf(forgotten), "HeadError RolledBack")
      assert.isUndefined((yield* load(peer, reader)).head)
    })
  )

  fact("a node that is sealed for somebody else", files, (peer, reader) =>
    Effect.gen(function* () {
      yield* backup(one)
      const stranger = yield* Effect.flatMap(Envelope, (envelope) => envelope.generateIdentity)
      const error = yield* Effect.flip(load(peer, reader, { identities: [stranger.identity] }))
      assert.strictEqual(reasonOf(error), "HeadError NotForUs")
      // any one of several identities is enough
      const { options } = yield* optionsOf(peer)
      assert.isDefined((yield* load(peer, reader, { identities: [stranger.identity, ...options.identities] })).head)
    })
  )

  fact("a head whose blob is gone, rotten, or no envelope", files, (peer, reader) =>
    Effect.gen(function* () {
      yield* backup(one)
      const { hash } = yield* head
      const sealed = yield* peer.blobs.get(hash)
      yield* peer.flip(hash)
      assert.strictEqual(reasonOf(yield* Effect.flip(load(peer, reader))), "BlobStoreError Damaged")
      yield* peer.lose(hash)
      assert.strictEqual(reasonOf(yield* Effect.flip(load(peer, reader))), "BlobStoreError Missing")
      yield* peer.blobs.put(hash, sealed)
      assert.isDefined((yield* load(peer, reader)).head)
    })
  )

  fact("an identity that is none", files, (peer, reader) =>
    Effect.gen(function* () {
      yield* backup(one)
      const identities = [Redacted.make("AGE-SECRET-KEY-1SHORT")]
      const error = yield* Effect.flip(load(peer, reader, { identities }))
      assert.strictEqual(reasonOf(error), "HeadError NotForUs")
      assert.notInclude(error.message, "1SHORT")
    })
  )

  fact("what another device or another vault id would publish there", files, (peer, reader) =>
    Effect.gen(function* () {
      const { published } = yield* backup(one)
      const publicKey = PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(new Uint8Array(32).fill(7)))
      assert.isUndefined((yield* load(peer, reader, { publicKey })).head)
      const vaultId = VaultId.unsafeFromBytes(new Uint8Array(16).fill(9))
      assert.isUndefined((yield* load(peer, reader, { vaultId })).head)
      // a node that is asked for by its hash is held against the id all the same
      const { vault } = yield* load(peer, reader, { vaultId })
      const error = yield* Effect.flip(Head.read(vault, published.node).pipe(Effect.provide(reader.layer)))
      assert.strictEqual(reasonOf(error), "HeadError Substituted")
    })
  )
})

describe("the name of an attached vault", () => {
  fact("cannot be backed up to, nor opened as one of this device", files, (_, reader) =>
    Effect.gen(function* () {
      yield* reader.state.createPeer(
        "docs",
        new VaultState.Peer({ store: "/s", device: "a".repeat(64), vaultId: "b".repeat(32), identity: "/i" })
      )
      const refusals = [
        yield* Effect.flip(Vault.ensure("docs").pipe(Effect.provide(reader.layer))),
        yield* Effect.flip(Vault.open("docs").pipe(Effect.provide(reader.layer)))
      ]
      for (const error of refusals) {
        assert.strictEqual(error._tag, "ReadOnlyVault")
        assert.include(error.message, "another device's, attached to be read")
      }
      assert.isUndefined(yield* reader.state.keys("docs"))
    })
  )
})

describe("a peer that publishes at several places", () => {
  const copyOf = Effect.fnUntraced(function* (entries: ReadonlyMap<string, Uint8Array>, name: string) {
    return yield* RegistryMemory.make({ name, bytes: new Map(entries) })
  })
  const away = new Registry.RegistryError({ reason: "Unavailable", registry: "away", key: "", detail: "offline" })

  fact("is read where it is newest, whichever is away, older or damaged", files, (peer, reader) =>
    Effect.gen(function* () {
      const { vault } = yield* backup(one)
      const old = yield* copyOf(peer.entries, "old")
      yield* peer.disk.put("/one/f", "changed")
      const second = yield* backup(one)
      const offline = { ...peer.registry, name: "away", entries: () => Effect.fail(away) }
      const key = StreamKey.toHex(vault.streamKey)
      const rotten = yield* copyOf(new Map([[key, new Uint8Array(3)]]), "rotten")
      const orders: ReadonlyArray<readonly [Registry.Service, ...ReadonlyArray<Registry.Service>]> = [
        [old, peer.registry, offline, rotten],
        [rotten, offline, peer.registry, old]
      ]
      for (const registries of orders) {
        const { head } = yield* load(peer, reader, { registry: Peer.newestOf(registries), atLeast: 2n })
        assert.deepStrictEqual(head?.hash, second.published.node)
      }
      const withoutNewest = load(peer, reader, { registry: Peer.newestOf([offline, old]), atLeast: 2n })
      assert.strictEqual(reasonOf(yield* Effect.flip(withoutNewest)), "HeadError RolledBack")
      const none = load(peer, reader, { registry: Peer.newestOf([offline, rotten]) })
      assert.strictEqual(reasonOf(yield* Effect.flip(none)), "RegistryError Unavailable")
    })
  )
})

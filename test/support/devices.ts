/** Several devices that hold one vault, each with a store and a registry of its own. */
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Batches from "../../src/fs5/Batches.ts"
import * as Snapshot from "../../src/fs5/Snapshot.ts"
import * as TreeEdit from "../../src/fs5/TreeEdit.ts"
import * as TreeWalk from "../../src/fs5/TreeWalk.ts"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Peer from "../../src/programs/Peer.ts"
import * as Publish from "../../src/programs/Publish.ts"
import * as Pull from "../../src/programs/Pull.ts"
import * as Sealing from "../../src/programs/Sealing.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import { make, patiently, type World } from "./programs.ts"

/** Envelopes that anybody can open: real ones take their time, and who can open them is tested elsewhere. */
const openEnvelopes = Layer.succeed(
  Envelope,
  Envelope.of({
    ...EnvelopeAge.make(),
    open: (_, sealed) => Effect.succeed(sealed.slice(4)),
    seal: (_, plain) => Effect.succeed(Bytes.concat(new Uint8Array(4), plain))
  })
)

export interface Device {
  readonly world: World
  readonly vault: Vault.Vault
}

/** Runs an effect as that device. */
export const as = (device: { readonly world: World }) => Effect.provide(device.world.layer)

/** So many devices of one vault, of which none has published anything; each is sealed for all. */
export const devices = Effect.fnUntraced(function* (count: number, options: { readonly areSealed?: boolean } = {}) {
  const worlds = yield* Effect.forEach(Array.from({ length: count }), () =>
    Effect.map(make(), (world) =>
      options.areSealed === true ? world : { ...world, layer: Layer.merge(world.layer, openEnvelopes) }
    )
  )
  const [first] = worlds
  const { context } = yield* Vault.ensure("docs").pipe(as({ world: first! }))
  const vaults = yield* Effect.forEach(worlds, (world) =>
    Effect.gen(function* () {
      const { recipient } = yield* world.keyring.ensureDevice
      const envelope = yield* Envelope
      const node = TransparentNode.make({ root: Hash.zero, context, history: [] })
      yield* world.state.createKeys("docs", yield* envelope.seal([recipient], TransparentNode.encode(node)))
      return yield* Vault.open("docs")
    }).pipe(as({ world }))
  )
  const recipients = vaults.map(({ device }) => device.recipient)
  return worlds.map((world, index): Device => ({ world, vault: { ...vaults[index]!, recipients } }))
})

/** The other device as this one loads it. */
export const load = (reader: Device, peer: Device, more: Partial<Peer.Options> = {}) =>
  Peer.load({
    name: "docs",
    publicKey: PublicKey.unsafeFromBytes(peer.vault.device.publicKey),
    vaultId: peer.vault.id,
    registry: peer.world.registry,
    blobs: peer.world.blobs,
    identities: [reader.vault.device.identity],
    atLeast: 0n,
    ...more
  }).pipe(as(reader))

export const pull = (device: Device, ...peers: ReadonlyArray<Device>) =>
  patiently(
    Effect.gen(function* () {
      const loaded = yield* Effect.forEach(peers, (peer) => load(device, peer))
      return yield* Pull.pull(device.vault, loaded)
    })
  ).pipe(as(device))

export const headOf = (device: Device) =>
  Effect.flatMap(as(device)(Head.newest(device.vault)), (head) =>
    head === undefined ? Effect.dieMessage("nothing was published") : Effect.succeed(head)
  )

export const rootOf = (device: Device) =>
  Effect.map(Head.newest(device.vault).pipe(as(device)), (head) =>
    head?.root === undefined ? "" : Hash.toHex(head.root.hash)
  )

const read = Effect.fnUntraced(function* (vault: Vault.Vault, published: Head.Published) {
  const out = new Map<string, string>()
  for (const [key, entry] of yield* Stream.runCollect(Head.tree(vault, published).scan()))
    if (entry.tombstone === undefined) out.set(key, Bytes.toUtf8(yield* vault.pipeline.readLeaf(entry)) ?? "(not text)")
  return out
})

/** What the device's head holds, read from its own store alone. */
export const files = Effect.fnUntraced(function* (device: Device) {
  const head = yield* Head.newest(device.vault).pipe(as(device))
  return head === undefined ? new Map<string, string>() : yield* read(device.vault, head)
})

/** The contents of all files in all snapshots that the device's head reaches, read from its own store alone. */
export const everything = (device: Device) =>
  Effect.gen(function* () {
    const head = yield* Head.newest(device.vault)
    const found = new Set<string>()
    if (head === undefined) return found
    for (const { blob, id } of yield* Snapshots.all(device.vault, head))
      for (const content of (yield* read(device.vault, yield* Head.read(device.vault, id, blob))).values())
        found.add(content)
    return found
  }).pipe(as(device))

/** Publishes the device's head with these changes; nothing for a file deletes it. */
export const change = (device: Device, changes: Readonly<Record<string, string | undefined>>, mtime = 100) =>
  Effect.gen(function* () {
    const { vault } = device
    const head = yield* Head.newest(vault)
    const entries = yield* Effect.forEach(
      Object.entries(changes).sort(([a], [b]) => Bytes.compareUtf8(a, b)),
      ([key, content]): Effect.Effect<readonly [string, NodeEntry], never> =>
        content === undefined
          ? Effect.succeed([key, { tombstone: {} }])
          : Effect.orDie(
              Effect.map(vault.pipeline.writeLeaf(Bytes.fromUtf8(content)), (entry) => [
                key,
                { ...entry, semantic: { timestamp: mtime } }
              ])
            )
    )
    const base = Vault.snapshot(vault, head?.root)
    const ours = yield* TreeEdit.editBatches(base, () => Batches.of(entries), { mask: 3 })
    return yield* Publish.publish(vault, {
      folder: "",
      base: head?.root,
      ours: ours === undefined ? undefined : Snapshot.rootOf(ours),
      scannedAt: yield* Clock.currentTimeMillis,
      files: 0,
      bytes: 0
    })
  }).pipe(patiently, as(device))

/** How many blobs the head's tree needs and the device's own store lacks. */
export const lacking = Effect.fnUntraced(function* (device: Device) {
  const head = yield* Head.newest(device.vault).pipe(as(device))
  if (head?.root === undefined) return 0
  const reached = yield* Stream.runCollect(TreeWalk.nodes(device.vault.pipeline, head.root))
  const gone = yield* Effect.filter(Chunk.toReadonlyArray(reached), ({ hash }) =>
    Effect.map(device.world.blobs.has(hash), (has) => !has)
  )
  return gone.length
})

/** Publishes the device's tree so many times more; answers the snapshots' ids in hex. */
export const again = (device: Device, count: number) =>
  Effect.gen(function* () {
    const { vault } = device
    const { entries, heads, revision } = yield* Head.current(vault)
    let [last] = heads as ReadonlyArray<Head.Published>
    if (last === undefined) return yield* Effect.dieMessage("nothing was published")
    const ids: Array<string> = []
    for (let number = 0; number < count; number++) {
      yield* TestClock.adjust("1 minute")
      const before: Head.Published = last
      const { hash } = yield* Sealing.seal(vault, before.root, [before])
      last = yield* Head.read(vault, hash)
      ids.push(Hash.toHex(hash))
    }
    const entry = yield* RegistryEntry.sign(vault.primitives, Redacted.value(vault.device.signingSeed), {
      vaultId: vault.id,
      revision: revision + BigInt(count),
      hash: last.hash
    })
    yield* vault.registry.set(entry, entries)
    return ids
  }).pipe(as(device))

/**
 * Devices of one person over months, with one place where they meet that is away half of the time, and what plain maps say
 * of them: what each device has on its disk, and what of its own files the vault must hold.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as Devices from "../../src/programs/Devices.ts"
import * as Head from "../../src/programs/Head.ts"
import * as IdentityChanges from "../../src/programs/IdentityChanges.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Joining from "../../src/programs/Joining.ts"
import type * as Peer from "../../src/programs/Peer.ts"
import * as Pull from "../../src/programs/Pull.ts"
import * as Snapshots from "../../src/programs/Snapshots.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as BlobStore from "../../src/services/BlobStore.ts"
import type * as ObjectStore from "../../src/services/ObjectStore.ts"
import * as Registry from "../../src/services/Registry.ts"
import type { Dice } from "../simulation/Dice.ts"
import { place, type TestPlace } from "./identity.ts"
import { device, establish, type PersonDevice } from "./person.ts"
import { backup, contents, mapping } from "./programs.ts"

/** Sleeps that are longer are the limits of somebody's patience, which nothing here tries. */
const longestPause = Duration.seconds(7)

/** A clock that nobody waits for: whoever sleeps moves it on. */
const clockFrom = (start: number) => {
  let now = start
  const pass = (duration: Duration.DurationInput) =>
    Effect.sync(() => {
      now += Math.ceil(Duration.toMillis(duration))
    })
  const nanos = () => BigInt(now) * 1_000_000n
  const clock: Clock.Clock = {
    ...Clock.make(),
    unsafeCurrentTimeMillis: () => now,
    unsafeCurrentTimeNanos: nanos,
    currentTimeMillis: Effect.sync(() => now),
    currentTimeNanos: Effect.sync(nanos),
    sleep: (duration) => (Duration.greaterThan(duration, longestPause) ? Effect.never : pass(duration))
  }
  return { clock, pass }
}

type Files = ReadonlyMap<string, string>

/** What a file is after both have changed it since `base`; all values are distinct, and later ones are greater. */
const rule = (base: string | undefined, theirs: string | undefined, ours: string | undefined) => {
  if (ours === base || ours === theirs) return theirs
  if (theirs === base) return ours
  if (ours === undefined || theirs === undefined) return ours ?? theirs
  return ours > theirs ? ours : theirs
}

const threeWay = (base: Files, theirs: Files, ours: Files): Files => {
  const merged = new Map<string, string>()
  for (const key of new Set([...base.keys(), ...theirs.keys(), ...ours.keys()])) {
    const value = rule(base.get(key), theirs.get(key), ours.get(key))
    if (value !== undefined) merged.set(key, value)
  }
  return merged
}

/** The place as devices see it: it goes away after so many calls, and the last write is kept though nobody is told. */
const flaky = (at: TestPlace) => {
  const weather = { left: Number.POSITIVE_INFINITY }
  const { name } = at.place
  const blobsAway = new BlobStore.BlobStoreError({ reason: "Unavailable", store: name, blob: "any", detail: "away" })
  const entriesAway = new Registry.RegistryError({ reason: "Unavailable", registry: name, key: "any", detail: "away" })
  const call = <A, E>(effect: Effect.Effect<A, E>, away: E) =>
    Effect.suspend(() => (weather.left-- > 0 ? effect : Effect.fail(away)))
  const write = <A, E>(effect: Effect.Effect<A, E>, away: E) =>
    Effect.suspend(() => {
      weather.left -= 1
      const lost = Effect.fail(away)
      return weather.left > 0 ? effect : weather.left === 0 ? Effect.zipRight(effect, lost) : lost
    })
  const { blobs, registry } = at.place
  const seen: TestPlace = {
    ...at,
    place: {
      ...at.place,
      blobs: {
        ...blobs,
        has: (hash) => call(blobs.has(hash), blobsAway),
        get: (hash) => call(blobs.get(hash), blobsAway),
        put: (hash, bytes) => write(blobs.put(hash, bytes), blobsAway),
        sync: call(blobs.sync, blobsAway)
      },
      registry: {
        ...registry,
        entries: (key) => call(registry.entries(key), entriesAway),
        set: (entry, over) => write(registry.set(entry, over), entriesAway)
      }
    }
  }
  return { seen, weather }
}

interface File {
  readonly text: string
  readonly mtimeNs: bigint
}

/** A device, and what plain maps say of it. */
export interface Actor {
  readonly name: string
  readonly device: PersonDevice
  disk: ReadonlyMap<string, File>
  /** What its disk held when a backup of it was acknowledged last. */
  base: Files
  /** Its own files as its head must hold them. */
  line: Files
  /** The same by the snapshots it published, in hex, and how much had been acknowledged then. */
  snapshots: ReadonlyMap<string, { readonly line: Files; readonly said: number }>
  /** Every version of any file that was acknowledged, in order. */
  said: ReadonlyArray<string>
  /** What it published before it was put back, and is not in its head's history yet. */
  rival?: { readonly id: string; readonly base: Files; readonly theirs: Files } | undefined
}

const texts = (disk: Actor["disk"]): Files => new Map([...disk].map(([key, { text }]) => [key, text]))

/** Whether only that device writes the file. */
export const isOwnedBy = (name: string, key: string) => key.startsWith(`${name}-`)

const owned = (name: string, files: Files): Files => new Map([...files].filter(([key]) => isOwnedBy(name, key)))

/** What the objects are now; run, it makes them so again. */
const imageOf = Effect.fnUntraced(function* (objects: ObjectStore.Service) {
  const paths = [...(yield* Stream.runCollect(objects.list("")))]
  const kept = yield* Effect.forEach(paths, (path) => Effect.map(objects.get(path), (bytes) => [path, bytes] as const))
  return Effect.gen(function* () {
    for (const path of yield* Stream.runCollect(objects.list(""))) yield* objects.remove(path)
    for (const [path, bytes] of kept) yield* objects.put(path, bytes)
  })
})

/** The person's devices, of which the first has a vault and the others have joined, and what can happen to them. */
const make = Effect.fnUntraced(function* (pass: ReturnType<typeof clockFrom>["pass"]) {
  const meeting = yield* place("meeting")
  const { seen, weather } = flaky(meeting)
  const trace: Array<string> = []
  let version = 0

  const actor = Effect.fnUntraced(function* (name: string) {
    const one: Actor = {
      name,
      device: yield* device([seen]),
      disk: new Map(),
      base: new Map(),
      line: new Map(),
      snapshots: new Map(),
      said: []
    }
    yield* write(one, `${name}-0`, `00000 of ${name}`)
    return one
  })

  const headId = ({ device }: Actor) =>
    Effect.gen(function* () {
      const { streamKey } = yield* Vault.open("docs")
      const entries = yield* device.world.registry.entries(streamKey)
      return entries[0] === undefined ? undefined : Hash.toHex(entries[0].hash)
    }).pipe(
      Effect.catchTag("NoSuchVault", () => Effect.succeed(undefined)),
      device.on
    )

  const remember = Effect.fnUntraced(function* (one: Actor) {
    const id = yield* headId(one)
    if (id === undefined || one.snapshots.has(id)) return
    one.snapshots = new Map([...one.snapshots, [id, { line: one.line, said: one.said.length }]])
  })

  const write = Effect.fnUntraced(function* (one: Actor, key: string, value: string | undefined) {
    const path = `/home/${key}`
    const disk = new Map(one.disk)
    if (value === undefined) {
      disk.delete(key)
      yield* one.device.world.disk.remove(path)
    } else {
      const mtimeNs = BigInt(yield* Clock.currentTimeMillis) * 1_000_000n
      disk.set(key, { text: value, mtimeNs })
      yield* one.device.world.disk.put(path, { content: value, mtimeNs })
    }
    one.disk = disk
    yield* pass("1 minute")
  })

  /** Some files of its own, and of those that all devices write, are changed, made or deleted. */
  const edit = Effect.fnUntraced(function* (one: Actor, dice: Dice) {
    for (let count = dice.below(4); count > 0; count--) {
      const key = dice.chance(0.7) ? `${one.name}-${dice.below(6)}` : `all-${dice.below(3)}`
      yield* write(one, key, dice.chance(0.3) ? undefined : `${String(++version).padStart(5, "0")} of ${one.name}`)
    }
    yield* pass("1 hour")
  })

  /** Does what a verb does while the place is as the dice say, and notes how it went. */
  const attempt = Effect.fnUntraced(function* <A, E extends { readonly message: string }>(
    one: Actor,
    what: string,
    dice: Dice | undefined,
    effect: Effect.Effect<A, E>
  ) {
    const left =
      dice === undefined || dice.chance(0.5)
        ? Number.POSITIVE_INFINITY
        : dice.chance(0.4)
          ? 0
          : 1 + dice.below(dice.pick([30, 150]))
    weather.left = left
    const before = yield* headId(one)
    const done = yield* Effect.either(effect)
    weather.left = Number.POSITIVE_INFINITY
    const day = Math.floor(((yield* Clock.currentTimeMillis) - Date.UTC(2026, 0, 1)) / 86_400_000)
    const after = yield* headId(one)
    const moved = before === after ? "" : ` → ${after?.slice(0, 6)}`
    trace.push(`${day} ${one.name} ${what} (${left})${moved}${Either.isLeft(done) ? `: ${done.left.message}` : ""}`)
    return done
  })

  /** What comes last in both, unless it is cut off before. */
  const upkeep = Effect.fnUntraced(function* (one: Actor, dice: Dice | undefined) {
    if (dice?.chance(0.5)) return
    yield* attempt(one, "upkeep", dice, one.device.on(IdentityUpkeep.run(one.name)))
    yield* remember(one)
  })

  /** As `cairn backup` does; whether it went well. */
  const save = Effect.fnUntraced(function* (one: Actor, dice?: Dice) {
    const done = yield* attempt(one, "backup", dice, one.device.on(backup(mapping("/home"))))
    if (Either.isRight(done)) {
      const disk = texts(one.disk)
      for (const [key, value] of disk) if (one.base.get(key) !== value) one.said = [...one.said, value]
      one.line = threeWay(owned(one.name, one.base), one.line, owned(one.name, disk))
      one.base = disk
    }
    yield* remember(one)
    yield* upkeep(one, dice)
    return Either.isRight(done)
  })

  /** Whether the device's head leads to that snapshot. */
  const leadsTo = (one: Actor, id: string) =>
    Effect.gen(function* () {
      const vault = yield* Vault.open("docs")
      const { heads } = yield* Head.current(vault)
      return (yield* Snapshots.reached(vault, heads, [id])).has(id)
    }).pipe(one.device.on)

  const pullNow = Effect.gen(function* () {
    const vault = yield* Vault.open("docs")
    const loaded: Array<Peer.Loaded> = []
    for (const other of yield* Devices.others(vault.device.publicKey)) {
      const peer = yield* Effect.either(Devices.load(vault, other))
      if (Either.isRight(peer)) loaded.push(peer.right)
      else trace.push(`  without ${other.label}: ${peer.left.message}`)
    }
    const own = yield* Devices.elsewhere(vault)
    if (own !== undefined) loaded.push(own)
    const result = yield* Pull.pull(vault, loaded)
    yield* Devices.takeKeys(vault, loaded)
    return result
  })

  /** As `cairn pull` does; what came of it, if it went well. */
  const pull = Effect.fnUntraced(function* (one: Actor, dice?: Dice) {
    const done = yield* attempt(one, "pull", dice, one.device.on(pullNow))
    const { rival } = one
    if (rival !== undefined && (yield* leadsTo(one, rival.id))) {
      one.line = threeWay(rival.base, rival.theirs, one.line)
      one.rival = undefined
    }
    yield* remember(one)
    yield* upkeep(one, dice)
    return Either.getOrUndefined(done)
  })

  /** An image of all that the device keeps beside the place, and of its disk; run, it puts the device back to it. */
  const image = Effect.fnUntraced(function* (one: Actor, withDisk: boolean) {
    const { device, ...model } = one
    const { entries, keys, records } = device.world
    const objects = yield* Effect.forEach([records, keys, device.identityRecords], imageOf)
    const registry = new Map(entries)
    const { streamKey } = yield* device.on(Vault.open("docs"))
    return Effect.gen(function* () {
      yield* Effect.all(objects)
      entries.clear()
      for (const [key, bytes] of registry) entries.set(key, bytes)
      if (withDisk) {
        for (const key of one.disk.keys()) yield* device.world.disk.remove(`/home/${key}`)
        for (const [key, { mtimeNs, text }] of model.disk)
          yield* device.world.disk.put(`/home/${key}`, { content: text, mtimeNs })
        one.disk = model.disk
      }
      const [there] = yield* meeting.place.registry.entries(streamKey)
      const id = there === undefined ? undefined : Hash.toHex(there.hash)
      const elsewhere = id === undefined || model.snapshots.has(id) ? undefined : one.snapshots.get(id)
      trace.push(`  ${one.name} is put back${withDisk ? " with its disk" : ""}; the place has ${id?.slice(0, 6)}`)
      // what only its own registry knew of is gone with it
      one.said = one.said.slice(0, elsewhere?.said ?? model.said.length)
      one.base = model.base
      one.line = model.line
      if (elsewhere !== undefined && id !== undefined) one.rival = { id, base: model.line, theirs: elsewhere.line }
    })
  })

  /** The head's files, without their folder. */
  const files = (one: Actor) =>
    Effect.gen(function* () {
      const head = yield* Head.newest(yield* Vault.open("docs"))
      if (head === undefined) return {}
      const held = Object.entries(yield* contents(head))
      return Object.fromEntries(
        held.flatMap(([key, text]) => (key.endsWith("/") ? [] : [[key.replace("home/", ""), text]]))
      )
    }).pipe(one.device.on)

  /** The contents of all files of all snapshots that the device's head leads to. */
  const everything = (one: Actor) =>
    Effect.gen(function* () {
      const vault = yield* Vault.open("docs")
      const head = yield* Head.newest(vault)
      const found = new Map<string, string>()
      if (head === undefined) return new Set<string>()
      for (const { blob, id } of yield* Snapshots.all(vault, head)) {
        const tree = Head.tree(vault, yield* Head.read(vault, id, blob))
        for (const [, entry] of yield* Stream.runCollect(tree.scan())) {
          const hex = entry.content === undefined ? "" : Hash.toHex(entry.content.hash)
          if (hex === "" || found.has(hex)) continue
          found.set(hex, Bytes.toUtf8(yield* tree.pipeline.readLeaf(entry)) ?? "(not text)")
        }
      }
      return new Set(found.values())
    }).pipe(one.device.on)

  /** Lets a device in, which takes the vault. */
  const join = Effect.fnUntraced(function* (inviter: Actor, name: string) {
    const one = yield* actor(name)
    const keys = yield* one.device.world.keyring.ensureDevice
    const { grant } = yield* inviter.device.on(Joining.admit(name, IdentityChanges.keysOf(keys)))
    const identity = yield* inviter.device.world.keyring.identity
    const joined = { grant, did: identity!.recovery.did }
    yield* one.device.on(Joining.enter(joined, seen.place, () => Effect.void))
    yield* one.device.on(Joining.takeMissing())
    yield* remember(one)
    return one
  })

  /** A device with a vault and a phrase. */
  const first = Effect.fnUntraced(function* (name: string) {
    const one = yield* actor(name)
    yield* write(one, "all-0", "00000 of nobody")
    yield* pass("1 hour")
    yield* save(one)
    yield* establish(one.device, name)
    yield* upkeep(one, undefined)
    return one
  })

  return { trace, pass, first, join, write, edit, save, pull, image, files, everything }
})

/** What can happen in them. */
export type Months = Effect.Effect.Success<ReturnType<typeof make>>

/** Lives through them; what happened is printed if it ends badly. */
export const live = <E>(seed: number, story: (months: Months) => Effect.Effect<void, E>) => {
  const { clock, pass } = clockFrom(Date.UTC(2026, 0, 1))
  return Effect.gen(function* () {
    const months = yield* make(pass)
    yield* Effect.tapErrorCause(story(months), () => Effect.sync(() => console.error(months.trace.join("\n"))))
  }).pipe(Effect.withClock(clock), Effect.withRandom(Random.make(seed)))
}

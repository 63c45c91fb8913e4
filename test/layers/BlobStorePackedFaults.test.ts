/** Writers of one packed store under crashes, power cuts and failures at every step, against a model of what was acknowledged. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as BlobStorePacked from "../../src/layers/BlobStorePacked.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { Service as Objects } from "../../src/services/ObjectStore.ts"
import { blobOf } from "../conformance/BlobStore.ts"
import * as Dice from "../simulation/Dice.ts"
import { life, PackDisk, type Trouble } from "../support/packDisk.ts"
import { primitives } from "../support/primitives.ts"

const packSize = 150
const blobs = Array.from({ length: 14 }, (_, i) => blobOf(`blob ${i} ${"x".repeat((i * 37) % 120)}`))

type Step = { readonly do: "put" | "has" | "get"; readonly blob: number } | { readonly do: "sync" }

interface Plan {
  readonly seed: number
  /** What each writer does in each of its lives; a new life begins when all of the one before are over. */
  readonly lives: ReadonlyArray<ReadonlyArray<ReadonlyArray<Step>>>
  readonly troubles: ReadonlyArray<readonly [number, Trouble]>
  /** Before which lives the index is lost. */
  readonly losesIndex: ReadonlyArray<boolean>
  readonly losesPower: boolean
}

const blob = FastCheck.nat(blobs.length - 1)
const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  { weight: 5, arbitrary: blob.map((number): Step => ({ do: "put", blob: number })) },
  { weight: 3, arbitrary: blob.map((number): Step => ({ do: "has", blob: number })) },
  { weight: 1, arbitrary: blob.map((number): Step => ({ do: "get", blob: number })) },
  { weight: 2, arbitrary: FastCheck.constant<Step>({ do: "sync" }) }
)
const trouble = FastCheck.constantFrom<Array<Trouble>>("fail", "failAfter", "full", "crash", "crashAfter", "power")
const plans: FastCheck.Arbitrary<Plan> = FastCheck.record({
  seed: FastCheck.nat(),
  lives: FastCheck.array(
    FastCheck.array(FastCheck.array(step, { minLength: 1, maxLength: 14 }), { minLength: 1, maxLength: 3 }),
    { minLength: 1, maxLength: 3 }
  ),
  troubles: FastCheck.array(FastCheck.tuple(FastCheck.nat(250), trouble), { maxLength: 8 }),
  losesIndex: FastCheck.array(FastCheck.boolean(), { minLength: 4, maxLength: 4 }),
  losesPower: FastCheck.boolean()
})

/** Runs a plan; answers what went wrong. */
const run = (plan: Plan, broken: (objects: Objects) => Objects = (objects) => objects) =>
  Effect.gen(function* () {
    const dice = Dice.make(plan.seed)
    const disk = new PackDisk(new Map(plan.troubles), () => dice.float())
    const acknowledged = new Set<number>()
    const wrong: Array<string> = []
    let index = yield* PackIndexMemory.make()

    const open = Effect.fnUntraced(function* (isBroken: boolean) {
      const own = yield* life
      const objects = disk.opened(own)
      const store = yield* BlobStorePacked.make({
        objects: isBroken ? broken(objects) : objects,
        index: disk.index(own, index),
        primitives,
        packSize
      })
      return { own, store }
    })

    const write = Effect.fnUntraced(function* (script: ReadonlyArray<Step>, scope: Scope.Scope) {
      const { own, store } = yield* Scope.extend(open(true), scope)
      const promised = new Set<number>()
      const live = Effect.gen(function* () {
        for (const step of script) {
          if (step.do === "sync") {
            const before = [...promised]
            // a failed barrier promises nothing
            if ((yield* Effect.exit(store.sync))._tag === "Success") for (const blob of before) acknowledged.add(blob)
            continue
          }
          const { bytes, hash } = blobs[step.blob]!
          if (step.do === "put") {
            if ((yield* Effect.exit(store.put(hash, bytes)))._tag === "Success") promised.add(step.blob)
          } else if (step.do === "has") {
            const found = yield* Effect.either(store.has(hash))
            if (found._tag === "Right" && found.right) promised.add(step.blob)
          } else {
            const wasPromised = promised.has(step.blob) || acknowledged.has(step.blob)
            const got = yield* Effect.either(store.get(hash))
            if (got._tag === "Right" && !Bytes.equals(got.right, bytes)) wrong.push(`get ${step.blob}: other bytes`)
            if (got._tag === "Left" && wasPromised && got.left.reason !== "Unavailable" && got.left.reason !== "Full") {
              wrong.push(`get ${step.blob}: ${got.left.reason}`)
            }
          }
        }
      })
      const fiber = yield* Effect.forkDaemon(live)
      yield* Effect.raceFirst(Fiber.await(fiber), Deferred.await(own.died))
    })

    const check = Effect.fnUntraced(function* (when: string) {
      const { store } = yield* open(false)
      for (const number of acknowledged) {
        const { bytes, hash } = blobs[number]!
        const got = yield* Effect.either(store.get(hash))
        if (got._tag === "Left") wrong.push(`${when}: ${number} was acknowledged and is ${got.left.reason}`)
        else if (!Bytes.equals(got.right, bytes)) wrong.push(`${when}: ${number} has other bytes`)
        if (!(yield* store.has(hash))) wrong.push(`${when}: ${number} was acknowledged and is not there`)
      }
      const listed = new Set(Chunk.toReadonlyArray(yield* Stream.runCollect(store.list)).map(Hash.toHex))
      for (const number of acknowledged) {
        if (!listed.has(Hash.toHex(blobs[number]!.hash))) wrong.push(`${when}: ${number} is not listed`)
      }
    }, Effect.scoped)

    for (const [number, writers] of plan.lives.entries()) {
      if (plan.losesIndex[number] === true) index = yield* PackIndexMemory.make()
      // abandoned, not closed: a dead process runs no finalizer
      const scope = yield* Scope.make()
      yield* Effect.forEach(writers, (script) => write(script, scope), { concurrency: "unbounded", discard: true })
    }
    disk.steps = Number.MAX_SAFE_INTEGER / 2
    if (plan.losesPower) disk.cut()
    yield* check("at the end")
    index = yield* PackIndexMemory.make()
    yield* check("without the index")
    return wrong
  })

/** The first plan of some hundred with which something is lost. */
const loss = (broken: (objects: Objects) => Objects) =>
  Effect.gen(function* () {
    for (const plan of FastCheck.sample(plans, { numRuns: 300, seed: 1 })) {
      const wrong = yield* run(plan, broken)
      if (wrong.length > 0) return wrong
    }
    return undefined
  })

/** Objects of which those that `isLost` names are never written. */
const losing =
  (isLost: (path: string, bytes: Uint8Array) => boolean) =>
  (objects: Objects): Objects => ({
    ...objects,
    put: (path, bytes) => (isLost(path, bytes) ? Effect.void : objects.put(path, bytes))
  })
const losingCatalogues = losing((path) => path.startsWith("packs/"))

const runs = Number(process.env.CAIRN_TEST_RUNS ?? 40)
const holds = (broken?: (objects: Objects) => Objects) =>
  FastCheck.assert(
    FastCheck.asyncProperty(plans, async (plan) => {
      assert.deepStrictEqual(await Effect.runPromise(run(plan, broken)), [])
    }),
    { numRuns: runs }
  )

describe("a packed store under faults", () => {
  it("loses nothing acknowledged, whatever strikes wherever, with its index and without it", () => holds())

  it("finds everything by the headers of the packs where no catalogue was kept", () => holds(losingCatalogues))

  it.effect.each<readonly [string, (objects: Objects) => Objects]>([
    ["no barrier", (objects) => ({ ...objects, sync: Effect.void })],
    ["no packs", losing((_, bytes) => bytes.length > 4096)]
  ])("would tell of a store that keeps %s", ([, broken]) =>
    Effect.map(loss(broken), (wrong) => assert.isDefined(wrong))
  )
})

import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Stream from "effect/Stream"
import * as PackIndexAuto from "../../src/layers/PackIndexAuto.ts"
import * as PackIndexLmdb from "../../src/layers/PackIndexLmdb.ts"
import * as PackIndexMemory from "../../src/layers/PackIndexMemory.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type * as PackCatalogue from "../../src/schema/PackCatalogue.ts"
import type { Service, Standing } from "../../src/services/PackIndex.ts"
import { temporaryFolder } from "../support/folders.ts"

/** Hashes that mostly begin alike. */
const hashOf = (kind: number, number: number) =>
  Hash.unsafeFromBytes(Bytes.concat(new Uint8Array(20), Uint8Array.of(kind, number), new Uint8Array(10)))

const hash = FastCheck.nat(9).map((number) => hashOf(1, number))
const entry = FastCheck.record({
  pack: FastCheck.nat(7).map((number) => hashOf(2, number)),
  length: FastCheck.nat(0xffff_ffff),
  members: FastCheck.uniqueArray(
    FastCheck.record({ hash, offset: FastCheck.nat(0xffff_ffff), length: FastCheck.nat(0xffff_ffff) }),
    { selector: ({ hash }) => Hash.toHex(hash), maxLength: 6 }
  )
})
/** From the worst to the best. */
const standings: ReadonlyArray<Standing> = ["partial", "found", "catalogued"]
const step = FastCheck.oneof(
  FastCheck.record({
    add: FastCheck.array(entry, { maxLength: 3 }),
    standing: FastCheck.constantFrom(...standings)
  }),
  FastCheck.record({ remove: FastCheck.array(hash, { maxLength: 3 }) })
)
type Step =
  | { readonly add: ReadonlyArray<PackCatalogue.Entry>; readonly standing: Standing }
  | { readonly remove: ReadonlyArray<Hash.Hash> }

/** What an index is, in plain maps. */
const model = () => {
  const packs = new Map<string, number>()
  const rank = new Map<string, number>()
  const places = new Map<string, Array<string>>()
  return {
    standing: (pack: Hash.Hash) => standings[rank.get(Hash.toHex(pack)) ?? -1],
    places,
    run: (step: Step) => {
      if ("remove" in step) for (const hash of step.remove) places.delete(Hash.toHex(hash))
      else
        for (const { length, members, pack } of step.add) {
          const first = packs.get(Hash.toHex(pack)) ?? length
          packs.set(Hash.toHex(pack), first)
          rank.set(Hash.toHex(pack), Math.max(rank.get(Hash.toHex(pack)) ?? 0, standings.indexOf(step.standing)))
          for (const member of members) {
            const before = places.get(Hash.toHex(member.hash)) ?? []
            if (before.some((place) => place.startsWith(Hash.toHex(pack)))) continue
            places.set(Hash.toHex(member.hash), [
              `${Hash.toHex(pack)} ${first} ${member.offset} ${member.length}`,
              ...before
            ])
          }
        }
    }
  }
}

const agrees = Effect.fnUntraced(function* (index: Service, steps: ReadonlyArray<Step>, expected = model()) {
  for (const step of steps) {
    expected.run(step)
    yield* "add" in step ? index.add(step.add, step.standing) : index.remove(step.remove)
  }
  for (let number = 0; number < 10; number++) {
    const found = yield* index.find(hashOf(1, number))
    assert.deepStrictEqual(
      found.map(({ length, offset, pack, packLength }) => `${Hash.toHex(pack)} ${packLength} ${offset} ${length}`),
      expected.places.get(Hash.toHex(hashOf(1, number))) ?? []
    )
    for (const { isCatalogued, pack } of found)
      assert.strictEqual(isCatalogued, expected.standing(pack) === "catalogued")
    assert.strictEqual(yield* index.standing(hashOf(2, number)), expected.standing(hashOf(2, number)))
  }
  const listed = Chunk.toReadonlyArray(yield* Stream.runCollect(index.list)).map(Hash.toHex)
  assert.deepStrictEqual(listed.toSorted(), [...expected.places.keys()].toSorted())
})

const steps = FastCheck.array(step, { maxLength: 12 })

describe("an index of packs", () => {
  it("in memory is what plain maps are", () =>
    FastCheck.assert(
      FastCheck.asyncProperty(steps, (steps) =>
        Effect.runPromise(Effect.flatMap(PackIndexMemory.make(), (index) => agrees(index, steps)))
      )
    ))

  it.scopedLive("in LMDB is what plain maps are, also when it is opened again, and for whoever else has it open", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const [number, plan] of FastCheck.sample(steps, 15).entries()) {
        const directory = join(folder, String(number))
        const expected = model()
        const other = yield* PackIndexAuto.make({ directory })
        yield* agrees(other, [])
        yield* Effect.scoped(
          Effect.flatMap(PackIndexLmdb.make({ directory }), (index) => agrees(index, plan, expected))
        )
        yield* Effect.flatMap(PackIndexLmdb.make({ directory }), (index) => agrees(index, [], expected))
        yield* agrees(other, [], expected)
      }
    })
  )

  it.scopedLive("lists thousands page by page", () =>
    Effect.gen(function* () {
      const index = yield* PackIndexLmdb.make({ directory: yield* temporaryFolder })
      const members = Array.from({ length: 5000 }, (_, i) => {
        const hash = hashOf(1, 0).slice()
        new DataView(hash.buffer).setUint32(0, i)
        return { hash: Hash.unsafeFromBytes(hash), offset: i, length: 1 }
      })
      yield* index.add([{ pack: hashOf(2, 0), length: 5000, members }], "catalogued")
      const listed = Chunk.toReadonlyArray(yield* Stream.runCollect(index.list)).map(Hash.toHex)
      assert.strictEqual(new Set(listed).size, 5000)
      assert.strictEqual(listed.length, 5000)
    })
  )

  it.scopedLive("makes nothing on disk for whoever only asks", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const index = yield* PackIndexAuto.make({ directory: join(folder, "index") })
      yield* agrees(index, [])
      yield* index.markSearched
      assert.isTrue(yield* index.isSearched)
      const { readdirSync } = yield* Effect.promise(() => import("node:fs"))
      assert.deepStrictEqual(readdirSync(folder), [])
    })
  )
})

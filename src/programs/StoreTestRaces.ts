/**
 * What an object store promises to several at once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../schema/Bytes.ts"
import type { ObjectStoreError, Service } from "../services/ObjectStore.ts"
import { type Check, expect, expectBytes, PromiseBroken, upTo } from "./StoreTestCheck.ts"

const utf8 = Bytes.fromUtf8

/** @since 0.1.0 @category checks */
export const atomicPut: Check = {
  promised: "atomic put",
  promise: "while an object is replaced, readers see the old bytes or the new ones, never a part",
  folder: "atomic",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    const path = `${folder}/hot`
    const version = (index: number) => new Uint8Array(20_000 + index * 9973).fill(index)
    const isWhole = (found: Uint8Array) => Bytes.equals(found, version(found[0] ?? 0))
    yield* objects.put(path, version(0))
    let writing = true
    const writer = Effect.forEach(upTo(40), (round) => objects.put(path, version(round % 20)), { discard: true })
    const reader = Effect.gen(function* () {
      while (writing) {
        const found = yield* objects.get(path)
        yield* expect(isWhole(found), `a reader got ${found.length} bytes that nobody put`)
        yield* Effect.yieldNow()
      }
    })
    yield* Effect.all(
      [
        Effect.ensuring(
          writer,
          Effect.sync(() => {
            writing = false
          })
        ),
        reader,
        reader,
        reader
      ],
      { concurrency: "unbounded", discard: true }
    )
  })
}

const racers = 20

/** Whether one racer and no other was told that it won, and what it wrote is there. */
const expectOneWinner = Effect.fnUntraced(function* (
  objects: Service,
  path: string,
  race: number,
  attempt: (mine: Uint8Array) => Effect.Effect<boolean, ObjectStoreError>
) {
  // other bytes in every race: a version may be nothing but the bytes
  const bytesOf = (racer: number | undefined) => utf8(`racer ${racer} of race ${race} at ${path}`)
  const outcomes = yield* Effect.forEach(upTo(racers), (racer) => attempt(bytesOf(racer)), {
    concurrency: "unbounded"
  })
  const winners = upTo(racers).filter((racer) => outcomes[racer] === true)
  yield* expect(
    winners.length === 1,
    winners.length === 0
      ? `none of ${racers} writers at once was told that it was first`
      : `${winners.length} of ${racers} writers at once were each told to be the first`
  )
  const found = yield* objects.get(path)
  yield* expectBytes(found, bytesOf(winners[0]), "what the first of several writers wrote")
})

/** @since 0.1.0 @category checks */
export const creating: Check = {
  promised: "creating",
  promise: `of ${racers} that create an object at once exactly one succeeds, and its bytes stay`,
  folder: "creating",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    const path = `${folder}/one`
    yield* expect(yield* objects.create(path, utf8("first")), "an object that was not there could not be created")
    yield* expect(!(yield* objects.create(path, utf8("second"))), "an object that was there was created again")
    yield* expect(!(yield* objects.create(path, utf8("first"))), "an object was created again with the same bytes")
    yield* expectBytes(yield* objects.get(path), utf8("first"), "an object that was created twice")
    yield* objects.put(`${folder}/two`, utf8("put"))
    yield* expect(!(yield* objects.create(`${folder}/two`, utf8("x"))), "an object that was put was created again")
    yield* objects.remove(path)
    yield* expect(yield* objects.create(path, utf8("third")), "an object that was removed could not be created")
    for (const round of upTo(3)) {
      const raced = `${folder}/race/${round}`
      yield* expectOneWinner(objects, raced, round, (mine) => objects.create(raced, mine))
    }
  })
}

/** @since 0.1.0 @category checks */
export const conditions: Check = {
  promised: "conditions",
  promise: `of ${racers} that replace one version of an object at once exactly one succeeds, where the store offers that`,
  folder: "conditions",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    const { versions } = objects
    if (versions === undefined) return
    const path = `${folder}/one`
    yield* expect((yield* versions.read(path)) === undefined, "an object that was never put has a version")
    yield* expectOneWinner(objects, path, -1, (mine) => versions.replace(path, mine, undefined))
    let older: string | undefined
    for (const round of upTo(3)) {
      const held = yield* versions.read(path)
      if (held === undefined) return yield* new PromiseBroken({ detail: "an object that was written is not there" })
      yield* expect(held.version !== older, `version ${round} of an object has the tag of another`)
      const over = older
      if (over !== undefined) {
        yield* expect(!(yield* versions.replace(path, utf8("late"), over)), "an older version was replaced")
        yield* expectBytes(yield* objects.get(path), held.bytes, "an object whose older version was to be replaced")
      }
      yield* expectOneWinner(objects, path, round, (mine) => versions.replace(path, mine, held.version))
      older = held.version
      yield* objects.put(path, utf8(`put in round ${round}`))
    }
    yield* objects.remove(path)
    yield* expect(!(yield* versions.replace(path, utf8("x"), older)), "a version that was removed was replaced")
  })
}

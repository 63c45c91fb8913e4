/**
 * The promises of an object store, each with what finds it broken.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Bytes from "../schema/Bytes.ts"
import {
  type Check,
  expect,
  expectAbsent,
  expectBytes,
  expectListed,
  PromiseBroken,
  patterned,
  upTo
} from "./StoreTestCheck.ts"
import { atomicPut, conditions, creating } from "./StoreTestRaces.ts"

const utf8 = Bytes.fromUtf8

const bytes: Check = {
  promised: "bytes",
  promise: "what was put comes back byte for byte, at once",
  folder: "bytes",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    for (const length of [0, 1, 13, 4096, 10_240, 65_537, 300_000]) {
      const path = `${folder}/${length}`
      yield* objects.put(path, patterned(length, length))
      yield* expectBytes(yield* objects.get(path), patterned(length, length), `an object of ${length} bytes`)
      const size = yield* objects.size(path)
      yield* expect(size === length, `an object of ${length} bytes is said to have ${size}`)
    }
    yield* objects.put(`${folder}/zeros`, new Uint8Array(10_240))
    yield* expectBytes(yield* objects.get(`${folder}/zeros`), new Uint8Array(10_240), "an object of zeros")
    yield* objects.sync
  })
}

const absence: Check = {
  promised: "absence",
  promise: "what is not there is answered as that, and a folder is no object",
  folder: "absence",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    yield* expectAbsent(objects, `${folder}/a/b`, "an object that was never put")
    yield* objects.put(`${folder}/a/b`, utf8("x"))
    yield* expectAbsent(objects, `${folder}/a`, "the folder of an object")
    yield* expectAbsent(objects, `${folder}/a/b/c`, "a path below an object")
    yield* objects.remove(`${folder}/a`)
    yield* expectBytes(yield* objects.get(`${folder}/a/b`), utf8("x"), "an object whose folder's name was removed")
  })
}

const replacing: Check = {
  promised: "replacing",
  promise: "after an object was replaced, its new bytes are read, each time",
  folder: "replacing",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    const path = `${folder}/one`
    for (const round of upTo(12)) {
      const version = patterned(1000 + ((round * 7919) % 997), round)
      yield* objects.put(path, version)
      yield* expectBytes(yield* objects.get(path), version, `version ${round} of an object`)
      yield* expect((yield* objects.size(path)) === version.length, `version ${round} of an object has an older size`)
    }
    yield* expectListed(objects, `${folder}/`, [path])
  })
}

const removing: Check = {
  promised: "removing",
  promise: "what was removed is gone at once, and can be put again",
  folder: "removing",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    const path = `${folder}/one`
    yield* objects.remove(path)
    for (const round of upTo(4)) {
      yield* objects.put(path, patterned(100, round))
      yield* objects.remove(path)
      yield* expectAbsent(objects, path, "an object that was removed")
      yield* objects.remove(path)
    }
    yield* objects.put(path, utf8("again"))
    yield* expectBytes(yield* objects.get(path), utf8("again"), "an object that was put again")
  })
}

const listing: Check = {
  promised: "listing",
  promise: "a listing has exactly what is there at that moment, by any prefix",
  folder: "listing",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    yield* expectListed(objects, `${folder}/`, [])
    const paths = upTo(40).map((index) => `${folder}/${index % 4}/${index}`)
    yield* Effect.forEach(paths, (path) => objects.put(path, utf8(path)), { concurrency: 8, discard: true })
    yield* expectListed(objects, `${folder}/`, paths)
    const inTwo = paths.filter((path) => path.startsWith(`${folder}/2/`))
    yield* expectListed(objects, `${folder}/2/`, inTwo)
    yield* expectListed(
      objects,
      `${folder}/2/1`,
      inTwo.filter((path) => path.startsWith(`${folder}/2/1`))
    )
    yield* expectListed(objects, `${folder}/nothing/`, [])
    const [gone = "", ...rest] = paths
    yield* objects.remove(gone)
    yield* expectListed(objects, `${folder}/`, rest)
    for (const index of upTo(8)) {
      yield* objects.put(`${folder}/new/${index}`, utf8("x"))
      yield* expectListed(
        objects,
        `${folder}/new/`,
        upTo(index + 1).map((each) => `${folder}/new/${each}`)
      )
    }
  })
}

const caseKept: Check = {
  promised: "case",
  promise: "names that differ in case alone are kept apart, where the store says so",
  folder: "case",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    if (!objects.features.caseSensitive) return
    const paths = [`${folder}/aB`, `${folder}/ab`, `${folder}/Ab`]
    for (const path of paths) yield* objects.put(path, utf8(path))
    for (const path of paths) yield* expectBytes(yield* objects.get(path), utf8(path), `the object ${path}`)
    yield* expectListed(objects, `${folder}/`, paths)
  })
}

const oddNames: Check = {
  promised: "odd names",
  promise: "objects are kept under exactly their names, whatever characters are in them",
  folder: "odd names",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    const names = [
      " a b ",
      "a+b",
      "a%20b",
      "%2e%2e",
      "~a!'()*",
      "a&b=c;d",
      "?x#y",
      '<a>"b"',
      "[1]{2}|3",
      "ä ö 🜁",
      "1e5",
      "007",
      "a,b:c@d$e^f`g",
      ".hidden",
      "a..b"
    ]
    const paths = names.map((name) => `${folder}/${name}`)
    for (const path of paths) yield* objects.put(path, utf8(path))
    for (const path of paths) yield* expectBytes(yield* objects.get(path), utf8(path), `the object ${path}`)
    yield* expectListed(objects, `${folder}/`, paths)
    for (const path of paths) yield* objects.remove(path)
    yield* expectListed(objects, `${folder}/`, [])
  })
}

const ranges: Check = {
  promised: "ranges",
  promise: "any part of an object can be read by itself, clamped to its end",
  folder: "ranges",
  run: Effect.fnUntraced(function* ({ folder, objects }) {
    const path = `${folder}/digits`
    const whole = utf8("0123456789abcdef")
    yield* objects.put(path, whole)
    const asked: ReadonlyArray<readonly [number, number | undefined]> = [
      [0, undefined],
      [5, undefined],
      [0, 5],
      [4, 4],
      [15, 1],
      [14, 100],
      [16, undefined],
      [16, 1],
      [1000, 4],
      [3, 0],
      [0, 0]
    ]
    for (const [offset, length] of asked) {
      const found = yield* objects.get(path, length === undefined ? { offset } : { offset, length })
      const wanted = whole.slice(offset, length === undefined ? undefined : offset + length)
      yield* expectBytes(found, wanted, `the part of ${length ?? "all"} bytes from ${offset}`)
    }
    yield* objects.put(`${folder}/empty`, new Uint8Array(0))
    yield* expectBytes(
      yield* objects.get(`${folder}/empty`, { offset: 0, length: 10 }),
      new Uint8Array(0),
      "a part of an empty object"
    )
    const missing = yield* Effect.flip(objects.get(`${folder}/none`, { offset: 0, length: 0 })).pipe(
      Effect.mapError(() => new PromiseBroken({ detail: "a part of no object can be read" }))
    )
    if (missing.reason !== "NotFound") return yield* missing
  })
}

const bigObjects: Check = {
  promised: "big objects",
  promise: "a big object comes back whole and in parts",
  folder: "big",
  run: Effect.fnUntraced(function* ({ bigBytes, folder, objects }) {
    const path = `${folder}/object`
    const whole = patterned(bigBytes, 77)
    yield* objects.put(path, whole)
    const size = yield* objects.size(path)
    yield* expect(size === bigBytes, `a big object of ${bigBytes} bytes is said to have ${size}`)
    yield* expectBytes(yield* objects.get(path), whole, "a big object")
    const middle = bigBytes >> 1
    for (const [offset, length] of [
      [0, 1000],
      [middle - 500, 1000],
      [bigBytes - 1000, 5000]
    ] as const) {
      const found = yield* objects.get(path, { offset, length })
      yield* expectBytes(found, whole.slice(offset, offset + length), `the part of a big object from ${offset}`)
    }
    yield* objects.put(path, patterned(10, 3))
    yield* expectBytes(yield* objects.get(path), patterned(10, 3), "a small object in the place of a big one")
  })
}

/** Every promise, the ones that others stand on first. @since 0.1.0 @category constants */
export const checks: ReadonlyArray<Check> = [
  bytes,
  absence,
  replacing,
  removing,
  listing,
  caseKept,
  oddNames,
  atomicPut,
  ranges,
  bigObjects,
  creating,
  conditions
]

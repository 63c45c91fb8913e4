/**
 * What an object store promises, tried out: one list of checks, for `cairn store test` and for the conformance suite of
 * every object store.
 *
 * A check can only find a promise broken. What it needs is written below a folder of its own and removed afterwards.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Service } from "../services/ObjectStore.ts"
import type { Check, Promised } from "./StoreTestCheck.ts"
import { checks } from "./StoreTestChecks.ts"

/** What a store can be for. @since 0.1.0 @category models */
export type Use = "blobs" | "packs" | "registry"

/** @since 0.1.0 @category constants */
export const uses: ReadonlyArray<Use> = ["blobs", "packs", "registry"]

/** What each use stands on; nothing of ours has odd names. */
const needs: Readonly<Record<Use, ReadonlyArray<Promised>>> = {
  blobs: ["bytes", "absence", "replacing", "removing", "listing", "case", "atomic put", "big objects"],
  packs: ["bytes", "absence", "replacing", "removing", "listing", "case", "atomic put", "big objects", "ranges"],
  registry: ["bytes", "absence", "replacing", "listing", "atomic put", "creating", "conditions"]
}

/** How a check came out: `kept` as promised, `broken`, or `failed` because the store answered with an error. @since 0.1.0 @category models */
export interface Finding {
  readonly promised: Promised
  /** The promise in a sentence. */
  readonly promise: string
  readonly outcome: "kept" | "broken" | "failed"
  readonly detail: string | undefined
  readonly millis: number
}

/** Whether a store can be used so, and if not, which promises it does not keep. @since 0.1.0 @category models */
export interface Fitness {
  readonly use: Use
  readonly fit: boolean
  readonly lacking: ReadonlyArray<Finding>
}

/** @since 0.1.0 @category models */
export interface Report {
  readonly store: string
  readonly findings: ReadonlyArray<Finding>
  readonly fitness: ReadonlyArray<Fitness>
  /** Objects of the test that could not be removed. */
  readonly left: ReadonlyArray<string>
}

/** @since 0.1.0 @category models */
export interface Options {
  /** The size of a big object in bytes; 24 MiB when absent. */
  readonly bigBytes?: number
  /** Told of each finding as soon as there is one. */
  readonly onFinding?: (finding: Finding) => Effect.Effect<void>
}

/** Which uses the findings allow. @since 0.1.0 @category getters */
export const fitness = (findings: ReadonlyArray<Finding>): ReadonlyArray<Fitness> =>
  uses.map((use) => {
    const lacking = findings.filter(({ outcome, promised }) => outcome !== "kept" && needs[use].includes(promised))
    return { use, fit: lacking.length === 0, lacking }
  })

/** Runs one check below `folder`. @since 0.1.0 @category programs */
export const runCheck = Effect.fnUntraced(function* (
  check: Check,
  objects: Service,
  folder: string,
  bigBytes = 24 << 20
) {
  const start = yield* Clock.currentTimeMillis
  const { detail, outcome } = yield* check.run({ objects, folder: `${folder}/${check.folder}`, bigBytes }).pipe(
    Effect.as({ outcome: "kept" as const, detail: undefined }),
    Effect.catchTags({
      PromiseBroken: (broken) => Effect.succeed({ outcome: "broken" as const, detail: broken.detail }),
      ObjectStoreError: (error) =>
        Effect.succeed({ outcome: "failed" as const, detail: `${error.operation}: ${error.detail}` })
    })
  )
  const finding: Finding = {
    promised: check.promised,
    promise: check.promise,
    outcome,
    detail,
    millis: (yield* Clock.currentTimeMillis) - start
  }
  return finding
})

/** The same store, which remembers what was written: a listing may be what is broken. */
const remembering = (objects: Service, written: Set<string>): Service => {
  const note = (path: string) => Effect.sync(() => written.add(path))
  const { versions } = objects
  return {
    ...objects,
    put: (path, bytes) => Effect.zipRight(note(path), objects.put(path, bytes)),
    create: (path, bytes) => Effect.zipRight(note(path), objects.create(path, bytes)),
    ...(versions === undefined
      ? {}
      : {
          versions: {
            ...versions,
            replace: (path, bytes, version) => Effect.zipRight(note(path), versions.replace(path, bytes, version))
          }
        })
  }
}

/**
 * Tries every promise of a store. A store that cannot be reached or written to at all is an error.
 *
 * @since 0.1.0
 * @category programs
 */
export const run = Effect.fn("StoreTest.run")(function* (objects: Service, options: Options = {}) {
  const parts = yield* Effect.replicateEffect(Random.nextIntBetween(0, 2 ** 32), 3)
  const folder = `cairn-store-test-${parts.map((part) => part.toString(16).padStart(8, "0")).join("")}`
  const written = new Set<string>()
  const left: Array<string> = []
  const store = remembering(objects, written)

  const removeAll = Effect.forEach(
    written,
    (path) =>
      // told in the report, by its path
      Effect.catchAll(objects.remove(path), () => Effect.sync(() => left.push(path))),
    { concurrency: 8, discard: true }
  )
  const tried = Effect.gen(function* () {
    // when not even this can be done, the error is all there is to say
    yield* store.put(`${folder}/first`, new Uint8Array(1))
    yield* store.get(`${folder}/first`)
    return yield* Effect.forEach(checks, (check) =>
      Effect.tap(
        runCheck(check, store, folder, options.bigBytes),
        (finding) => options.onFinding?.(finding) ?? Effect.void
      )
    )
  })
  const findings: ReadonlyArray<Finding> = yield* Effect.ensuring(tried, removeAll)
  const report: Report = { store: objects.name, findings, fitness: fitness(findings), left }
  return report
})

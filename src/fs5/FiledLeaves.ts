/**
 * Leaves whose blobs lie in files of this machine, opened where they lie: their bytes never come to the calling thread
 * (docs/format/fs5.md §6.3).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { TraversalContext } from "../schema/TraversalContext.ts"
import type { Bulk } from "../services/BlobStore.ts"
import type { FileOrder, Note, Target, WholeWrite } from "../services/LocalTree.ts"
import type { Filed, FiledLeaf } from "../services/Sealer.ts"
import * as LeafBatches from "./LeafBatches.ts"

/** What one call to the sealer is about: bytes as they are stored and in plain, and leaves. */
const jobStored = 2 * 1024 * 1024
const jobPlain = 4 * 1024 * 1024
const jobLeaves = 512

/**
 * Files of one job, and such jobs at the same time: each may hold a directory of its own open, for two batches at once, and
 * many systems let a program have no more than 1024 files open.
 */
const jobFiles = 64
const makingInFlight = 4

/** Jobs under way or waiting at the same time; the sealer bounds their bytes. */
const jobsInFlight = 6

interface Found {
  /** The number by which it was asked for. */
  readonly at: number
  readonly context: TraversalContext
  readonly leaf: FiledLeaf
}

/** Where leaves lie, without those that have to be read another way. */
const locate = (wanted: ReadonlyArray<LeafBatches.Wanted>): Effect.Effect<ReadonlyArray<Found>> =>
  Effect.suspend(() => {
    const stores = new Map<Bulk, Array<number>>()
    for (const [at, one] of wanted.entries()) {
      const { bulk } = one.pipeline.blobs
      if (bulk?.file === undefined || !LeafBatches.isUsual(one)) continue
      const some = stores.get(bulk)
      if (some === undefined) stores.set(bulk, [at])
      else some.push(at)
    }
    const found: Array<Found> = []
    return Effect.as(
      Effect.forEach(
        stores,
        ([bulk, some]) =>
          Effect.map(bulk.locate(some.map((at) => wanted[at]!.entry.content.hash)), (locations) => {
            const files = new Map<string, string>()
            for (const [index, at] of some.entries()) {
              const location = locations[index]
              if (location === undefined || bulk.file === undefined) continue
              const { length, object, offset } = location
              const file = files.get(object) ?? bulk.file(object)
              files.set(object, file)
              const { entry, pipeline } = wanted[at]!
              const leaf = {
                content: entry.content,
                isSkipped: entry.childContext !== undefined,
                file,
                offset,
                length
              }
              found.push({ at, context: pipeline.context, leaf })
            }
          }),
        { discard: true }
      ),
      found
    )
  })

const byPlace = (a: FiledLeaf, b: FiledLeaf): number =>
  a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1

/** Neighbours together, of one context, none much more than a job should be. */
const jobsOf = <A>(
  items: ReadonlyArray<A>,
  most: number,
  context: (item: A) => TraversalContext,
  leaves: (item: A) => ReadonlyArray<FiledLeaf>
): ReadonlyArray<ReadonlyArray<A>> => {
  const jobs: Array<Array<A>> = []
  const open = new Map<TraversalContext, { job: Array<A>; stored: number; plain: number; count: number }>()
  for (const item of items) {
    let stored = 0
    let plain = 0
    let count = 0
    for (const { content, length } of leaves(item)) {
      stored += length
      plain += Number(content.size)
      count += 1
    }
    let current = open.get(context(item))
    if (
      current === undefined ||
      current.stored + stored > jobStored ||
      current.plain + plain > jobPlain ||
      current.count + count > jobLeaves ||
      current.job.length >= most
    ) {
      current = { job: [], stored: 0, plain: 0, count: 0 }
      open.set(context(item), current)
      jobs.push(current.job)
    }
    current.job.push(item)
    current.stored += stored
    current.plain += plain
    current.count += count
  }
  return jobs
}

const single = (
  found: ReadonlyArray<Found>,
  length: number,
  run: (context: TraversalContext, job: ReadonlyArray<Found>) => Effect.Effect<ReadonlyArray<boolean>>
): Effect.Effect<ReadonlyArray<boolean>> =>
  Effect.suspend(() => {
    const done: Array<boolean> = new Array(length).fill(false)
    const sorted = [...found].sort((a, b) => byPlace(a.leaf, b.leaf))
    const jobs = jobsOf(
      sorted,
      jobLeaves,
      ({ context }) => context,
      ({ leaf }) => [leaf]
    )
    return Effect.as(
      Effect.forEach(
        jobs,
        (job) =>
          Effect.map(run(job[0]!.context, job), (answers) => {
            for (const [index, { at }] of job.entries()) done[at] = answers[index] === true
          }),
        { concurrency: jobsInFlight, discard: true }
      ),
      done
    )
  })

/**
 * Which of the leaves are what the tree says; those that are not, or that lie elsewhere, have to be read another way.
 *
 * @since 0.1.0
 * @category reading
 */
export const verify = (
  filed: Filed,
  wanted: ReadonlyArray<LeafBatches.Wanted>
): Effect.Effect<ReadonlyArray<boolean>> =>
  Effect.flatMap(locate(wanted), (found) =>
    single(found, wanted.length, (context, job) =>
      filed.verify(
        context,
        job.map(({ leaf }) => leaf)
      )
    )
  )

/**
 * Writes leaves into an open file at the positions that they have; which of them were, verified. The others have to be read
 * another way.
 *
 * @since 0.1.0
 * @category reading
 */
export const fill = (
  filed: Filed,
  wanted: ReadonlyArray<LeafBatches.Wanted & { readonly offset: bigint }>,
  descriptor: number
): Effect.Effect<ReadonlyArray<boolean>> =>
  Effect.flatMap(locate(wanted), (found) =>
    single(found, wanted.length, (context, job) =>
      filed.fill(
        context,
        job.map(({ leaf }) => leaf),
        descriptor,
        job.map(({ at }) => Number(wanted[at]!.offset))
      )
    )
  )

/** A file and what it is made of, in order. @since 0.1.0 @category models */
export interface Wanted extends Omit<WholeWrite, "bytes"> {
  readonly chunks: ReadonlyArray<LeafBatches.Wanted>
}

interface Whole {
  readonly at: number
  readonly context: TraversalContext
  readonly leaves: ReadonlyArray<FiledLeaf>
}

/**
 * Makes small files, each whole and verified; the notes of each that was made. Nothing stands for those that have to be
 * written another way.
 *
 * @since 0.1.0
 * @category reading
 */
export const make = (
  filed: Filed,
  orderAll: NonNullable<Target["orderAll"]>,
  wanted: ReadonlyArray<Wanted>
): Effect.Effect<ReadonlyArray<ReadonlyArray<Note> | undefined>> =>
  Effect.gen(function* () {
    const chunks = wanted.flatMap((file) => file.chunks)
    const leaves: Array<Found | undefined> = new Array(chunks.length).fill(undefined)
    for (const found of yield* locate(chunks)) leaves[found.at] = found
    const whole: Array<Whole> = []
    let next = 0
    for (const [at, file] of wanted.entries()) {
      const own = leaves.slice(next, next + file.chunks.length).filter((found) => found !== undefined)
      next += file.chunks.length
      const first = own[0]
      if (first === undefined || own.length < file.chunks.length) continue
      if (own.some(({ context }) => context !== first.context)) continue
      whole.push({ at, context: first.context, leaves: own.map(({ leaf }) => leaf) })
    }
    whole.sort((a, b) => byPlace(a.leaves[0]!, b.leaves[0]!))

    const made: Array<ReadonlyArray<Note> | undefined> = new Array(wanted.length).fill(undefined)
    const makeJob = (job: ReadonlyArray<Whole>) =>
      Effect.map(
        orderAll(
          job.map(({ at }) => wanted[at]!),
          (orders) => makeOrders(filed, job, orders)
        ),
        (answers) => {
          for (const [index, { at }] of job.entries()) made[at] = answers[index]
        }
      )
    const jobs = jobsOf(
      whole,
      jobFiles,
      ({ context }) => context,
      (file) => file.leaves
    )
    yield* Effect.forEach(jobs, makeJob, { concurrency: makingInFlight, discard: true })
    return made
  })

const makeOrders = (
  filed: Filed,
  job: ReadonlyArray<Whole>,
  orders: ReadonlyArray<{ readonly at: number; readonly order: FileOrder }>
) => {
  const all = orders.flatMap(({ at }, number) => job[at]!.leaves.map((leaf, piece) => ({ leaf, number, piece })))
  all.sort((a, b) => byPlace(a.leaf, b.leaf))
  const numbers = orders.map(({ at }): Array<number> => new Array(job[at]!.leaves.length))
  for (const [index, { number, piece }] of all.entries()) numbers[number]![piece] = index
  const context = job[0]!.context
  return filed.make(
    context,
    all.map(({ leaf }) => leaf),
    orders.map(({ order }, number) => ({ order, leaves: numbers[number]! }))
  )
}

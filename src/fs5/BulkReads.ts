/**
 * Reading blobs that lie side by side in larger objects with few reads.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Hash } from "../schema/Hash.ts"
import type { Bulk, Location } from "../services/BlobStore.ts"

/** A gap that is read along, because one read more would cost more. */
const widestGap = 64 * 1024

/** Bytes of one read, and of what is opened together: as it is stored, and in plain. */
const readLength = 1536 * 1024
const jobLength = 1024 * 1024
const jobPlain = 4 * 1024 * 1024

/** Reads of one group at the same time. */
const readsInFlight = 4

/** A blob and where it lies. @since 0.1.0 @category models */
export interface Found {
  /** The number by which it was asked for. */
  readonly at: number
  readonly location: Location
  /** Bytes of plaintext, or what else shall bound a group. */
  readonly size: number
}

/** One read. @since 0.1.0 @category models */
export interface Run {
  readonly object: string
  readonly offset: number
  readonly length: number
  readonly blobs: ReadonlyArray<Found>
}

/**
 * The reads that bring these blobs, in the order in which they lie, in groups of what is opened together. No read and no group
 * is much longer than it should be, unless a single blob is.
 *
 * @since 0.1.0
 * @category constructors
 */
export const plan = (found: ReadonlyArray<Found>): ReadonlyArray<ReadonlyArray<Run>> => {
  const sorted = [...found].sort(({ location: a }, { location: b }) =>
    a.object === b.object ? a.offset - b.offset : a.object < b.object ? -1 : 1
  )
  const jobs: Array<Array<Run>> = []
  let run: (Run & { length: number; blobs: Array<Found> }) | undefined
  let stored = 0
  let plain = 0
  for (const blob of sorted) {
    const { length, object, offset } = blob.location
    const job = jobs[jobs.length - 1]
    const isSameJob = job !== undefined && stored + length <= jobLength && plain + blob.size <= jobPlain
    const end = run === undefined ? 0 : run.offset + run.length
    const isSameRun =
      isSameJob &&
      run !== undefined &&
      run.object === object &&
      offset <= end + widestGap &&
      offset + length - run.offset <= readLength
    if (!isSameJob) {
      stored = 0
      plain = 0
    }
    stored += length
    plain += blob.size
    if (isSameRun && run !== undefined) {
      run.length = Math.max(end, offset + length) - run.offset
      run.blobs.push(blob)
      continue
    }
    run = { object, offset, length, blobs: [blob] }
    if (isSameJob) job.push(run)
    else jobs.push([run])
  }
  return jobs
}

/** A blob's bytes as they lie in the store. @since 0.1.0 @category models */
export interface Stored {
  readonly at: number
  /** Not verified yet; shares its buffer with others of the same group and nobody else. */
  readonly stored: Uint8Array
}

const readRun = (bulk: Bulk, { blobs, length, object, offset }: Run) =>
  // nothing is lost: blobs that are not answered are read one by one, which tells what is wrong
  Effect.map(Effect.either(bulk.read(object, offset, length)), (read) => {
    if (Either.isLeft(read)) return []
    const bytes = read.right
    return blobs.flatMap(({ at, location }): ReadonlyArray<Stored> => {
      const from = location.offset - offset
      return from + location.length > bytes.length ? [] : [{ at, stored: bytes.subarray(from, from + location.length) }]
    })
  })

/**
 * Where these blobs lie, as groups of reads; blobs that only `get` finds are in none.
 *
 * @since 0.1.0
 * @category reading
 */
export const groups = (
  bulk: Bulk,
  blobs: ReadonlyArray<{ readonly at: number; readonly hash: Hash; readonly size: number }>
): Effect.Effect<ReadonlyArray<ReadonlyArray<Run>>> =>
  Effect.map(bulk.locate(blobs.map(({ hash }) => hash)), (locations) =>
    plan(
      blobs.flatMap(({ at, size }, index): ReadonlyArray<Found> => {
        const location = locations[index]
        return location === undefined ? [] : [{ at, location, size }]
      })
    )
  )

/** The blobs of one group, without those that did not come whole. @since 0.1.0 @category reading */
export const readGroup = (bulk: Bulk, group: ReadonlyArray<Run>): Effect.Effect<ReadonlyArray<Stored>> =>
  Effect.map(
    Effect.forEach(group, (run) => readRun(bulk, run), { concurrency: readsInFlight }),
    (runs) => runs.flat()
  )

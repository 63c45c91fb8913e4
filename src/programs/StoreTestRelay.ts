/**
 * What a store that keeps blobs and entries, but no paths, promises: tried out for `cairn store test`.
 *
 * Its blobs are removed afterwards where it removes at all. One entry of some 150 bytes stays, under a key that nobody will
 * ever use again: entries cannot be removed.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as VaultId from "../schema/VaultId.ts"
import type * as BlobStore from "../services/BlobStore.ts"
import { Crypto } from "../services/Crypto.ts"
import type * as Registry from "../services/Registry.ts"
import * as StoreTest from "./StoreTest.ts"
import { expect, expectBytes, PromiseBroken, type Promised, upTo } from "./StoreTestCheck.ts"

/** What is tried. @since 0.1.0 @category models */
export interface Kept {
  readonly blobs: BlobStore.Service
  readonly registry: Registry.Service
}

interface Check {
  readonly promised: Promised
  readonly promise: string
  readonly run: Effect.Effect<string | undefined, PromiseBroken | BlobStore.BlobStoreError | Registry.RegistryError>
}

const racers = 20

/**
 * Tries every promise. A store that cannot be reached or written to at all is an error.
 *
 * @since 0.1.0
 * @category programs
 */
export const run = Effect.fn("StoreTestRelay.run")(function* (
  { blobs, registry }: Kept,
  options: StoreTest.Options = {}
) {
  const { primitives, randomBytes } = yield* Crypto
  const put = new Map<string, Hash.Hash>()
  const newBlob = Effect.fnUntraced(function* (length: number) {
    const head = yield* randomBytes(Math.min(length, 32))
    const bytes = new Uint8Array(length)
    bytes.set(head)
    return { bytes, hash: primitives.blake3(bytes) }
  })
  const keep = Effect.fnUntraced(function* (length: number) {
    const blob = yield* newBlob(length)
    put.set(Hash.toHex(blob.hash), blob.hash)
    yield* blobs.put(blob.hash, blob.bytes)
    yield* blobs.sync
    return blob
  })
  const seed = yield* randomBytes(32)
  const vaultId = VaultId.unsafeFromBytes(yield* randomBytes(16))
  const entry = (revision: bigint, racer: number) =>
    RegistryEntry.sign(primitives, seed, {
      vaultId,
      revision,
      hash: primitives.blake3(Bytes.fromUtf8(`racer ${racer} of revision ${revision}`))
    })

  const race = Effect.fnUntraced(function* (revision: bigint, over: ReadonlyArray<RegistryEntry.RegistryEntry>) {
    const written = upTo(racers).map((racer) => Either.getOrThrow(entry(revision, racer)))
    const outcomes = yield* Effect.forEach(written, (one) => registry.set(one, over), { concurrency: "unbounded" })
    const winners = written.filter((_, racer) => outcomes[racer]?._tag === "Stored")
    const [winner] = winners
    yield* expect(winners.length === 1, `${winners.length} of ${racers} writers at once were told to be the first`)
    const held = winner === undefined ? [] : yield* registry.entries(winner.key)
    yield* expect(
      winner !== undefined && held.length === 1 && Bytes.equals(held[0]?.hash ?? Hash.zero, winner.hash),
      "the entry that was kept is not the winner's"
    )
    return held
  })

  const checks: ReadonlyArray<Check> = [
    {
      promised: "bytes",
      promise: "what was put comes back byte for byte, at once",
      run: Effect.gen(function* () {
        for (const length of [0, 1, 4096, 65_537]) {
          const { bytes, hash } = yield* keep(length)
          yield* expect(yield* blobs.has(hash), `a blob of ${length} bytes is said not to be there`)
          yield* expectBytes(yield* blobs.get(hash), bytes, `a blob of ${length} bytes`)
        }
        return undefined
      })
    },
    {
      promised: "absence",
      promise: "what is not there is answered as that",
      run: Effect.gen(function* () {
        const { hash } = yield* newBlob(32)
        yield* expect(!(yield* blobs.has(hash)), "a blob that was never put is said to be there")
        const error = yield* Effect.flip(blobs.get(hash)).pipe(
          Effect.mapError(() => new PromiseBroken({ detail: "a blob that was never put can be read" }))
        )
        if (error.reason !== "Missing") return yield* error
        return undefined
      })
    },
    {
      promised: "listing",
      promise: "every blob is listed",
      run: Effect.gen(function* () {
        const found = yield* Stream.runFold(blobs.list, 0, (count, hash) =>
          put.has(Hash.toHex(hash)) ? count + 1 : count
        )
        yield* expect(found === put.size, `${found} of ${put.size} blobs are in the listing`)
        return undefined
      })
    },
    {
      promised: "big objects",
      promise: "a large blob comes back whole",
      run: Effect.gen(function* () {
        const { bytes, hash } = yield* keep(options.bigBytes ?? 24 << 20)
        yield* expectBytes(yield* blobs.get(hash), bytes, `a blob of ${bytes.length} bytes`)
        return undefined
      })
    },
    {
      promised: "conditions",
      promise: `of ${racers} that publish one revision at once exactly one succeeds`,
      run: Effect.gen(function* () {
        let held: ReadonlyArray<RegistryEntry.RegistryEntry> = []
        for (const round of upTo(3)) held = yield* race(BigInt(round + 1), held)
        const late = Either.getOrThrow(entry(2n, -1))
        yield* expect((yield* registry.set(late, held))._tag === "Lost", "an older revision replaced a newer one")
        return undefined
      })
    },
    {
      promised: "removing",
      promise: "what was removed is gone at once, where anything is ever removed",
      run: Effect.gen(function* () {
        for (const [hex, hash] of put) {
          const removed = yield* Effect.either(blobs.remove(hash))
          if (Either.isLeft(removed) && removed.left.reason === "Denied")
            return "nothing is ever removed here, so the blobs of this test stay"
          if (Either.isLeft(removed)) return yield* removed.left
          put.delete(hex)
          yield* expect(!(yield* blobs.has(hash)), "a blob that was removed is said to be there")
        }
        return undefined
      })
    }
  ]

  const runCheck = Effect.fnUntraced(function* ({ promise, promised, run }: Check) {
    const start = yield* Clock.currentTimeMillis
    const failed = (error: { readonly detail: string }) =>
      Effect.succeed({ outcome: "failed" as const, detail: error.detail })
    const { detail, outcome } = yield* Effect.map(run, (told) => ({ outcome: "kept" as const, detail: told })).pipe(
      Effect.catchTags({
        PromiseBroken: (broken) => Effect.succeed({ outcome: "broken" as const, detail: broken.detail }),
        BlobStoreError: failed,
        RegistryError: failed
      })
    )
    const millis = (yield* Clock.currentTimeMillis) - start
    const finding: StoreTest.Finding = { promised, promise, outcome, detail, millis }
    return finding
  })

  // when not even this can be done, the error is all there is to say
  yield* keep(64)
  const findings = yield* Effect.forEach(checks, (check) =>
    Effect.tap(runCheck(check), (finding) => options.onFinding?.(finding) ?? Effect.void)
  ).pipe(
    // what a check that failed left behind; what cannot be removed is told in the report
    Effect.ensuring(Effect.forEach(put.values(), (hash) => Effect.ignore(blobs.remove(hash)), { discard: true }))
  )
  const report: StoreTest.Report = {
    store: blobs.name,
    findings,
    fitness: StoreTest.fitness(findings).filter(({ use }) => use !== "packs"),
    left: []
  }
  return report
})

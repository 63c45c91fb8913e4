/**
 * Sealing and unsealing on worker threads, so that reading, storing and encoding go on side by side.
 *
 * @since 0.1.0
 */
import { availableParallelism } from "node:os"
import { Worker } from "node:worker_threads"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TraversalContext from "../schema/TraversalContext.ts"
import { Crypto } from "../services/Crypto.ts"
import { type Filed, type FiledLeaf, SealError, type SealedChunk, Sealer, type Service } from "../services/Sealer.ts"
import * as FiledLeaves from "./internal/filedLeaves.ts"
import * as Gathering from "./internal/gathering.ts"
import * as Heap from "./internal/heap.ts"
import * as Memory from "./internal/memory.ts"
import * as Native from "./internal/native.ts"
import { release } from "./internal/release.ts"
import * as Protocol from "./internal/sealerProtocol.ts"
import * as Unsealing from "./internal/unsealing.ts"
import * as SealerInline from "./SealerInline.ts"

/** @since 0.1.0 @category models */
export interface Options {
  /** Threads; as many as there are cores, at most 4, when absent. With less than two everything is done on the calling thread. */
  readonly workers?: number
  /** Bytes that are read and sealed, each counted, on the calling thread before any worker is started: a small backup is over by then. */
  readonly inlineBytes?: number
  /** What the workers compute with; as `CAIRN_CRYPTO` says when absent. */
  readonly implementation?: Protocol.Start["implementation"]
  /** The workers' program; the one beside this module when absent. */
  readonly script?: URL
}

const mostWorkers = 4
const defaultInlineBytes = 8 * 1024 * 1024

/** Megabytes for the new objects of a worker, which makes next to none but buffers. */
const workerYoungMb = 6

/** Whoever works for so long without threads bounds its heap too, before V8 lets it grow to four times what is alive. */
const boundAfter = "500 millis"

/** Plaintext that may be with the workers, in all, and the unit it is counted in. */
const bytesInFlight = 12 * 1024 * 1024
const permitBytes = 64 * 1024

const threadEnded = "its worker thread ended"

type Answer = Exclude<Protocol.Reply, Protocol.Ready>
type Waiting = (reply: Answer) => void

/** Spare buffers that are kept for workers, and sent along with a request. */
const mostSpare = 4
const sparesEach = 2

interface Hand {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
  readonly contexts: Set<number>
  /** Bytes that it has not answered yet. */
  load: number
  ready: boolean
  gone: boolean
}

/** Beside this module where it is built; from sources there is none that Node can load, and all is sealed on this thread. */
const builtScript = import.meta.url.endsWith(".ts") ? undefined : new URL("./internal/sealerWorker.js", import.meta.url)

/**
 * A sealer over worker threads, which end with the scope. Where none can be started everything is sealed on the calling
 * thread; a thread that dies while it works makes its batches `Unavailable`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): Effect.Effect<Service, never, Crypto | Scope.Scope> =>
  Effect.gen(function* () {
    const { primitives } = yield* Crypto
    const inline = SealerInline.make(primitives)
    const script = options.script ?? builtScript
    const wished = options.workers ?? Math.min(availableParallelism(), mostWorkers)
    const count = script === undefined || wished < 2 ? 0 : wished

    let hands: ReadonlyArray<Hand> | undefined
    let inlineLeft = options.inlineBytes ?? defaultInlineBytes
    let lastRequest = 0
    const numbers = new WeakMap<TraversalContext.TraversalContext, number>()
    let lastNumber = 0
    const total = Math.floor(bytesInFlight / permitBytes)
    const room = Effect.unsafeMakeSemaphore(total)

    /** Who waits for the first thread to be ready. */
    let sleeping: Array<() => void> = []
    const wake = () => {
      const woken = sleeping
      sleeping = []
      for (const resume of woken) resume()
    }

    const hire = (script: URL): Hand => {
      const worker = new Worker(script, {
        workerData: { implementation: options.implementation ?? "auto" } satisfies Protocol.Start,
        // buffers that are garbage wait for twice as much as half of this before anybody looks for them
        resourceLimits: { maxYoungGenerationSizeMb: workerYoungMb }
      })
      const hand: Hand = { worker, waiting: new Map(), contexts: new Set(), load: 0, ready: false, gone: false }
      const decided = () => {
        if (hands?.every(({ gone, ready }) => ready || gone)) Heap.bound("threads")
      }
      const lose = (detail: string) => {
        hand.gone = true
        decided()
        wake()
        for (const [id, resume] of hand.waiting) resume({ id, reason: "Unavailable", detail })
        hand.waiting.clear()
      }
      worker.on("message", (reply: Protocol.Reply) => {
        if ("ready" in reply) {
          hand.ready = true
          decided()
          wake()
        } else {
          const resume = hand.waiting.get(reply.id)
          hand.waiting.delete(reply.id)
          resume?.(reply)
        }
      })
      // nothing is lost where it dies before it is ready: all is sealed on the calling thread then
      worker.on("error", (cause) => lose(`its worker thread failed (${cause.message})`))
      worker.on("exit", () => lose(threadEnded))
      return hand
    }

    yield* Effect.addFinalizer(() =>
      Effect.forEach(hands ?? [], ({ worker }) => Effect.promise(() => worker.terminate()), {
        concurrency: "unbounded",
        discard: true
      })
    )

    /** The worker with the least to do. */
    const free = (): Hand | undefined => {
      let found: Hand | undefined
      for (const hand of hands ?? [])
        if (hand.ready && !hand.gone && (found === undefined || hand.load < found.load)) found = hand
      return found
    }

    const send = (
      hand: Hand,
      context: TraversalContext.TraversalContext,
      bytes: number,
      given: ReadonlyArray<Uint8Array>,
      make: (head: Pick<Protocol.SealRequest, "id" | "context" | "encoded">) => Protocol.Request
    ) =>
      Effect.async<Answer>((resume) => {
        // it died since it was chosen, and answers nobody any more
        if (hand.gone) {
          resume(Effect.succeed({ id: 0, reason: "Unavailable", detail: threadEnded }))
          return
        }
        const number = numbers.get(context) ?? ++lastNumber
        numbers.set(context, number)
        const encoded = hand.contexts.has(number) ? undefined : TraversalContext.encode(context)
        hand.contexts.add(number)
        const request = make({ id: ++lastRequest, context: number, encoded })
        const buffers = new Set<ArrayBuffer>("spare" in request ? request.spare : [])
        for (const { buffer } of given) if (buffer instanceof ArrayBuffer) buffers.add(buffer)
        hand.load += bytes
        Heap.boundAgain()
        hand.waiting.set(request.id, (reply) => {
          hand.load -= bytes
          resume(Effect.succeed(reply))
        })
        hand.worker.postMessage(request, [...buffers])
      })

    /** The memory of blobs that are stored, for the next ones. */
    const spare: Array<ArrayBuffer> = []
    const takeSpare = () => spare.splice(0, sparesEach)
    const keep = (buffers: Iterable<ArrayBufferLike>) => {
      const others: Array<Uint8Array> = []
      for (const buffer of buffers) {
        const isAlike = buffer instanceof ArrayBuffer && buffer.byteLength === Gathering.bufferLength
        if (isAlike && spare.length < mostSpare && !spare.includes(buffer)) spare.push(buffer)
        else others.push(new Uint8Array(buffer))
      }
      release(others)
    }

    const hireAll = () => {
      if (script === undefined || hands !== undefined) return
      Heap.unbound()
      hands = Array.from({ length: count }, () => hire(script))
    }
    yield* Effect.forkScoped(
      Effect.delay(
        Effect.sync(() => {
          if (hands === undefined) Heap.bound("alone")
        }),
        boundAfter
      )
    )

    /** Whether no worker is ready, and one is going to be. */
    const isComing = () => free() === undefined && (hands ?? []).some((hand) => !hand.ready && !hand.gone)
    /** Over when a worker is ready, or when none is going to be. */
    const ready = Effect.async<void>((resume) => {
      if (isComing()) sleeping.push(() => resume(Effect.void))
      else resume(Effect.void)
    })
    /** While all is done here, nobody hears that a worker is ready: lets that be heard. */
    const listen = Effect.async<void>((resume) => {
      if (isComing()) setImmediate(() => resume(Effect.void))
      else resume(Effect.void)
    })

    /** Has a worker do it when one is free to, as soon as there is room for so many bytes; otherwise does it here. */
    const run = <A, E>(
      bytes: number,
      here: Effect.Effect<A, E>,
      there: (hand: Hand) => Effect.Effect<A, E>
    ): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        if (hands === undefined) {
          inlineLeft -= bytes
          if (inlineLeft < 0) hireAll()
        }
        const permits = Math.min(total, Math.ceil(bytes / permitBytes) || 1)
        const either = Effect.suspend(() => {
          const hand = free()
          return hand === undefined ? here : there(hand)
        })
        const inTurn = Effect.suspend(() => (free() === undefined ? here : room.withPermits(permits)(either)))
        return isComing() ? Effect.zipRight(listen, inTurn) : inTurn
      })

    /** What making files on this thread needs; threads load their own. */
    const native = yield* Effect.cached(
      Effect.map(Effect.promise(Native.load), (loaded) => ("missing" in loaded ? undefined : loaded))
    )

    const runFiled = (
      context: TraversalContext.TraversalContext,
      leaves: ReadonlyArray<FiledLeaf>,
      purpose: FiledLeaves.Purpose
    ): Effect.Effect<FiledLeaves.FiledReply | undefined> =>
      Effect.suspend(() => {
        let bytes = 0
        for (const { content, length } of leaves) bytes += Math.max(length, Number(content.size))
        const here = Effect.map("orders" in purpose ? native : Effect.succeed(undefined), (hands) =>
          FiledLeaves.perform(
            primitives,
            hands,
            context,
            FiledLeaves.request({ id: 0, context: 0, encoded: undefined }, leaves, purpose)
          )
        )
        // on this thread it would only keep the next from being sent
        return Effect.zipRight(
          ready,
          run(bytes, here, (hand) =>
            Effect.map(
              send(hand, context, bytes, [], (head) => FiledLeaves.request(head, leaves, purpose)),
              // with a thread that died nothing is done: whoever wants it does it by itself
              (reply) => ("done" in reply ? reply : undefined)
            )
          )
        )
      })
    const done = (leaves: ReadonlyArray<unknown>) => (reply: FiledLeaves.FiledReply | undefined) =>
      leaves.map((_, at) => reply?.done[at] === 1)
    const runGather = (
      context: TraversalContext.TraversalContext,
      bytes: number,
      source: Gathering.Source
    ): Effect.Effect<Gathering.Gathered | undefined> => {
      const needsNative = "paths" in source && source.attributes
      // what is read and sealed goes through three threads
      if (hands !== undefined) void Memory.giveBack()
      const here = Effect.map(needsNative ? native : Effect.succeed(undefined), (hands) =>
        Gathering.perform(primitives, hands, context, { id: 0, context: 0, encoded: undefined, source, spare: [] })
      )
      return run(bytes, here, (hand) =>
        Effect.map(
          send(hand, context, bytes, [], (head) => ({ ...head, source, spare: takeSpare() })),
          // with a thread that died nothing is read: whoever wants it does it by itself
          (reply) => ("ends" in reply ? reply : undefined)
        )
      )
    }
    const filed: Filed = {
      gather: (context, files, { attributes }) =>
        Effect.suspend(() => {
          let bytes = 0
          for (const { expect } of files) bytes += Number(expect.size)
          return Effect.map(runGather(context, bytes, Gathering.filesOf(files, attributes)), (reply) =>
            Gathering.gatheredFiles(files.length, reply)
          )
        }),
      gatherPart: (context, descriptor, part) =>
        Effect.uninterruptible(
          Effect.map(runGather(context, part.length, { descriptor, ...part }), (reply) =>
            Gathering.gatheredPart(part, reply)
          )
        ),
      verify: (context, leaves) => Effect.map(runFiled(context, leaves, { verify: true }), done(leaves)),
      fill: (context, leaves, descriptor, positions) =>
        Effect.uninterruptible(
          Effect.map(runFiled(context, leaves, { descriptor, positions: Float64Array.from(positions) }), done(leaves))
        ),
      make: (context, leaves, orders) =>
        Effect.uninterruptible(
          Effect.map(runFiled(context, leaves, { orders }), (reply) => {
            const notes = new Map(reply?.notes)
            return orders.map((_, at) => (reply?.done[at] === 1 ? (notes.get(at) ?? []) : undefined))
          })
        ),
      expect: (bytes) =>
        Effect.sync(() => {
          if (bytes > inlineLeft) hireAll()
        })
    }
    if (count === 0) return { ...inline, filed }

    return {
      filed,
      recycle: (blobs) => {
        keep(new Set(blobs.map(({ stored }) => stored.buffer)))
      },
      seal: (context, chunks, hashes) =>
        Effect.suspend(() => {
          const lengths = chunks.map((chunk) => chunk.length)
          const bytes = lengths.reduce((sum, length) => sum + length, 0)
          const here = Effect.tap(inline.seal(context, chunks, hashes), (sealed) =>
            Effect.sync(() => {
              // a blob may be its chunk itself
              const used = new Set(sealed.map(({ stored }) => stored.buffer))
              keep(new Set(chunks.flatMap(({ buffer }) => (used.has(buffer) ? [] : [buffer]))))
            })
          )
          return run<ReadonlyArray<SealedChunk>, SealError>(bytes, here, (hand) =>
            Effect.flatMap(
              send(hand, context, bytes, chunks, (head) => Protocol.sealRequest(head, chunks, hashes, takeSpare())),
              (reply) =>
                "stored" in reply
                  ? Effect.succeed(Protocol.leaves(context, lengths, reply))
                  : new SealError(
                      "reason" in reply ? reply : { reason: "Unavailable", detail: "its worker thread is confused" }
                    )
            )
          )
        }),
      unseal: (context, leaves, options) =>
        Effect.suspend(() => {
          const verifyOnly = options?.verifyOnly === true
          const blobs = leaves.map(({ stored }) => stored)
          let bytes = 0
          for (const { content, stored } of leaves) bytes += Math.max(stored.length, Number(content.size))
          return run(bytes, inline.unseal(context, leaves, options), (hand) =>
            Effect.map(
              send(hand, context, bytes, blobs, (head) => Unsealing.request(head, leaves, verifyOnly)),
              (reply) =>
                // the bytes are gone with a thread that died: who wants them reads them again
                "lengths" in reply ? Unsealing.leaves(reply, verifyOnly) : leaves.map(() => undefined)
            )
          )
        })
    }
  })

/** @since 0.1.0 @category layers */
export const layer = (options: Options = {}): Layer.Layer<Sealer, never, Crypto> => Layer.scoped(Sealer, make(options))

/** With the cryptography that `CAIRN_CRYPTO` asks for; anything but "portable" is "auto". @since 0.1.0 @category layers */
export const layerConfig: Layer.Layer<Sealer, never, Crypto> = Layer.scoped(
  Sealer,
  Config.string("CAIRN_CRYPTO").pipe(
    Config.withDefault("auto"),
    // whether it is a word that is known, the layer of cryptography says
    Effect.orElseSucceed(() => "auto"),
    Effect.flatMap((word) => make({ implementation: word === "portable" ? "portable" : "auto" }))
  )
)

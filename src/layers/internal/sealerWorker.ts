/**
 * The thread that encodes for `SealerWorkers`: no Effect but the loading of the libraries.
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TraversalContext from "../../schema/TraversalContext.ts"
import * as CryptoAuto from "../CryptoAuto.ts"
import * as FiledLeaves from "./filedLeaves.ts"
import * as Gathering from "./gathering.ts"
import * as Native from "./native.ts"
import { prepare, release } from "./release.ts"
import * as Protocol from "./sealerProtocol.ts"
import * as Unsealing from "./unsealing.ts"

const start: Protocol.Start = workerData
const port = parentPort
if (port === null) throw new Error("this is a worker thread")

/** What making files needs, once it was asked for; nothing where it cannot be had, where none are ordered either. */
let native: Promise<Native.Native | undefined> | undefined
const loadNative = () => {
  native ??= Native.load().then((loaded) => ("missing" in loaded ? undefined : loaded))
  return native
}

/** What nobody uses any more, to read and to seal into. */
const spare: Array<ArrayBuffer> = []
const mostSpare = 4
const bufferOf = (length: number): Uint8Array =>
  length > Gathering.bufferLength
    ? new Uint8Array(length)
    : new Uint8Array(spare.pop() ?? new ArrayBuffer(Gathering.bufferLength))
const keep = (buffers: ReadonlyArray<ArrayBufferLike>) => {
  const others: Array<Uint8Array> = []
  for (const buffer of buffers) {
    const isAlike = buffer instanceof ArrayBuffer && buffer.byteLength === Gathering.bufferLength
    if (isAlike && spare.length < mostSpare) spare.push(buffer)
    else others.push(new Uint8Array(buffer))
  }
  release(others)
}

const contexts = new Map<number, TraversalContext.TraversalContext>()

prepare()
Effect.runPromise(CryptoAuto.make(start)).then(({ primitives }) => {
  port.on("message", (request: Protocol.Request) => {
    if (request.encoded !== undefined)
      contexts.set(request.context, Either.getOrThrow(TraversalContext.decode(request.encoded)))
    const context = contexts.get(request.context)
    if ("spare" in request) keep(request.spare)
    // an error that nobody catches ends the thread, which its owner is told
    if (context === undefined) throw new Error("a context came without its bytes")
    const answer = (reply: Protocol.Reply, moved: ReadonlyArray<Uint8Array | Float64Array>) =>
      port.postMessage(
        reply,
        moved.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []))
      )
    if ("source" in request) {
      const perform = (hands: Native.Native | undefined) => {
        const reply = Gathering.perform(primitives, hands, context, request, bufferOf)
        answer(reply, [reply.bytes, reply.ends, reply.counts, reply.hashes])
      }
      if ("paths" in request.source && request.source.attributes) void loadNative().then(perform)
      else perform(undefined)
    } else if ("files" in request) {
      const perform = (hands: Native.Native | undefined) => {
        const reply = FiledLeaves.perform(primitives, hands, context, request)
        answer(reply, [reply.done])
      }
      if ("orders" in request.purpose) void loadNative().then(perform)
      else perform(undefined)
    } else if ("blobs" in request) {
      const reply = Unsealing.answer(primitives, context, request)
      answer(reply, [reply.lengths, reply.plaintexts])
      release(request.blobs)
    } else {
      const reply = Protocol.seal(primitives, context, request, bufferOf)
      answer(reply, "stored" in reply ? [reply.stored, reply.hashes, reply.facts] : [])
      keep(request.buffers)
    }
  })
  port.postMessage({ ready: true } satisfies Protocol.Ready)
})

/**
 * The thread that encodes for `SealerWorkers`: no Effect but the loading of the libraries.
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TraversalContext from "../../schema/TraversalContext.ts"
import * as CryptoAuto from "../CryptoAuto.ts"
import * as FiledLeaves from "./filedLeaves.ts"
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

const contexts = new Map<number, TraversalContext.TraversalContext>()

prepare()
Effect.runPromise(CryptoAuto.make(start)).then(({ primitives }) => {
  port.on("message", (request: Protocol.Request) => {
    if (request.encoded !== undefined)
      contexts.set(request.context, Either.getOrThrow(TraversalContext.decode(request.encoded)))
    const context = contexts.get(request.context)
    // an error that nobody catches ends the thread, which its owner is told
    if (context === undefined) throw new Error("a context came without its bytes")
    const answer = (reply: Protocol.Reply, moved: ReadonlyArray<Uint8Array | Float64Array>) =>
      port.postMessage(
        reply,
        moved.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []))
      )
    if ("files" in request) {
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
      const reply = Protocol.seal(primitives, context, request)
      answer(reply, "stored" in reply ? [reply.stored, reply.hashes, reply.facts] : [])
      release(request.chunks)
    }
  })
  port.postMessage({ ready: true } satisfies Protocol.Ready)
})

/**
 * The thread that encodes for `SealerWorkers`: no Effect but the loading of the libraries.
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TraversalContext from "../../schema/TraversalContext.ts"
import * as CryptoAuto from "../CryptoAuto.ts"
import { release } from "./release.ts"
import * as Protocol from "./sealerProtocol.ts"
import * as Unsealing from "./unsealing.ts"

const start: Protocol.Start = workerData
const port = parentPort
if (port === null) throw new Error("this is a worker thread")

const contexts = new Map<number, TraversalContext.TraversalContext>()

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
    if ("blobs" in request) {
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

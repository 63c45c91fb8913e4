/**
 * The thread that encodes for `SealerWorkers`: no Effect but the loading of the libraries.
 */
import { parentPort, workerData } from "node:worker_threads"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as TraversalContext from "../../schema/TraversalContext.ts"
import * as CryptoAuto from "../CryptoAuto.ts"
import * as Protocol from "./sealerProtocol.ts"

const start: Protocol.Start = workerData
const port = parentPort
if (port === null) throw new Error("this is a worker thread")

const { primitives } = await Effect.runPromise(CryptoAuto.make(start))
const contexts = new Map<number, TraversalContext.TraversalContext>()

port.on("message", (request: Protocol.SealRequest) => {
  if (request.encoded !== undefined)
    contexts.set(request.context, Either.getOrThrow(TraversalContext.decode(request.encoded)))
  const context = contexts.get(request.context)
  // an error that nobody catches ends the thread, which its owner is told
  if (context === undefined) throw new Error("a context came without its bytes")
  const reply = Protocol.seal(primitives, context, request)
  const moved = "stored" in reply ? [reply.stored, reply.hashes, reply.facts] : []
  port.postMessage(
    reply,
    moved.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []))
  )
})
port.postMessage({ ready: true } satisfies Protocol.Ready)

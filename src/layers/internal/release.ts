/**
 * Giving the memory of large buffers back at once. A garbage collector that sees only small objects lets hundreds of them pile up.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads"

let sink: MessagePort | undefined

const sinkOf = (): MessagePort => {
  if (sink === undefined) {
    const { port1, port2 } = new MessageChannel()
    // what is moved to a port whose other end is closed is dropped there and then
    port2.close()
    port1.unref()
    sink = port1
  }
  return sink
}

/**
 * To be called by a thread before it has anything to do: the other end is closed only at the thread's next pause, and until then
 * nothing that is released is free.
 */
export const prepare = (): void => {
  sinkOf()
}

/**
 * Frees the buffers that these views lie in, which nobody may look at any more: they are empty from now on. Never for bytes that
 * were given to a file or a socket: the system may still be reading them when the answer is here.
 */
export const release = (views: Iterable<ArrayBufferView>): void => {
  const buffers = new Set<ArrayBuffer>()
  for (const { buffer } of views) if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffers.add(buffer)
  if (buffers.size === 0) return
  try {
    sinkOf().postMessage(undefined, [...buffers])
  } catch {
    // one that cannot be moved, as the memory of a wasm instance: nothing is lost, they are collected some time
  }
}

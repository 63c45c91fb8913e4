/** A double on a port of this machine, for what only real connections do. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import type { Double } from "./s3Double.ts"

const answer = (double: Double, endpoint: () => string) => async (asked: IncomingMessage, response: ServerResponse) => {
  try {
    const parts: Array<Buffer> = []
    for await (const part of asked) parts.push(part)
    const headers = new Headers()
    for (const [name, value] of Object.entries(asked.headers)) headers.set(name, String(value))
    const body = Buffer.concat(parts)
    const given = await double.fetch(`${endpoint()}${asked.url ?? ""}`, {
      method: asked.method ?? "GET",
      headers,
      ...(body.length === 0 ? {} : { body: new Uint8Array(body) })
    })
    const bytes = new Uint8Array(await given.arrayBuffer())
    response.writeHead(given.status, [...given.headers].flat())
    const announced = given.headers.get("content-length")
    if (asked.method === "HEAD" || announced === null || Number(announced) === bytes.length) return response.end(bytes)
    response.write(bytes, () => asked.socket.destroy())
  } catch {
    // whatever the double rejects with is a connection that breaks
    asked.socket.destroy()
  }
}

/** The endpoint of a server that answers as the double does, until the scope ends. */
export const serve = (double: Double) =>
  Effect.acquireRelease(
    Effect.async<{ endpoint: string; close: () => void }>((resume) => {
      let endpoint = ""
      const server = createServer(answer(double, () => endpoint))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        endpoint = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
        resume(
          Effect.succeed({
            endpoint,
            close: () => {
              server.close()
              server.closeAllConnections()
            }
          })
        )
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ endpoint }) => endpoint))

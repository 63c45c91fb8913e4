/** A line to a port of this machine on which every byte is recorded. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net"

export interface Wire {
  readonly port: number
  /** Everything that went over it, in both directions. */
  readonly recorded: () => Buffer
  readonly stop: () => void
}

export const record = (to: number): Promise<Wire> =>
  new Promise((resolve) => {
    const parts: Array<Buffer> = []
    const sockets = new Set<Socket>()
    const carry = (from: Socket, into: Socket) => {
      sockets.add(from)
      from.on("data", (part: Buffer) => {
        parts.push(part)
        into.write(part)
      })
      from.on("close", () => into.end())
      // a side that breaks off takes the other with it
      from.on("error", () => into.destroy())
    }
    const server = createServer((near) => {
      const far = connect(to, "127.0.0.1")
      carry(near, far)
      carry(far, near)
    })
    server.listen(0, "127.0.0.1", () =>
      resolve({
        port: (server.address() as AddressInfo).port,
        recorded: () => Buffer.concat(parts),
        stop: () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
      })
    )
  })

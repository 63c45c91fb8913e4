/**
 * Asking the daemon, over its socket.
 *
 * @since 0.1.0
 */
import * as Socket from "@effect/platform/Socket"
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as RpcClient from "@effect/rpc/RpcClient"
import { RpcClientError } from "@effect/rpc/RpcClientError"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Rpc from "../schema/Rpc.ts"

/**
 * The daemon does not do what it was asked.
 *
 * - `Absent`: the connection could not be made, and nothing was asked yet.
 * - `Silent`: it holds the socket and does not answer.
 * - `OtherVersion`: it is of another version.
 * - `Lost`: the connection ended in the middle.
 *
 * @since 0.1.0
 * @category errors
 */
export class DaemonError extends Data.TaggedError("DaemonError")<{
  readonly reason: "Absent" | "Silent" | "OtherVersion" | "Lost"
  readonly detail: string
}> {
  override get message() {
    return this.detail
  }
}

/** A connection to the daemon. @since 0.1.0 @category models */
export type Client = RpcClient.FromGroup<typeof Rpc.Group, RpcClientError>

/** How long the daemon has to say who it is. */
const patience = "10 seconds"

const gone = () => new DaemonError({ reason: "Absent", detail: "the daemon has just ended" })

/** A connection to the socket at `path`, open as long as the scope, whoever answers. @since 0.1.0 @category constructors */
export const connect = (path: string): Effect.Effect<Client, DaemonError, Scope.Scope> =>
  Layer.build(
    RpcClient.layerProtocolSocket().pipe(Layer.provide([NodeSocket.layerNet({ path }), RpcSerialization.layerNdjson]))
  ).pipe(
    Effect.flatMap((built) => {
      const protocol = Context.get(built, RpcClient.Protocol)
      return Effect.provideService(RpcClient.make(Rpc.Group, { disableTracing: true }), RpcClient.Protocol, {
        ...protocol,
        send: (...words) => Effect.catchAllDefect(protocol.send(...words), unsent)
      })
    }),
    Effect.catchTag("SocketError", gone)
  )

/** What cannot be sent is a defect to the protocol: it is the end of the connection, which this side has not heard of yet. */
const unsent = (defect: unknown) =>
  Socket.isSocketError(defect)
    ? new RpcClientError({ reason: "Protocol", message: "the connection has ended", cause: defect })
    : Effect.die(defect)

/** The same, if the daemon is of the version `ours`, and who it is. @since 0.1.0 @category constructors */
export const open = (
  path: string,
  ours: string
): Effect.Effect<{ readonly client: Client; readonly hello: Rpc.Hello }, DaemonError, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* connect(path)
    const hello = yield* client.Hello().pipe(
      Effect.timeoutFail({
        duration: patience,
        onTimeout: () =>
          new DaemonError({
            reason: "Silent",
            detail: `the daemon of this home does not answer (socket ${path}): see what it is doing, or end it`
          })
      }),
      Effect.catchTag("RpcClientError", gone),
      // an answer that cannot be read is the one of a version that greets otherwise
      Effect.catchAllDefect(() => otherVersion("of another version", ours))
    )
    return hello.version === ours ? { client, hello } : yield* otherVersion(hello.version, ours)
  })

const otherVersion = (theirs: string, ours: string) =>
  new DaemonError({
    reason: "OtherVersion",
    detail: `the daemon of this home is cairn ${theirs}, this is cairn ${ours}: \`cairn daemon stop\` ends it, \`cairn daemon start\` begins one of this version`
  })

/** The connection ended while `what` was under way. @since 0.1.0 @category constructors */
export const lost = (what: string): DaemonError =>
  new DaemonError({
    reason: "Lost",
    detail: `${what}: the daemon went away in the middle, so what became of it is not known; run it again to go on`
  })

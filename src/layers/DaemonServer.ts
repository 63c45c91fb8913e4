/**
 * Answering for a data folder, over a socket that only its user can reach.
 *
 * @since 0.1.0
 */
import * as SocketServer from "@effect/platform/SocketServer"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import type * as Operation from "@effect/rpc/Rpc"
import type * as RpcGroup from "@effect/rpc/RpcGroup"
import * as RpcSerialization from "@effect/rpc/RpcSerialization"
import * as RpcServer from "@effect/rpc/RpcServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Rpc from "../schema/Rpc.ts"
import * as DaemonSocket from "./DaemonSocket.ts"

type Operations = RpcGroup.Rpcs<typeof Rpc.Group>

/** What answers each operation. @since 0.1.0 @category models */
export type Handlers = {
  readonly [Tag in Operations["_tag"]]: (
    payload: Operation.Payload<Extract<Operations, { readonly _tag: Tag }>>
  ) => Operation.ResultFrom<Extract<Operations, { readonly _tag: Tag }>, never>
}

/**
 * Answers at the socket of the data folder `data` until the scope ends, and tells where that is; fails with `Running` when
 * another daemon does.
 *
 * @since 0.1.0
 * @category programs
 */
export const serve = (
  data: string,
  handlers: Handlers
): Effect.Effect<string, DaemonSocket.DaemonSocketError, Scope.Scope> =>
  Effect.gen(function* () {
    const { folder, unclaimed } = yield* DaemonSocket.prepare(data)
    const server = yield* Effect.mapError(
      NodeSocketServer.make({ path: unclaimed }),
      (error) =>
        new DaemonSocket.DaemonSocketError({
          reason: "Unusable",
          path: unclaimed,
          detail: error.cause instanceof Error ? error.cause.message : error.message
        })
    )
    // it listens before it has the name under which it is found: whoever finds it is answered
    const path = yield* DaemonSocket.claim(folder, unclaimed)
    yield* Layer.build(
      RpcServer.layer(Rpc.Group, { disableTracing: true, disableFatalDefects: true }).pipe(
        Layer.provide(Rpc.Group.toLayer(handlers)),
        Layer.provide(RpcServer.layerProtocolSocketServer),
        Layer.provide([Layer.succeed(SocketServer.SocketServer, server), RpcSerialization.layerNdjson])
      )
    )
    return path
  })

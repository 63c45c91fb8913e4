/**
 * A relay on a port of this machine.
 *
 * @since 0.1.0
 */
import { createServer } from "node:http"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiSwagger from "@effect/platform/HttpApiSwagger"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Relay from "../programs/Relay.ts"
import * as RelayAccess from "../programs/RelayAccess.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Crypto from "../services/Crypto.ts"

/** @since 0.1.0 @category models */
export interface Options extends Relay.Options {
  /** 127.0.0.1 when absent: only this machine. */
  readonly host?: string
  readonly port: number
}

/** Milliseconds after which a request that still sends is cut off. */
const longestRequest = 120_000
/** Milliseconds after which a connection on which nothing moves is; streams of changes beat more often. */
const longestSilence = 60_000
/** Milliseconds after which an answer that is still being read is, but for streams: whoever reads slower has to ask for parts. */
const longestAnswer = 15 * 60_000

/** A server that nobody keeps busy by being slow. */
const patientServer = () => {
  const server = createServer({ requestTimeout: longestRequest })
  server.timeout = longestSilence
  server.on("request", (request, response) => {
    if (/^\/(?:blobs|registry\/[^/]+\/changes)(?:$|\?)/.test(request.url ?? "")) return
    const timer = setTimeout(() => response.destroy(), longestAnswer).unref()
    response.on("close", () => clearTimeout(timer))
  })
  return server
}

/** A path without what names one blob or key. */
const routeOf = (url: string): string =>
  (url.split("?", 1)[0] ?? "").replace(/^\/(blobs|registry|tokens)\/[^/]+/, "/$1/:name").slice(0, 64)

/** Gives each request an id, which the answer carries, and tells of it when it is done: no key, no hash, no token. */
const logged = Effect.map(Crypto.Crypto, ({ randomBytes }) =>
  HttpMiddleware.make((app) =>
    Effect.gen(function* () {
      const request = yield* HttpServerRequest.HttpServerRequest
      const id = Bytes.toHex(yield* randomBytes(8))
      const began = yield* Clock.currentTimeMillis
      const log: { token: string | undefined; bytes: number } = { token: undefined, bytes: 0 }
      yield* HttpApp.appendPreResponseHandler((_, response) =>
        Effect.succeed(HttpServerResponse.setHeader(response, "x-request-id", id))
      )
      return yield* app.pipe(
        Effect.provideService(RelayAccess.RequestLog, log),
        Effect.onExit((exit) =>
          Effect.flatMap(Clock.currentTimeMillis, (ended) =>
            Effect.logInfo("request").pipe(
              Effect.annotateLogs({
                id,
                method: request.method,
                route: routeOf(request.url),
                status: Exit.isSuccess(exit) ? exit.value.status : "failed",
                ms: ended - began,
                ...(log.token === undefined ? {} : { token: log.token, bytes: log.bytes })
              })
            )
          )
        )
      )
    })
  )
)

/** Serves for as long as the layer lives; what is under way is finished before it ends. @since 0.1.0 @category layers */
export const layer = ({ host = "127.0.0.1", port, ...options }: Options) =>
  Layer.unwrapEffect(
    Effect.map(logged, (middleware) =>
      HttpApiBuilder.serve(middleware).pipe(
        Layer.provide(HttpApiBuilder.middlewareOpenApi()),
        Layer.provide(HttpApiSwagger.layer({ path: "/docs" })),
        // reads are open to any page; what takes a token is not
        Layer.provide(
          HttpApiBuilder.middlewareCors({
            allowedOrigins: ["*"],
            allowedMethods: ["GET", "HEAD"],
            allowedHeaders: ["Range", "If-None-Match", "Last-Event-ID"],
            exposedHeaders: ["ETag", "Content-Range", "Content-Length", "X-Request-Id"]
          })
        ),
        Layer.provide(Relay.layer(options)),
        // the server itself is given on, so that whoever let the system choose the port can ask for it
        Layer.provideMerge(NodeHttpServer.layer(patientServer, { host, port }))
      )
    )
  )

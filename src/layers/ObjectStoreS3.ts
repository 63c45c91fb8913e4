/**
 * Objects in an S3 bucket (docs/format/core.md §17): keys are paths, flat and case-sensitive.
 *
 * What is acknowledged is durable. `create` and `versions` stand on conditional writes (`If-None-Match: *`, `If-Match`);
 * before the first of them the bucket is asked once whether it heeds these, and if it does not they are `Denied`, because
 * it would answer two writers that each of them was the only one. Reading and `put` go on in such a bucket.
 *
 * A `put` that failed may still arrive later, as over any network: what must not go back in time is written by `versions`.
 * A conditional write carries a mark of its own, so that one whose answer was lost knows itself when it is refused at the
 * second attempt. Nothing is ever concluded from an entity tag but that the object is the one which was read.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import { FormatError } from "../schema/FormatError.ts"
import * as S3Xml from "../schema/S3Xml.ts"
import { ObjectStore, ObjectStoreError, type Service, type Versions } from "../services/ObjectStore.ts"
import * as ObjectPath from "./ObjectPath.ts"
import * as Address from "./ObjectStoreS3Address.ts"
import * as Client from "./ObjectStoreS3Client.ts"
import * as Credentials from "./ObjectStoreS3Credentials.ts"
import * as S3Failure from "./ObjectStoreS3Failure.ts"
import * as Parts from "./ObjectStoreS3Parts.ts"
import * as Probe from "./ObjectStoreS3Probe.ts"

/** @since 0.1.0 @category models */
export interface Options extends Address.Options, Client.Options {
  /** What people call the store; the bucket's name when absent. */
  readonly name?: string
  /** Everything lies below this path in the bucket; the bucket itself when absent, as in the reference. */
  readonly folder?: string
  /** Without one, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the environment. */
  readonly credentials?: Client.Credentials
  /** Objects of more bytes go in parts; 16 MiB when absent. */
  readonly partsAbove?: number
  /** Bytes of a part, at least 5 MiB; 8 MiB when absent. */
  readonly partSize?: number
}

/** A store of a bucket, which can replace an object only if it is still what was read. @since 0.1.0 @category models */
export interface Bucket extends Service {
  readonly versions: Versions
}

const mark = "x-amz-meta-cairn-write"
const longestKey = 1024
const lossy = new TextDecoder()
const utf8Length = (text: string) => Bytes.fromUtf8(text).length

/** `bytes=a-b`, inclusive. */
const rangeHeader = (offset: number, length: number | undefined) =>
  `bytes=${offset}-${length === undefined || !Number.isFinite(length) ? "" : offset + length - 1}`

/** The store of a bucket; nothing is sent before it is used. @since 0.1.0 @category constructors */
export const make = (options: Options): Effect.Effect<Bucket, FormatError> =>
  Effect.gen(function* () {
    const address = yield* Address.make(options)
    const client = Client.make(address, yield* Credentials.make(options.credentials), options)
    const name = options.name ?? options.bucket
    const folder = (options.folder ?? "").replace(/^\/+|\/+$/g, "")
    const prefix = folder === "" ? "" : `${folder}/`
    const folderProblem = folder === "" ? undefined : ObjectPath.problem(folder)
    if (folderProblem !== undefined)
      return yield* new FormatError({ format: "S3 store", at: "prefix", problem: folderProblem })
    const { partsAbove = 16 << 20, partSize = 8 << 20 } = options

    const error = (operation: string, path: string, reason: ObjectStoreError["reason"], detail: string) =>
      new ObjectStoreError({ reason, store: name, operation, path, detail })
    const failed = (operation: string, path: string) => (problem: S3Failure.Failure) =>
      error(operation, path, problem.reason, problem.detail)

    const at = <A>(
      operation: string,
      path: string,
      run: (key: string) => Effect.Effect<A, S3Failure.Failure | ObjectStoreError>
    ) =>
      Effect.suspend(() => {
        const key = prefix + path
        const problem =
          ObjectPath.problem(path) ??
          (utf8Length(key) > longestKey ? `the key would be longer than ${longestKey} bytes` : undefined)
        if (problem !== undefined) return error(operation, path, "BadPath", problem)
        return Effect.catchTag(run(key), "S3Failure", failed(operation, path))
      })

    const head = (key: string) =>
      client
        .send({ method: "HEAD", key, accepts: (status) => status === 404 })
        .pipe(Effect.map((answer) => (answer.status === 404 ? undefined : answer.headers)))

    const contents = { "content-type": "application/octet-stream" }
    const marked = Effect.sync(() => ({ ...contents, [mark]: crypto.randomUUID() }))
    const hasMark = (key: string, headers: { readonly [mark]: string }) =>
      Effect.map(head(key), (found) => found?.get(mark) === headers[mark])

    const put = (key: string, bytes: Uint8Array) =>
      bytes.length <= partsAbove
        ? client.send({
            method: "PUT",
            key,
            headers: contents,
            body: new Uint8Array(bytes),
            refuse: client.unacknowledged
          })
        : Effect.flatMap(marked, (headers) =>
            Parts.upload(client, { key, headers, bytes, partSize, isOurs: hasMark(key, headers) })
          )

    /** Whether it was written; it was not when the condition does not hold. */
    const putIf = (key: string, bytes: Uint8Array, condition: Readonly<Record<string, string>>) =>
      Effect.gen(function* () {
        const headers = yield* marked
        const { status } = yield* client.send({
          method: "PUT",
          key,
          headers: { ...headers, ...condition },
          body: new Uint8Array(bytes),
          refuse: client.unacknowledged,
          accepts: (refused, code) => refused === 412 || code === "NoSuchKey"
        })
        // an earlier attempt of ours, or of a proxy's, may have been it
        return status < 300 || (yield* hasMark(key, headers))
      })

    const probed = Probe.make(client, `${prefix}${ObjectPath.temporary}/`)
    /** Fails where a conditional write would be none. */
    const conditionsHold = (operation: string, path: string) =>
      Effect.flatMap(probed, (problem) =>
        problem === undefined
          ? Effect.void
          : error(
              operation,
              path,
              "Unsupported",
              `the bucket ${options.bucket} at ${address.host} ${problem}, so two writers could each believe to be the ` +
                "only one; it can hold blobs, but choose another place for the registry"
            )
      )

    /** The object, whole or in part; nothing where the service says that there is none. */
    const fetched = Effect.fnUntraced(function* (key: string, offset: number, length: number | undefined) {
      const ranged = offset > 0 || length !== undefined
      const answer = yield* client.send({
        method: "GET",
        key,
        ...(ranged ? { headers: { range: rangeHeader(offset, length) } } : {}),
        accepts: (status, code) => status === 416 || code === "NoSuchKey",
        refuse: ({ body, headers, status }) =>
          status === 206 ? rangeProblem(headers, body.length, offset, length) : undefined
      })
      if (answer.status === 404) return undefined
      if (answer.status === 416) return { bytes: new Uint8Array(0), headers: answer.headers }
      // a service that does not know ranges answers with everything
      const whole = !ranged || answer.status === 206
      const bytes = whole ? answer.body : answer.body.slice(offset, length === undefined ? undefined : offset + length)
      return { bytes, headers: answer.headers }
    })

    const missing = (operation: string, path: string) => error(operation, path, "NotFound", "there is no such object")

    const get: Service["get"] = (path, { length = Number.POSITIVE_INFINITY, offset = 0 } = { offset: 0 }) =>
      at("get", path, (key) =>
        length <= 0
          ? // there is no range without bytes
            Effect.flatMap(head(key), (found) =>
              found === undefined ? missing("get", path) : Effect.succeed(new Uint8Array(0))
            )
          : Effect.flatMap(fetched(key, offset, Number.isFinite(length) ? length : undefined), (found) =>
              found === undefined ? missing("get", path) : Effect.succeed(found.bytes)
            )
      )

    const size: Service["size"] = (path) =>
      at("size", path, (key) =>
        Effect.flatMap(head(key), (found) => {
          if (found === undefined) return Effect.succeed(undefined)
          const length = found.get("content-length") ?? ""
          return /^[0-9]{1,15}$/.test(length)
            ? Effect.succeed(Number(length))
            : error("size", path, "Unavailable", `${address.host} does not say how long it is`)
        })
      )

    const pageAt = (listed: string, token: string | undefined) =>
      client
        .send({
          method: "GET",
          key: "",
          query: {
            ...(token === undefined ? {} : { "continuation-token": token }),
            "encoding-type": "url",
            "list-type": "2",
            prefix: listed
          },
          limit: Client.xmlLimit
        })
        .pipe(
          Effect.flatMap(({ body }) => S3Xml.page(lossy.decode(body))),
          Effect.catchTag("FormatError", (problem) => S3Failure.failure("Unavailable", problem.message)),
          Effect.filterOrFail(
            ({ next }) => next === undefined || next !== token,
            () => S3Failure.failure("Unavailable", `${address.host} gives the same page of the listing again and again`)
          )
        )

    const list: Service["list"] = (listed) =>
      // no path has these, and they cannot be asked for
      /[\0\\]|\p{Surrogate}/u.test(listed)
        ? Stream.empty
        : Stream.paginateEffect(undefined as string | undefined, (token) =>
            Effect.map(pageAt(prefix + listed, token), ({ keys, next }) => [
              // what has no object's path is none of ours, whoever put it there
              keys
                .filter((key) => key.startsWith(prefix + listed))
                .map((key) => key.slice(prefix.length))
                .filter((path) => ObjectPath.problem(path) === undefined),
              next === undefined ? Option.none() : Option.some(next)
            ])
          ).pipe(Stream.flattenIterables, Stream.mapError(failed("list", listed)))

    return {
      name,
      features: { caseSensitive: true, recommendedMaxDirSize: Number.POSITIVE_INFINITY },
      put: (path, bytes) => Effect.asVoid(at("put", path, (key) => put(key, bytes))),
      create: (path, bytes) =>
        at("create", path, (key) =>
          Effect.zipRight(conditionsHold("create", path), putIf(key, bytes, { "if-none-match": "*" }))
        ),
      get,
      size,
      list,
      remove: (path) =>
        Effect.asVoid(
          at("remove", path, (key) =>
            client.send({ method: "DELETE", key, accepts: (_, code) => code === "NoSuchKey" })
          )
        ),
      sync: Effect.void,
      versions: {
        read: (path) =>
          at("read", path, (key) =>
            Effect.flatMap(fetched(key, 0, undefined), (found) => {
              if (found === undefined) return Effect.succeed(undefined)
              const version = found.headers.get("etag")
              return version === null
                ? error("read", path, "Unavailable", `${address.host} gives objects no entity tag`)
                : Effect.succeed({ bytes: found.bytes, version })
            })
          ),
        replace: (path, bytes, version) =>
          at("replace", path, (key) =>
            Effect.zipRight(
              conditionsHold("replace", path),
              putIf(key, bytes, version === undefined ? { "if-none-match": "*" } : { "if-match": version })
            )
          ),
        supported: at("replace", "registry", () => conditionsHold("replace", "registry"))
      }
    }
  })

/** What is wrong with a part of an object, if it is not the part that was asked for. */
const rangeProblem = (headers: Headers, got: number, offset: number, length: number | undefined) => {
  const [, first = "", last = "", total = ""] =
    /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15}|\*)$/.exec(headers.get("content-range") ?? "") ?? []
  const wanted = total === "*" ? length : Math.min(length ?? Number.POSITIVE_INFINITY, Number(total) - offset)
  return Number(first) === offset && Number(last) - offset + 1 === got && (wanted === undefined || got === wanted)
    ? undefined
    : S3Failure.failure("Unavailable", "the bucket answered with other bytes than were asked for", { transient: true })
}

/** @since 0.1.0 @category layers */
export const layer = (options: Options): Layer.Layer<ObjectStore, FormatError> =>
  Layer.effect(ObjectStore, make(options))

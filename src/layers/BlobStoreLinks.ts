/**
 * Files that stay where they are, served as blobs: each under the hash that it had when it was linked (docs/format/core.md §17,
 * local links).
 *
 * A file is served only for as long as it is the very one: its size and its time of modification are compared before and
 * after every read, and its bytes with the hash. What differs is dropped from service in that moment; what cannot be reached
 * now, as on a drive that is not plugged in, is only not served.
 *
 * The index has one record for each path, so a path that is linked anew leaves nothing under its old hash, and any path can
 * be in it; by which paths a hash may be had is told by empty objects beside them, which prove nothing.
 *
 * @since 0.1.0
 */
import { constants } from "node:fs"
import { type FileHandle, open, realpath } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import type { Primitives } from "../schema/Primitives.ts"
import { BlobStoreError, type Service } from "../services/BlobStore.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import { withFallback } from "./BlobStoreFallback.ts"
import type { Sized } from "./BlobStoreObjects.ts"
import * as NodeFile from "./NodeFile.ts"

/** A file cannot be linked. @since 0.1.0 @category errors */
export class LinkError extends Schema.TaggedError<LinkError>()("LinkError", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `${this.path}: not linked: ${this.detail}`
  }
}

/** A file as it was when it was linked. @since 0.1.0 @category models */
export const Link = Schema.Struct({
  /** Absolute, without links in it. */
  path: Schema.String,
  hash: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/)),
  size: Schema.Number,
  /** Nanoseconds since 1970, in decimal. */
  modified: Schema.String
})

/** @since 0.1.0 @category models */
export type Link = typeof Link.Type

/** The blobs of linked files, and the links themselves. @since 0.1.0 @category models */
export interface Links extends Sized {
  /** Pins the file by what it holds now; a path that is linked already is linked anew. */
  readonly link: (path: string) => Effect.Effect<Link, LinkError | BlobStoreError>
  /** Takes the file out of service; one that is not in it is success. */
  readonly unlink: (path: string) => Effect.Effect<void, BlobStoreError>
  /** Every link, by path, also of what cannot be reached now. */
  readonly links: Effect.Effect<ReadonlyArray<Link>, BlobStoreError>
}

/** @since 0.1.0 @category models */
export interface Options {
  /** Where the index is. */
  readonly objects: ObjectStore.Service
  readonly primitives: Primitives
  /** Bytes of the largest file that is linked; 64 MiB when absent, which is what a relay gives out. */
  readonly largest?: number
}

const LinkText = Schema.parseJson(Link)
const encode = Schema.encodeSync(LinkText)
const decode = Schema.decodeUnknown(LinkText)

// a pipe must not block us, and what is linked has no links in its path
const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** What tells a file from what it was. */
const stateOf = async (file: FileHandle) => {
  const status = await file.stat({ bigint: true })
  return status.isFile() ? { size: Number(status.size), modified: String(status.mtimeNs) } : undefined
}

type State = NonNullable<Awaited<ReturnType<typeof stateOf>>>
const isSame = (a: State | undefined, b: State | undefined) =>
  a !== undefined && b !== undefined && a.size === b.size && a.modified === b.modified

/** The file's bytes with its state, where that was the same before and after; "changed" where it was not. */
const readWhole = async (path: string, expected: State | undefined, largest: number) => {
  const file = await open(path, flags)
  try {
    const before = await stateOf(file)
    if (before === undefined) return "no file" as const
    if (before.size > largest) return "too large" as const
    if (expected !== undefined && !isSame(before, expected)) return "changed" as const
    const bytes = new Uint8Array(before.size)
    let at = 0
    while (at < bytes.length) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, at)
      if (bytesRead === 0) return "changed" as const
      at += bytesRead
    }
    return isSame(before, await stateOf(file)) ? { ...before, bytes } : ("changed" as const)
  } finally {
    await file.close()
  }
}

/** Over the index in `objects`. @since 0.1.0 @category constructors */
export const make = ({ largest = 64 * 1024 * 1024, objects, primitives }: Options): Links => {
  const idOf = (path: string) => Bytes.toHex(primitives.blake3(Bytes.fromUtf8(path)))
  const recordPath = (id: string) => `links/${id}.json`
  const marksOf = (hash: string) => `hashes/${hash}/`
  const error = (reason: BlobStoreError["reason"], blob: string, detail: string) =>
    new BlobStoreError({ reason, store: objects.name, blob, detail })
  const failed = (blob: string) => (cause: ObjectStore.ObjectStoreError) =>
    error(cause.reason === "Full" || cause.reason === "Denied" ? cause.reason : "Unavailable", blob, cause.detail)

  const recordOf = (id: string) =>
    objects.get(recordPath(id)).pipe(
      Effect.flatMap((bytes) => decode(Bytes.toUtf8(bytes))),
      Effect.map((link): Link | undefined => link),
      Effect.catchTags({
        // nothing is lost: a file that is not linked any more, or whose record is damaged, is not served
        ParseError: () => Effect.succeed(undefined),
        ObjectStoreError: (cause) =>
          cause.reason === "NotFound" ? Effect.succeed(undefined) : Effect.fail(failed(id)(cause))
      })
    )

  /** The links by which a hash may be had. */
  const linksOf = (hash: Hash.Hash) =>
    objects.list(marksOf(Hash.toHex(hash))).pipe(
      Stream.runCollect,
      Effect.mapError(failed(Hash.toHex(hash))),
      Effect.flatMap((marks) => Effect.forEach(marks, (mark) => recordOf(mark.slice(mark.lastIndexOf("/") + 1)))),
      Effect.map((found) => found.flatMap((link) => (link?.hash === Hash.toHex(hash) ? [link] : [])))
    )

  const drop = Effect.fnUntraced(function* (link: Link) {
    const id = idOf(link.path)
    const now = yield* recordOf(id)
    // it was linked anew meanwhile
    if (now !== undefined && (now.hash !== link.hash || !isSame(now, link))) return
    yield* Effect.logWarning(`${link.path} is not what was linked any more, and is not served`)
    yield* Effect.mapError(objects.remove(recordPath(id)), failed(link.hash))
    yield* Effect.mapError(objects.remove(`${marksOf(link.hash)}${id}`), failed(link.hash))
  })

  /** The file's bytes, where they are the ones; what differs is dropped. */
  const read = Effect.fnUntraced(function* (link: Link) {
    const read = yield* Effect.either(Effect.tryPromise(() => readWhole(link.path, link, largest)))
    // nothing is lost: what cannot be reached now may be there again later
    if (Either.isLeft(read)) return undefined
    if (typeof read.right !== "string" && Hash.toHex(primitives.blake3(read.right.bytes)) === link.hash)
      return read.right.bytes
    yield* drop(link)
    return undefined
  })

  const stateNow = (path: string) =>
    Effect.tryPromise(async () => {
      const file = await open(path, flags)
      try {
        return await stateOf(file)
      } finally {
        await file.close()
      }
    }).pipe(Effect.orElseSucceed(() => undefined))

  const size = Effect.fnUntraced(function* (hash: Hash.Hash) {
    for (const link of yield* linksOf(hash)) {
      const now = yield* stateNow(link.path)
      if (isSame(now, link)) return link.size
      if (now !== undefined) yield* drop(link)
    }
    return undefined
  })

  const readOnly = (blob: string) => error("Denied", blob, "it is an index of files that stay where they are")
  const links = objects.list("links/").pipe(
    Stream.mapError(failed("list")),
    Stream.mapEffect((path) => recordOf(path.slice("links/".length, -".json".length))),
    Stream.filter((link): link is Link => link !== undefined)
  )

  return {
    name: objects.name,
    size,
    has: (hash) => Effect.map(size(hash), (found) => found !== undefined),
    get: Effect.fnUntraced(function* (hash) {
      for (const link of yield* linksOf(hash)) {
        const bytes = yield* read(link)
        if (bytes !== undefined) return bytes
      }
      return yield* error("Missing", Hash.toHex(hash), "no file is linked under it, or none that is still the same")
    }),
    put: (hash) => readOnly(Hash.toHex(hash)),
    remove: (hash) => readOnly(Hash.toHex(hash)),
    sync: Effect.void,
    list: Stream.map(links, (link) => Either.getOrThrow(Hash.fromHex(link.hash))).pipe(
      Stream.mapAccum(new Set<string>(), (seen, hash) => {
        const hex = Hash.toHex(hash)
        const isNew = !seen.has(hex)
        return [seen.add(hex), isNew ? [hash] : []]
      }),
      Stream.flattenIterables
    ),
    link: Effect.fnUntraced(function* (given) {
      const refuse = (detail: string) => new LinkError({ path: given, detail })
      const path = yield* Effect.tryPromise({
        try: () => realpath(given),
        catch: (cause) => refuse(NodeFile.codeOf(cause) === "ENOENT" ? "there is no such file" : String(cause))
      })
      if (/\p{Surrogate}|\ufffd/u.test(path)) return yield* refuse("its name is no text")
      const read = yield* Effect.tryPromise({
        try: () => readWhole(path, undefined, largest),
        catch: (cause) => refuse(cause instanceof Error ? cause.message : String(cause))
      })
      if (read === "no file") return yield* refuse("it is no file")
      if (read === "too large") return yield* refuse(`it is larger than ${largest} bytes, which no relay gives out`)
      if (read === "changed") return yield* refuse("it changes; link it when it is done")
      const { bytes, modified, size } = read
      const hash = Hash.toHex(primitives.blake3(bytes))
      const id = idOf(path)
      const before = yield* recordOf(id)
      const link: Link = { path, hash, size, modified }
      yield* Effect.mapError(objects.put(recordPath(id), Bytes.fromUtf8(`${encode(link)}\n`)), failed(hash))
      yield* Effect.mapError(objects.put(`${marksOf(hash)}${id}`, new Uint8Array(0)), failed(hash))
      if (before !== undefined && before.hash !== hash)
        yield* Effect.mapError(objects.remove(`${marksOf(before.hash)}${id}`), failed(hash))
      yield* Effect.mapError(objects.sync, failed(hash))
      return link
    }),
    unlink: Effect.fnUntraced(function* (given) {
      const path = yield* Effect.orElseSucceed(
        Effect.tryPromise(() => realpath(given)),
        // what is gone is known by the name that it had
        () => given
      )
      const id = idOf(path)
      const link = yield* recordOf(id)
      yield* Effect.mapError(objects.remove(recordPath(id)), failed(id))
      if (link !== undefined) yield* Effect.mapError(objects.remove(`${marksOf(link.hash)}${id}`), failed(id))
      yield* Effect.mapError(objects.sync, failed(id))
    }),
    links: Effect.map(Stream.runCollect(links), (found) => [...found].sort((a, b) => (a.path < b.path ? -1 : 1)))
  }
}

/** `primary`, which gives out linked files too: they are read, and never count as kept. @since 0.1.0 @category combinators */
export const withLinks = (primary: Service, links: Sized): Service => {
  const { size } = primary
  return {
    ...withFallback(primary, links),
    ...(size === undefined
      ? {}
      : {
          size: (hash) =>
            Effect.flatMap(size(hash), (found) => (found === undefined ? links.size(hash) : Effect.succeed(found)))
        })
  }
}

/**
 * What a relay says over HTTP: blobs under their hashes and registry entries under their keys. It sees ciphertext, sizes
 * and signed entries, and nothing else.
 *
 * @since 0.1.0
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"

const failure = <A>(status: number, description: string): Schema.Annotations.Schema<A> =>
  HttpApiSchema.annotations({ status, description })
const Detail = { detail: Schema.String }

/** There is no such blob, or no entry under the key. @since 0.1.0 @category errors */
export class NotHere extends Schema.TaggedError<NotHere>()(
  "NotHere",
  Detail,
  failure(404, "There is no such blob, or no entry under the key.")
) {}

/** The request is none that the relay takes: a path, a header or a body that is wrong. @since 0.1.0 @category errors */
export class BadRequest extends Schema.TaggedError<BadRequest>()(
  "BadRequest",
  Detail,
  failure(400, "A path, a header or a body is wrong.")
) {}

/** No token, or one that the relay does not know. @since 0.1.0 @category errors */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()(
  "Unauthorized",
  Detail,
  failure(401, "A write needs a token of this relay.")
) {}

/** The token does not allow this. @since 0.1.0 @category errors */
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  Detail,
  failure(403, "The token does not allow this: the relay only takes new things, or the token's total is used up.")
) {}

/** The body is larger than the relay takes. @since 0.1.0 @category errors */
export class TooLarge extends Schema.TaggedError<TooLarge>()(
  "TooLarge",
  { ...Detail, limit: Schema.Number },
  failure(413, "The body is larger than the relay takes.")
) {}

/** The token is used faster than it may be; `Retry-After` says when to come again, in seconds. @since 0.1.0 @category errors */
export class TooFast extends Schema.TaggedError<TooFast>()(
  "TooFast",
  { ...Detail, retryAfter: Schema.Number },
  failure(429, "The token is used faster than it may be.")
) {}

/** What the relay keeps is damaged. @since 0.1.0 @category errors */
export class Damaged extends Schema.TaggedError<Damaged>()(
  "Damaged",
  Detail,
  failure(500, "What the relay keeps under this name is damaged.")
) {}

/** The relay's own store or registry failed; trying again may help. @since 0.1.0 @category errors */
export class StoreFailed extends Schema.TaggedError<StoreFailed>()(
  "StoreFailed",
  Detail,
  failure(503, "The relay's own store or registry failed; trying again may help.")
) {}

/** This relay keeps no entries, or none any more; trying again is in vain. @since 0.1.0 @category errors */
export class Unsupported extends Schema.TaggedError<Unsupported>()(
  "Unsupported",
  Detail,
  failure(
    501,
    "This relay keeps no entries: its store takes no conditional writes, or it was told to keep blobs alone."
  )
) {}

/** A blob's name: its BLAKE3 hash. @since 0.1.0 @category models */
export const HashPath = Schema.Struct({
  hash: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/)).annotations({ description: "BLAKE3 of the blob, hex" })
})

/** A registry key: a stream's storage key (docs/format/core.md §6). @since 0.1.0 @category models */
export const KeyPath = Schema.Struct({
  key: Schema.String.pipe(Schema.pattern(/^(?:[0-9a-f]{2}){33,64}$/)).annotations({
    description: "storage key of the stream, hex"
  })
})

/** What a relay says of itself. Sizes in bytes. @since 0.1.0 @category models */
export const Info = Schema.Struct({
  relay: Schema.Literal("cairn"),
  version: Schema.String,
  maxBlobBytes: Schema.Int,
  appendOnly: Schema.Boolean,
  /** Whether it keeps entries; one that does not say so does. */
  registry: Schema.optional(Schema.Boolean)
})

/** Every entry that the relay's registry holds for a key, as its bytes in hex, best first. @since 0.1.0 @category models */
export const Entries = Schema.Struct({ entries: Schema.Array(Schema.String) })

/** What a device asks for another one. @since 0.1.0 @category models */
export const Delegation = Schema.Struct({
  name: Schema.String,
  lifetimeMillis: Schema.optional(Schema.Positive),
  maxTotalBytes: Schema.optional(Schema.NonNegative),
  mayDelegate: Schema.optional(Schema.Boolean),
  /** The key that the device publishes under, in hex. */
  device: Schema.optional(Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/)))
})

/** The other device's token, told this once; the relay keeps its hash. @since 0.1.0 @category models */
export const Delegated = Schema.Struct({
  name: Schema.String,
  token: Schema.String,
  /** Milliseconds since 1970. */
  expiresAt: Schema.optional(Schema.Number),
  maxTotalBytes: Schema.optional(Schema.Number)
})

/** The tokens that stand below the one that asks, whoever of them let in whom. @since 0.1.0 @category models */
export const LetIn = Schema.Struct({
  /** What the token that asks is called. */
  name: Schema.String,
  tokens: Schema.Array(
    Schema.Struct({
      /** BLAKE3 of the token, hex. */
      id: Schema.String,
      name: Schema.String,
      device: Schema.optional(Schema.String),
      /** Milliseconds since 1970. */
      expiresAt: Schema.optional(Schema.Number)
    })
  )
})

/** The names of the tokens that ended, the one that was asked for first. @since 0.1.0 @category models */
export const Withdrawn = Schema.Struct({ withdrawn: Schema.Array(Schema.String) })

/** A token's name in a path: its BLAKE3 hash. @since 0.1.0 @category models */
export const TokenPath = Schema.Struct({
  id: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/)).annotations({ description: "BLAKE3 of the token, hex" })
})

const Blob = HttpApiSchema.Uint8Array()
const Bytes = HttpApiSchema.Uint8Array({ contentType: "application/octet-stream" })
const blobFailures = [BadRequest, NotHere, Damaged, StoreFailed] as const
const writeFailures = [BadRequest, Unauthorized, Forbidden, TooFast, StoreFailed] as const

type Failures = ReadonlyArray<Schema.Schema.All>
const union = <const Members extends Failures>(members: Members) => Schema.Union(...members)

/** @since 0.1.0 @category groups */
export class About extends HttpApiGroup.make("about", { topLevel: true })
  .add(
    HttpApiEndpoint.get("health", "/health")
      .addSuccess(Schema.Struct({ status: Schema.Literal("ok") }))
      .addError(StoreFailed)
      .annotate(OpenApi.Description, "Whether the relay's store and registry answer.")
  )
  .add(HttpApiEndpoint.get("info", "/info").addSuccess(Info).annotate(OpenApi.Description, "What the relay takes.")) {}

/** @since 0.1.0 @category groups */
export class Blobs extends HttpApiGroup.make("blobs")
  .add(
    HttpApiEndpoint.get("getBlob", "/blobs/:hash")
      .setPath(HashPath)
      .addSuccess(Blob)
      .addError(union(blobFailures))
      .annotate(OpenApi.Description, "The blob's bytes, verified; `Range: bytes=FROM-TO` gives a part of them.")
  )
  .add(
    HttpApiEndpoint.head("headBlob", "/blobs/:hash")
      .setPath(HashPath)
      .addSuccess(HttpApiSchema.Empty(200))
      .addError(union(blobFailures))
      .annotate(OpenApi.Description, "Whether the blob is here.")
  )
  .add(
    HttpApiEndpoint.put("putBlob", "/blobs/:hash")
      .setPath(HashPath)
      .addSuccess(HttpApiSchema.Empty(201))
      .addError(union([...writeFailures, TooLarge]))
      .annotate(OpenApi.Description, "Keeps the body, whose hash must be the one in the path; durable when it answers.")
  )
  .add(
    HttpApiEndpoint.del("deleteBlob", "/blobs/:hash")
      .setPath(HashPath)
      .addSuccess(HttpApiSchema.NoContent)
      .addError(union(writeFailures))
      .annotate(OpenApi.Description, "Removes the blob, where the relay is not append-only.")
  )
  .add(
    HttpApiEndpoint.get("listBlobs", "/blobs")
      .addSuccess(HttpApiSchema.Text())
      .addError(union(writeFailures))
      .annotate(OpenApi.Description, "The hashes of all blobs in hex, one a line; needs a token.")
  ) {}

/** @since 0.1.0 @category groups */
export class Entry extends HttpApiGroup.make("registry")
  .add(
    HttpApiEndpoint.get("getEntry", "/registry/:key")
      .setPath(KeyPath)
      .addSuccess(Bytes)
      .addError(union(blobFailures))
      .annotate(OpenApi.Description, "The newest entry's bytes; the ETag names them.")
  )
  .add(
    HttpApiEndpoint.get("getEntries", "/registry/:key/entries")
      .setPath(KeyPath)
      .addSuccess(Entries)
      .addError(union(blobFailures))
      .annotate(
        OpenApi.Description,
        "Every entry that is held for the key, which is more than one only after a rival wrote past the registry."
      )
  )
  .add(
    HttpApiEndpoint.put("putEntry", "/registry/:key")
      .setPath(KeyPath)
      .addSuccess(HttpApiSchema.Empty(200))
      .addError(union([...writeFailures, TooLarge, Damaged, Unsupported]))
      .annotate(
        OpenApi.Description,
        "Compare-and-swap: keeps the body over nothing or over an entry that `If-Match` names; 409 with the current entry's bytes when another was first."
      )
  )
  .add(
    HttpApiEndpoint.get("changes", "/registry/:key/changes")
      .setPath(KeyPath)
      .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
      .addError(union(blobFailures))
      .annotate(
        OpenApi.Description,
        "Server-sent events: the newest entry in hex, then newer ones; `Last-Event-ID` is the revision that is known already."
      )
  ) {}

/** @since 0.1.0 @category groups */
export class Tokens extends HttpApiGroup.make("tokens")
  .add(
    HttpApiEndpoint.post("delegate", "/tokens")
      .addSuccess(Delegated)
      .addError(union([...writeFailures, TooLarge]))
      .annotate(
        OpenApi.Description,
        'A token for another device, asked with one that may let in others, as JSON: {"name", "lifetimeMillis", "maxTotalBytes", "mayDelegate", "device"}, all but the name optional. It never may more than the one that asks, what it writes counts for both, and it ends with it.'
      )
  )
  .add(
    HttpApiEndpoint.get("listTokens", "/tokens")
      .addSuccess(LetIn)
      .addError(union(writeFailures))
      .annotate(OpenApi.Description, "The tokens that stand below the one that asks.")
  )
  .add(
    HttpApiEndpoint.del("withdraw", "/tokens/:id")
      .setPath(TokenPath)
      .addSuccess(Withdrawn)
      .addError(union([...writeFailures, NotHere]))
      .annotate(
        OpenApi.Description,
        "Ends a token that stands below the one that asks, with all that came from it, at once and at every relay over the same store."
      )
  ) {}

/** @since 0.1.0 @category apis */
export class RelayApi extends HttpApi.make("cairn-relay")
  .add(About)
  .add(Blobs)
  .add(Entry)
  .add(Tokens)
  .annotate(OpenApi.Title, "Cairn relay")
  .annotate(
    OpenApi.Description,
    "Keeps encrypted blobs and signed registry entries for devices that need not trust it. Reads are open; writes take a token as `Authorization: Bearer`."
  ) {}

/**
 * A bucket in memory with the semantics of S3 over the shapes of `fetch`, and everything that can go wrong on the way to
 * one. It checks signatures, body hashes and the rules of uploads in parts.
 */
import { createHash } from "node:crypto"
import * as Redacted from "effect/Redacted"
import type { Options } from "../../src/layers/ObjectStoreS3.ts"
import type * as Client from "../../src/layers/ObjectStoreS3Client.ts"
import { dice } from "./registry.ts"
import * as Signature from "./s3Signature.ts"

export const keys = { accessKey: "AKIDCAIRN", secretKey: "a secret that nobody may read", bucket: "vault" }

/** The options of a store in a double. */
export const options = (double: Double, more: Partial<Options> = {}): Options => ({
  bucket: keys.bucket,
  endpoint: "http://s3.test",
  credentials: { accessKey: keys.accessKey, secretKey: Redacted.make(keys.secretKey) },
  fetch: double.fetch,
  // what fails is tried again at once
  backoff: 0,
  maxBackoff: 0,
  attempts: 40,
  ...more
})

export interface Seen {
  readonly nth: number
  readonly method: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly bytes: Uint8Array<ArrayBuffer>
  status: number
}

/**
 * What becomes of a request: `reset` before it is applied, `lost` after; `hang` never answers, before it is applied, and
 * `deaf` after; `late` is reset and applied some requests later; `truncated` and `stalled` answers end in the middle.
 */
export type Fault =
  | "reset"
  | "lost"
  | "hang"
  | "deaf"
  | "late"
  | "truncated"
  | "stalled"
  | {
      readonly status: number
      readonly code?: string
      readonly applied?: boolean
      readonly headers?: Record<string, string>
      readonly body?: string
    }

interface Stored {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly tag: string
  readonly metadata: ReadonlyArray<readonly [string, string]>
}

interface Upload {
  readonly key: string
  readonly metadata: Stored["metadata"]
  readonly parts: Map<number, Stored>
}

/**
 * How the bucket takes conditions: `strict` as S3; `ignored` as if they were not there; `create-only` heeds
 * If-None-Match; `unsupported` refuses them; `racy` looks and writes in two steps.
 */
export type Conditions = "strict" | "ignored" | "create-only" | "unsupported" | "racy"

const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex")
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")
const escaped = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
const xml = (status: number, text: string, headers: Record<string, string> = {}) =>
  new Response(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`, {
    status,
    headers: { "content-type": "application/xml", "content-length": String(Buffer.byteLength(text) + 39), ...headers }
  })
const failed = (status: number, code: string, headers: Record<string, string> = {}) =>
  xml(status, `<Error><Code>${code}</Code><Message>about ${code} &amp; more</Message></Error>`, headers)
const empty = (status: number, headers: Record<string, string> = {}) => new Response(null, { status, headers })

// as a form: Java services encode keys so
const formEncoded = (text: string) => new URLSearchParams([["", text]]).toString().slice(1)

export class Double {
  readonly objects = new Map<string, Stored>()
  readonly uploads = new Map<string, Upload>()
  readonly seen: Array<Seen> = []
  fault: (request: Seen) => Fault | undefined = () => undefined
  conditions: Conditions = "strict"
  pageSize = 1000
  /** What the service's clock says; it believes every time when absent. */
  now: (() => number) | undefined
  /** Requests that were taken and neither answered nor left hanging. */
  busy = 0
  #late: Array<{ due: number; apply: () => Promise<unknown> }> = []
  #uploads = 0

  /** How many requests of a method came, those of a probe for conditional writes left out. */
  count(method: string): number {
    return this.seen.filter((request) => request.method === method && !request.key.startsWith(".tmp/")).length
  }

  readonly fetch: Client.Fetch = async (address, init) => {
    this.busy++
    try {
      await Promise.resolve()
      return await this.#answer(address, init)
    } finally {
      this.busy--
    }
  }

  async #hang(signal: AbortSignal | null | undefined): Promise<never> {
    this.busy--
    try {
      return await new Promise<never>((_, reject) => {
        const aborted = () => reject(new DOMException("aborted", "AbortError"))
        if (signal?.aborted) aborted()
        signal?.addEventListener("abort", aborted)
      })
    } finally {
      this.busy++
    }
  }

  async #answer(address: string, init: RequestInit): Promise<Response> {
    const url = new URL(address)
    const headers = new Headers(init.headers)
    const method = init.method ?? "GET"
    const bytes = init.body instanceof Uint8Array ? new Uint8Array(init.body) : new Uint8Array(0)
    const virtual = url.hostname.startsWith(`${keys.bucket}.`)
    const path = virtual ? url.pathname.slice(1) : url.pathname.slice(1).replace(/^[^/]*\/?/, "")
    const bucket = virtual ? keys.bucket : url.pathname.split("/")[1]
    const request: Seen = {
      nth: this.seen.length,
      method,
      key: decodeURIComponent(path),
      query: new URLSearchParams(url.search),
      headers,
      bytes,
      status: 0
    }
    this.seen.push(request)
    for (const late of this.#late.filter(({ due }) => due <= request.nth)) {
      this.#late = this.#late.filter((other) => other !== late)
      await late.apply()
    }
    const apply = async () => {
      if (!Signature.isValid({ method, url: address, headers }, keys)) return failed(403, "SignatureDoesNotMatch")
      if (headers.get("x-amz-content-sha256") !== sha256(bytes)) return failed(400, "XAmzContentSHA256Mismatch")
      if (bucket !== keys.bucket) return failed(404, "NoSuchBucket")
      if (this.now !== undefined && this.#skewed(headers, this.now())) {
        return failed(403, "RequestTimeTooSkewed", { date: new Date(this.now()).toUTCString() })
      }
      return this.#apply(request)
    }
    const fault = this.fault(request)
    const resetBy = () =>
      Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new Error(), { code: "ECONNRESET" }) })
    if (fault === "hang") return this.#hang(init.signal)
    if (fault === "reset") throw resetBy()
    if (fault === "late") {
      this.#late.push({ due: request.nth + 3, apply })
      throw resetBy()
    }
    if (typeof fault === "object") {
      if (fault.applied === true) await apply()
      request.status = fault.status
      const extra = fault.headers ?? {}
      if (method === "HEAD") return empty(fault.status, extra)
      if (fault.body !== undefined) return new Response(fault.body, { status: fault.status, headers: extra })
      return fault.code === undefined ? empty(fault.status, extra) : failed(fault.status, fault.code, extra)
    }
    const response = await apply()
    request.status = response.status
    if (fault === "lost") throw resetBy()
    if (fault === "deaf") return this.#hang(init.signal)
    if (fault === "truncated" || fault === "stalled") return this.#cut(response, fault, init.signal)
    return response
  }

  #skewed(headers: Headers, now: number): boolean {
    const text = headers.get("x-amz-date") ?? ""
    const iso = text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z")
    return Math.abs(Date.parse(iso) - now) > 15 * 60_000
  }

  async #cut(
    response: Response,
    how: "truncated" | "stalled",
    signal: AbortSignal | null | undefined
  ): Promise<Response> {
    if (response.body === null) return response
    const bytes = new Uint8Array(await response.arrayBuffer())
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(bytes.subarray(0, bytes.length >> 1))
        if (how === "truncated") return controller.close()
        signal?.addEventListener("abort", () => controller.error(new DOMException("aborted", "AbortError")))
      }
    })
    return new Response(body, { status: response.status, headers: response.headers })
  }

  /** Whether the conditions of a write hold, as far as this bucket looks at them. */
  #refusal(request: Seen): Response | undefined {
    const [none, match] = [request.headers.get("if-none-match"), request.headers.get("if-match")]
    if (none === null && match === null) return undefined
    if (this.conditions === "unsupported") return failed(501, "NotImplemented")
    if (this.conditions === "ignored") return undefined
    const there = this.objects.get(request.key)
    if (none === "*" && there !== undefined) return failed(412, "PreconditionFailed")
    if (match === null || this.conditions === "create-only") return undefined
    if (there === undefined) return failed(404, "NoSuchKey")
    return there.tag === match ? undefined : failed(412, "PreconditionFailed")
  }

  async #write(request: Seen, stored: Stored, answer: () => Response): Promise<Response> {
    const refused = this.#refusal(request)
    if (refused !== undefined) return refused
    if (this.conditions === "racy") await new Promise((done) => setImmediate(done))
    this.objects.set(request.key, stored)
    return answer()
  }

  #metadata(headers: Headers): Stored["metadata"] {
    return [...headers].filter(([name]) => name.startsWith("x-amz-meta-"))
  }

  async #apply(request: Seen): Promise<Response> {
    const { bytes, headers, key, method, query } = request
    if (key === "") return method === "GET" && query.get("list-type") === "2" ? this.#list(query) : empty(405)
    const uploadId = query.get("uploadId")
    if (uploadId !== null) return this.#part(request, uploadId)
    if (method === "POST" && query.has("uploads")) {
      const id = `upload-${++this.#uploads}`
      this.uploads.set(id, { key, metadata: this.#metadata(headers), parts: new Map() })
      return xml(200, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    }
    const stored = this.objects.get(key)
    switch (method) {
      case "PUT": {
        const tag = `"${md5(bytes)}"`
        return this.#write(request, { bytes, tag, metadata: this.#metadata(headers) }, () => empty(200, { etag: tag }))
      }
      case "DELETE":
        this.objects.delete(key)
        return empty(204)
      case "HEAD":
        if (stored === undefined) return empty(404)
        return empty(200, { ...this.#head(stored), "content-length": String(stored.bytes.length) })
      default:
        return stored === undefined ? failed(404, "NoSuchKey") : this.#get(stored, headers.get("range"))
    }
  }

  #head(stored: Stored): Record<string, string> {
    return { etag: stored.tag, ...Object.fromEntries(stored.metadata) }
  }

  #get(stored: Stored, range: string | null): Response {
    const { length } = stored.bytes
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? []
    if (from === undefined) {
      return new Response(stored.bytes, { headers: { ...this.#head(stored), "content-length": String(length) } })
    }
    if (Number(from) >= length) return failed(416, "InvalidRange", { "content-range": `bytes */${length}` })
    const last = Math.min(to === undefined || to === "" ? length - 1 : Number(to), length - 1)
    const part = stored.bytes.slice(Number(from), last + 1)
    return new Response(part, {
      status: 206,
      headers: {
        ...this.#head(stored),
        "content-length": String(part.length),
        "content-range": `bytes ${from}-${last}/${length}`
      }
    })
  }

  async #part(request: Seen, uploadId: string): Promise<Response> {
    const { bytes, key, method, query } = request
    const upload = this.uploads.get(uploadId)
    if (upload?.key !== key) return failed(404, "NoSuchUpload")
    if (method === "DELETE") {
      this.uploads.delete(uploadId)
      return empty(204)
    }
    if (method === "PUT") {
      const tag = `"${md5(bytes)}"`
      upload.parts.set(Number(query.get("partNumber")), { bytes, tag, metadata: [] })
      return empty(200, { etag: tag })
    }
    const named = [
      ...Buffer.from(bytes)
        .toString()
        .matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag>/g)
    ]
    const parts: Array<Stored> = []
    for (const [index, [, number, tag]] of named.entries()) {
      const part = upload.parts.get(Number(number))
      if (Number(number) !== index + 1) return failed(400, "InvalidPartOrder")
      if (part === undefined || tag !== escaped(part.tag)) return failed(400, "InvalidPart")
      if (index < named.length - 1 && part.bytes.length < 5 << 20) return failed(400, "EntityTooSmall")
      parts.push(part)
    }
    if (parts.length === 0) return failed(400, "MalformedXML")
    const whole = new Uint8Array(Buffer.concat(parts.map((part) => part.bytes)))
    const tag = `"${md5(Buffer.from(parts.map((part) => part.tag).join("")))}-${parts.length}"`
    return this.#write(request, { bytes: whole, tag, metadata: upload.metadata }, () => {
      this.uploads.delete(uploadId)
      // blanks first, as a service does that keeps the connection alive meanwhile
      return new Response(
        `  \n<CompleteMultipartUploadResult><ETag>${escaped(tag)}</ETag></CompleteMultipartUploadResult>`,
        { status: 200 }
      )
    })
  }

  #list(query: URLSearchParams): Response {
    const prefix = query.get("prefix") ?? ""
    const after = Buffer.from(query.get("continuation-token") ?? "", "base64url").toString()
    const all = [...this.objects.keys()]
      .filter((key) => key.startsWith(prefix))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const start = after === "" ? 0 : all.findIndex((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
    const rest = start < 0 ? [] : all.slice(start)
    const page = rest.slice(0, this.pageSize)
    const encode = query.get("encoding-type") === "url" ? formEncoded : escaped
    const more = rest.length > page.length
    const token = Buffer.from(page.at(-1) ?? "").toString("base64url")
    return xml(
      200,
      `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>${more}</IsTruncated>` +
        page.map((key) => `<Contents><Key>${encode(key)}</Key><ETag>&quot;x&quot;</ETag></Contents>`).join("\n") +
        (more ? `<NextContinuationToken>${token}</NextContinuationToken>` : "") +
        `${query.get("encoding-type") === "url" ? "<EncodingType>url</EncodingType>" : ""}</ListBucketResult>`
    )
  }
}

/** A line on which every third request meets some fault; the same ones for the same seed. */
export const badLine = (seed: number) => {
  const roll = dice(seed)
  const faults: ReadonlyArray<Fault> = [
    "reset",
    "lost",
    "truncated",
    { status: 500, code: "InternalError" },
    { status: 500, code: "InternalError", applied: true },
    { status: 503, code: "SlowDown", headers: { "retry-after": "0" } },
    { status: 502, body: "<html>bad gateway</html>" },
    { status: 409, code: "ConditionalRequestConflict" }
  ]
  return (): Fault | undefined => (roll(3) === 0 ? faults[roll(faults.length)] : undefined)
}

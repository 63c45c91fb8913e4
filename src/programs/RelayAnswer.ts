/**
 * Answers of a relay that carry bytes: ranges, validators, and large ones in parts.
 *
 * @since 0.1.0
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Stream from "effect/Stream"

/** Larger answers go out in parts of so many bytes, and their room in memory is taken until the last of them. @since 0.1.0 @category constants */
export const partBytes = 64 * 1024

/** An entity tag. @since 0.1.0 @category constructors */
export const quoted = (hex: string): string => `"${hex}"`

/** The inclusive range that a `Range` header asks of `size` bytes: all, a part, or none that there is. @since 0.1.0 @category conversions */
export const rangeOf = (header: string | undefined, size: number): { from: number; to: number } | "all" | "none" => {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? []
  if (first === undefined || last === undefined || (first === "" && last === "")) return "all"
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1)
  return from > to || (first === "" && Number(last) === 0) ? "none" : { from, to }
}

/** The headers of what never changes under its hash. @since 0.1.0 @category constructors */
export const immutable = (hash: string) => ({
  etag: quoted(hash),
  "cache-control": "public, max-age=31536000, immutable",
  "accept-ranges": "bytes"
})

/** The bytes as an answer, in parts that the other side takes as fast as it can. @since 0.1.0 @category constructors */
export const answer = (
  bytes: Uint8Array,
  options: { readonly status?: number; readonly headers: Record<string, string> }
) => {
  const contentType = "application/octet-stream"
  if (bytes.length <= partBytes) return HttpServerResponse.uint8Array(bytes, { ...options, contentType })
  const parts = Array.from({ length: Math.ceil(bytes.length / partBytes) }, (_, index) =>
    bytes.subarray(index * partBytes, (index + 1) * partBytes)
  )
  return HttpServerResponse.stream(Stream.fromIterable(parts).pipe(Stream.rechunk(1)), {
    ...options,
    contentType,
    contentLength: bytes.length
  })
}

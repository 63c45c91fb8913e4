/** Signature Version 4 as a service checks it, written from the specification with node:crypto. */
import { createHash, createHmac } from "node:crypto"

export interface SignedRequest {
  readonly method: string
  readonly url: string
  readonly headers: Headers
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")
const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()

const encoded = (text: string) =>
  [...Buffer.from(text, "utf8")]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[A-Za-z0-9._~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
    })
    .join("")

/** The signature that the request should have, for the headers that it says are signed. */
export const expected = (request: SignedRequest, secretKey: string): string | undefined => {
  const authorization = request.headers.get("authorization") ?? ""
  const [, scope = "", names = ""] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=[0-9a-f]{64}$/.exec(
      authorization
    ) ?? []
  const [date = "", region = "", service = "", end] = scope.split("/")
  const signed = names.split(";")
  // whoever leaves these out could have them changed on the way
  if (end !== "aws4_request" || !signed.includes("host") || !signed.includes("x-amz-content-sha256")) return undefined
  for (const name of request.headers.keys()) {
    if (/^(x-amz-|if-)/.test(name) && !signed.includes(name)) return undefined
  }
  const url = new URL(request.url)
  const canonical = [
    request.method,
    url.pathname
      .split("/")
      .map((part) => encoded(decodeURIComponent(part)))
      .join("/"),
    url.search
      .slice(1)
      .split("&")
      .filter((pair) => pair !== "")
      .map((pair) => {
        const [name = "", value = ""] = pair.split("=").map((part) => decodeURIComponent(part))
        return [encoded(name), encoded(value)] as const
      })
      .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1))
      .map(([name, value]) => `${name}=${value}`)
      .join("&"),
    ...signed.map((name) => `${name}:${name === "host" ? url.host : (request.headers.get(name) ?? "").trim()}`),
    "",
    names,
    request.headers.get("x-amz-content-sha256") ?? ""
  ].join("\n")
  const text = ["AWS4-HMAC-SHA256", request.headers.get("x-amz-date") ?? "", scope, sha256(canonical)].join("\n")
  const key = [date, region, service, "aws4_request"].reduce<string | Buffer>(
    (before, part) => hmac(before, part),
    `AWS4${secretKey}`
  )
  return hmac(key, text).toString("hex")
}

/** Whether the signature is right, of that access key and made at that time. */
export const isValid = (request: SignedRequest, keys: { readonly accessKey: string; readonly secretKey: string }) => {
  const authorization = request.headers.get("authorization") ?? ""
  const [, accessKey, day] = /Credential=([^/]+)\/(\d{8})\//.exec(authorization) ?? []
  const [, signature] = /Signature=([0-9a-f]{64})$/.exec(authorization) ?? []
  return (
    accessKey === keys.accessKey &&
    (request.headers.get("x-amz-date") ?? "").startsWith(day ?? "?") &&
    signature !== undefined &&
    signature === expected(request, keys.secretKey)
  )
}

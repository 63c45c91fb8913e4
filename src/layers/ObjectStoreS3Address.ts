/**
 * Where a bucket is, and the URLs of what is in it.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { FormatError } from "../schema/FormatError.ts"

/** @since 0.1.0 @category models */
export interface Options {
  readonly bucket: string
  /** The service's URL, such as `https://s3.example.org`; that of AWS in `region` when absent or empty. */
  readonly endpoint?: string | undefined
  /** `us-east-1` when absent or empty, which services of one region take. */
  readonly region?: string | undefined
  /** Whether the bucket is the first part of the path or of the host's name; the path when absent, as in the reference. */
  readonly addressing?: "path" | "virtual" | undefined
}

/** @since 0.1.0 @category models */
export interface Address {
  readonly bucket: string
  readonly region: string
  /** The endpoint's host, for people. */
  readonly host: string
  /** The URL of an object, or of the bucket itself when `key` is empty. */
  readonly url: (key: string, query?: Readonly<Record<string, string>>) => string
}

const invalid = (at: string, problem: string) => Either.left(new FormatError({ format: "S3 store", at, problem }))

// wider than today's rule: older buckets have capitals and underscores
const bucketName = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/
const virtualName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const regionName = /^[A-Za-z0-9-]{1,63}$/

/** Percent-encoding as the signature wants it: all but letters, digits and `-._~`. */
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)

/** The address that the options describe. @since 0.1.0 @category constructors */
export const make = (options: Options): Either.Either<Address, FormatError> => {
  const { addressing = "path", bucket } = options
  const region = options.region === undefined || options.region === "" ? "us-east-1" : options.region
  const text =
    options.endpoint === undefined || options.endpoint === "" ? `https://s3.${region}.amazonaws.com` : options.endpoint
  if (!bucketName.test(bucket) || bucket.includes("..")) {
    return invalid("bucket_name", `${JSON.stringify(bucket)} is no name of a bucket`)
  }
  if (!regionName.test(region)) return invalid("region", `${JSON.stringify(region)} is no name of a region`)
  if (!URL.canParse(text)) return invalid("endpoint", `${JSON.stringify(text)} is no URL; it looks like https://host`)
  const endpoint = new URL(text)
  // never shown as it is: it may hold a password
  if (endpoint.username !== "" || endpoint.password !== "") {
    return invalid("endpoint", "credentials do not belong into the URL; use access_key and secret_key")
  }
  if (endpoint.protocol !== "https:" && endpoint.protocol !== "http:") {
    return invalid("endpoint", `${JSON.stringify(text)} is neither https nor http`)
  }
  if (endpoint.search !== "" || endpoint.hash !== "") {
    return invalid("endpoint", `${JSON.stringify(text)} has a query or fragment; the bucket goes into bucket_name`)
  }
  if (addressing === "virtual" && !virtualName.test(bucket)) {
    return invalid("bucket_name", `${JSON.stringify(bucket)} cannot be part of a host's name; use path addressing`)
  }
  const folder = endpoint.pathname.replace(/\/+$/, "")
  const base =
    addressing === "path"
      ? `${endpoint.protocol}//${endpoint.host}${folder}/${encoded(bucket)}`
      : `${endpoint.protocol}//${bucket}.${endpoint.host}${folder}`
  return Either.right({
    bucket,
    region,
    host: endpoint.host,
    url: (key, query = {}) => {
      const search = Object.entries(query).map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
      const path = `${base}/${key.split("/").map(encoded).join("/")}`
      return search.length === 0 ? path : `${path}?${search.join("&")}`
    }
  })
}

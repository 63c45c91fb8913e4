/**
 * The XML that S3 answers and takes.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { XMLParser } from "fast-xml-parser"
import { FormatError } from "./FormatError.ts"

/** One page of a listing. @since 0.1.0 @category models */
export interface Page {
  readonly keys: ReadonlyArray<string>
  /** Where the next page begins; absent on the last one. */
  readonly next: string | undefined
}

/** What a refusal says of itself; both empty when its body says nothing. @since 0.1.0 @category models */
export interface Refusal {
  readonly code: string
  readonly message: string
  /** Where the bucket is, if the answer says that it is in another region. */
  readonly region?: string
}

// names and numbers stay text as they are: keys like "007" and " a " are to come back unchanged
const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  trimValues: false,
  removeNSPrefix: true,
  htmlEntities: true,
  // the limit is for entities that a document defines; those are refused below
  processEntities: { enabled: true, maxTotalExpansions: 1_000_000, maxExpandedLength: 64 << 20 }
})

const optional = Schema.optional(Schema.String)
const manyOf = <A, I>(item: Schema.Schema<A, I>) => Schema.optional(Schema.Union(Schema.Array(item), item))

const Listing = Schema.Struct({
  ListBucketResult: Schema.Struct({
    IsTruncated: Schema.String,
    NextContinuationToken: optional,
    EncodingType: optional,
    Contents: manyOf(Schema.Struct({ Key: Schema.String }))
  })
})
const Failed = Schema.Struct({ Error: Schema.Struct({ Code: optional, Message: optional, Region: optional }) })
const Initiated = Schema.Struct({ InitiateMultipartUploadResult: Schema.Struct({ UploadId: Schema.NonEmptyString }) })
const Tagged = Schema.Struct({ ETag: Schema.NonEmptyString })

const invalid = (format: string, problem: string) =>
  new FormatError({ format: `S3 ${format}`, at: "the answer", problem })

const decode = <A, I>(format: string, root: string, schema: Schema.Schema<A, I>, text: string) => {
  // a document that was cut short would otherwise pass for a shorter one
  if (!text.trimEnd().endsWith(`${root}>`)) return Either.left(invalid(format, `it does not end with ${root}`))
  if (text.includes("<!DOCTYPE")) return Either.left(invalid(format, "it defines entities of its own"))
  return Either.try({
    try: (): unknown => parser.parse(text),
    catch: () => invalid(format, "it is no XML")
  }).pipe(
    Either.flatMap((found) =>
      Either.mapLeft(Schema.decodeUnknownEither(schema)(found), () =>
        invalid(format, "it lacks what S3 answers; is the endpoint that of an S3 service?")
      )
    )
  )
}

const percentDecoded = (text: string): Either.Either<string, FormatError> =>
  Either.try({
    // as in forms, where a plus sign stands for a space and is itself always encoded
    try: () => decodeURIComponent(text.replaceAll("+", " ")),
    catch: () => invalid("listing", `the key ${JSON.stringify(text.slice(0, 100))} is not percent-encoded UTF-8`)
  })

/** The page that a `ListObjectsV2` answer is. @since 0.1.0 @category conversions */
export const page = (text: string): Either.Either<Page, FormatError> =>
  Either.gen(function* () {
    const { ListBucketResult: found } = yield* decode("listing", "ListBucketResult", Listing, text)
    const contents = found.Contents === undefined ? [] : "Key" in found.Contents ? [found.Contents] : found.Contents
    const raw = contents.map(({ Key }) => Key)
    const keys = found.EncodingType?.trim() === "url" ? yield* Either.all(raw.map(percentDecoded)) : raw
    const next = found.NextContinuationToken
    if (found.IsTruncated.trim() !== "true") return { keys, next: undefined }
    if (next === undefined || next === "") return yield* Either.left(invalid("listing", "it stops without a token"))
    return { keys, next }
  })

/** What an error's body says; a body that is no S3 error says nothing. @since 0.1.0 @category conversions */
export const refusal = (text: string): Refusal =>
  Either.match(decode("error", "Error", Failed, text), {
    onLeft: () => ({ code: "", message: "" }),
    onRight: ({ Error: { Code = "", Message = "", Region } }) => ({
      code: Code.trim(),
      message: Message.trim(),
      ...(Region === undefined ? {} : { region: Region.trim() })
    })
  })

/** The id of an upload in parts that was begun. @since 0.1.0 @category conversions */
export const uploadId = (text: string): Either.Either<string, FormatError> =>
  Either.map(
    decode("multipart upload", "InitiateMultipartUploadResult", Initiated, text),
    ({ InitiateMultipartUploadResult: { UploadId } }) => UploadId
  )

// services do not agree on what the answer is called
const completions = ["CompleteMultipartUploadResult", "CompleteMultipartUploadResponse"]

/** Whether an upload in parts was completed: the status 200 alone does not say so. @since 0.1.0 @category guards */
export const isCompleted = (text: string): boolean =>
  completions.some((root) => Either.isRight(decode("completion", root, Schema.Struct({ [root]: Tagged }), text)))

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }

/** What completes an upload in parts: the parts' tags, in order from part 1. @since 0.1.0 @category conversions */
export const completion = (tags: ReadonlyArray<string>): string =>
  `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${tags
    .map((tag, index) => {
      const escaped = tag.replace(/[&<>"]/g, (character) => escapes[character] ?? character)
      return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped}</ETag></Part>`
    })
    .join("")}</CompleteMultipartUpload>`

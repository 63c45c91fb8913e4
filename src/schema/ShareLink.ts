/**
 * Links that open one frozen snapshot of a vault (docs/format/core.md §11.5, docs/format/node.md §5.7).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"

/** @since 0.1.0 @category models */
export interface ShareLink {
  /** 1 to 64 characters of `[a-z0-9_-]`, the first no digit and no `_`. */
  readonly label: string
  /** The age file that holds the vault root. */
  readonly manifest: Hash.Hash
  /** The age identity that opens it, `AGE-SECRET-KEY-1…`. */
  readonly secret: Redacted.Redacted<string>
}

const scheme = "s5://"
const intent = "export"
const labelPattern = /^[a-z-][a-z0-9_-]{0,63}$/

const fail = (at: string, problem: string) => Either.left(new FormatError({ format: "share link", at, problem }))

const checked = (link: ShareLink): Either.Either<ShareLink, FormatError> => {
  if (!labelPattern.test(link.label)) {
    return fail("label", "expected 1 to 64 of a-z, 0-9, _ and -, not beginning with a digit or _")
  }
  return Redacted.value(link.secret) === "" ? fail("secret", "it is empty") : Either.right(link)
}

/** `s5://export/<label>?m=<hash>#<secret>`; the text is a secret. Fails on a bad label or no secret. @since 0.1.0 @category conversions */
export const toText = (link: ShareLink): Either.Either<string, FormatError> =>
  Either.map(
    checked(link),
    ({ label, manifest, secret }) => `${scheme}${intent}/${label}?m=${Hash.toHex(manifest)}#${Redacted.value(secret)}`
  )

/** The two parts of `text` around the first `separator`. */
const splitOnce = (text: string, separator: string): readonly [before: string, after: string | undefined] => {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/**
 * The link of a text; errors never hold the text. Parameters other than `m` are passed over; `m` twice is refused.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromText = (text: string): Either.Either<ShareLink, FormatError> => {
  if (!text.startsWith(scheme)) return fail("character 0", `it does not begin with ${scheme}`)
  const [address, secret] = splitOnce(text.slice(scheme.length), "#")
  if (secret === undefined || secret === "") return fail("secret", "there is none after #")
  const [path, query = ""] = splitOnce(address, "?")
  const [given, label] = splitOnce(path, "/")
  if (given !== intent || label === undefined) return fail(`character ${scheme.length}`, `expected ${intent}/<label>`)
  const manifests = query.split("&").filter((parameter) => parameter.startsWith("m="))
  const [first] = manifests
  if (first === undefined || manifests.length > 1) {
    return fail("m", manifests.length > 1 ? "it is given twice" : "it is missing")
  }
  const hash = Hash.fromHex(first.slice(2))
  if (Either.isLeft(hash)) return fail("m", hash.left.problem)
  return checked({ label, manifest: hash.right, secret: Redacted.make(secret) })
}

/**
 * How many of several registries must have stored an entry before it is acknowledged (docs/format/core.md §9.4).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import { FormatError } from "./FormatError.ts"

/**
 * `any` and quorums of no more than half of the backends are not exclusive: two writers can both be acknowledged, at
 * different backends, and a reader gets both entries.
 *
 * @since 0.1.0
 * @category models
 */
export type WritePolicy =
  | { readonly _tag: "All" }
  | { readonly _tag: "Any" }
  | { readonly _tag: "Quorum"; readonly count: number }

/**
 * The policy of `all`, `any` or `quorum:<n>` for that many backends (docs/format/core.md §9.4); a quorum of none or of
 * more than there are is refused.
 *
 * @since 0.1.0
 * @category conversions
 */
export const parse = (text: string, backends: number): Either.Either<WritePolicy, FormatError> => {
  const fail = (problem: string) => Either.left(new FormatError({ format: "write policy", at: `"${text}"`, problem }))
  if (text === "all") return Either.right({ _tag: "All" })
  if (text === "any") return Either.right({ _tag: "Any" })
  const digits = /^quorum:([0-9]{1,9})$/.exec(text)?.[1]
  if (digits === undefined) return fail('expected "all", "any" or "quorum:<number>"')
  const count = Number(digits)
  if (count === 0) return fail("a quorum of 0 would acknowledge what no backend has")
  return count > backends
    ? fail(`a quorum of ${count} cannot be reached with ${backends} backends`)
    : Either.right({ _tag: "Quorum", count })
}

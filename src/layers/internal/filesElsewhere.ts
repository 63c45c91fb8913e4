/**
 * Reading small files of which a call may not come back, by other threads.
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ListedFile, LocalTreeError, ReadWholeOptions, Service, WholeFile } from "../../services/LocalTree.ts"
import { unchanged } from "../../services/LocalTree.ts"

/** As `readWhole` of a tree, one file. */
export const read = (
  tree: Pick<Service, "open" | "extendedAttributes">,
  { expect, path }: ListedFile,
  options: ReadWholeOptions
): Effect.Effect<WholeFile, LocalTreeError> =>
  Effect.gen(function* () {
    const { after, before, next } = yield* tree.open(path, { expect })
    const attributes = options.attributes ? yield* Effect.either(tree.extendedAttributes(path)) : Either.right([])
    const size = Number(before.size)
    if (size > options.limit) return { before, bytes: undefined, steady: true, attributes }
    const bytes = new Uint8Array(size)
    let length = 0
    for (let part = yield* next; part !== undefined; part = yield* next) {
      // a size of 0 was not the truth
      if (length + part.length > size) return { before, bytes: undefined, steady: true, attributes }
      bytes.set(part, length)
      length += part.length
    }
    return { before, bytes: bytes.subarray(0, length), steady: unchanged(before, yield* after), attributes }
  }).pipe(Effect.scoped)

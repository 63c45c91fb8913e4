/** Reading results of pure decoders in tests. */
import * as Either from "effect/Either"
import { FormatError } from "../../src/schema/FormatError.ts"

/** The right value; a left one fails the test with its message. */
export const right = <A>(result: Either.Either<A, FormatError>): A => {
  if (Either.isLeft(result)) throw new Error(`refused: ${result.left.message}`)
  return result.right
}

/** The error of a refusal; acceptance fails the test. */
export const refusal = (result: Either.Either<unknown, FormatError>): FormatError => {
  if (Either.isRight(result)) throw new Error("accepted what must be refused")
  if (!(result.left instanceof FormatError)) throw new Error("refused with another error than FormatError")
  return result.left
}

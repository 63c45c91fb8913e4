/**
 * The keys to a bucket, as they were given or from the environment.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { FormatError } from "../schema/FormatError.ts"
import type { Credentials } from "./ObjectStoreS3Client.ts"

const invalid = (at: string, problem: string) => new FormatError({ format: "S3 store", at, problem })

const secretOf = (name: string) => Config.option(Config.redacted(name))

const fromEnvironment = Config.all({
  accessKey: Config.option(Config.string("AWS_ACCESS_KEY_ID")),
  secretKey: secretOf("AWS_SECRET_ACCESS_KEY"),
  sessionToken: secretOf("AWS_SESSION_TOKEN")
}).pipe(
  Effect.mapError(() => invalid("the environment", "AWS_ACCESS_KEY_ID and its like cannot be read")),
  Effect.flatMap(({ accessKey, secretKey, sessionToken }) =>
    Option.isSome(accessKey) && Option.isSome(secretKey)
      ? Effect.succeed<Credentials>({
          accessKey: accessKey.value,
          secretKey: secretKey.value,
          sessionToken: Option.getOrUndefined(sessionToken)
        })
      : invalid(
          "access_key",
          "there are no credentials; set access_key and secret_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        )
  )
)

/**
 * The given keys; without any, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the environment.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (given: Credentials | undefined) =>
  Effect.filterOrFail(
    given === undefined ? fromEnvironment : Effect.succeed(given),
    ({ accessKey, secretKey }) => /^[\x21-\x7e]+$/.test(accessKey) && Redacted.value(secretKey) !== "",
    () => invalid("access_key", "the access key or the secret key is empty or has characters that no key has")
  )

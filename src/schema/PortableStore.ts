/**
 * A store's table on its way to another device: JSON with the secrets themselves in it, and nothing that the other device
 * would run or look up for them.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Raw from "./ConfigRaw.ts"
import * as ConfigStore from "./ConfigStore.ts"
import { FormatError } from "./FormatError.ts"

/** What can be taken along. @since 0.1.0 @category models */
export const PortableStore = Schema.Union(ConfigStore.Local, ConfigStore.S3, ConfigStore.Relay)

/** @since 0.1.0 @category models */
export type PortableStore = typeof PortableStore.Type

/** Fields that hold secrets, of any type. @since 0.1.0 @category constants */
export const secretFields: ReadonlyArray<string> = ["access_key", "secret_key", "session_token", "token"]

const parse = Schema.decodeUnknownEither(Schema.parseJson())
const decodeTable = Schema.decodeUnknownEither(PortableStore, { onExcessProperty: "error" })

/**
 * The store that the JSON describes. A secret that is not there itself, but a file, variable or command of this machine, is
 * refused: whoever made the JSON has no say in what runs here. Errors never quote what was given.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromJson = (json: Redacted.Redacted<string>): Either.Either<PortableStore, FormatError> => {
  const wrong = (at: string, problem: string) => new FormatError({ format: "description of a store", at, problem })
  return Either.gen(function* () {
    const raw = Raw.asTable(yield* Either.mapLeft(parse(Redacted.value(json)), () => wrong("start", "it is no JSON")))
    const named = secretFields.find((field) => {
      const secret = Raw.field(raw, field)
      return secret !== undefined && typeof secret !== "string"
    })
    if (named !== undefined) return yield* Either.left(wrong(named, "a secret has to be there itself"))
    return yield* Either.mapLeft(decodeTable(raw), () =>
      wrong("type", "it is no store that this version knows; update Cairn, or add the store by hand")
    )
  })
}

/** Whether both are the same place, whoever may do what in it; paths are compared as `resolve` has them. @since 0.1.0 @category guards */
export const isSamePlace = (
  a: ConfigStore.ConfigStore,
  b: ConfigStore.ConfigStore,
  resolve: (path: string) => string
): boolean => {
  const address = (store: ConfigStore.ConfigStore) => {
    switch (store.type) {
      case "local":
        return ["local", resolve(store.base_path)]
      case "s3":
        return ["s3", store.endpoint ?? "", store.bucket_name, store.prefix.replace(/^\/+|\/+$/g, "")]
      case "relay":
        return ["relay", store.url.replace(/\/+$/, "")]
      default:
        return undefined
    }
  }
  const [one, other] = [address(a), address(b)]
  return one !== undefined && other !== undefined && JSON.stringify(one) === JSON.stringify(other)
}

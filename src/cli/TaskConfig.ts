/**
 * The configured tasks of this home.
 *
 * @since 0.1.0
 */
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as ConfigFile from "../layers/ConfigFile.ts"
import * as TaskFromConfig from "../programs/TaskFromConfig.ts"
import * as ConfigChoice from "./ConfigChoice.ts"
import * as Home from "./Home.ts"
import * as Reference from "./Reference.ts"

/** The file that this run goes by. @since 0.1.0 @category accessors */
export const file = Effect.map(
  ConfigChoice.Choice,
  ({ option }) => ConfigChoice.chosen(option, process.env, Home.mine).file
)

/** The configuration that this run goes by; the empty one where there is no file and none was named. @since 0.1.0 @category programs */
export const load = Effect.flatMap(ConfigChoice.Choice, ({ option }) => {
  const { file, isNamed } = ConfigChoice.chosen(option, process.env, Home.mine)
  return existsSync(file) || isNamed ? ConfigFile.load(file) : Effect.succeed(ConfigFile.none(file))
})

/** The task of that name, with what its success starts. @since 0.1.0 @category programs */
export const submission = Effect.fnUntraced(function* (name: string, attended: boolean) {
  const { config, resolve } = yield* load
  return yield* TaskFromConfig.submission(name, { config, resolve, endOf: Reference.endOf, attended })
})

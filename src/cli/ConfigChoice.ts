/**
 * Which configuration file a run goes by.
 *
 * @since 0.1.0
 */
import { existsSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Context from "effect/Context"
import type { Home } from "./Home.ts"

/** What the command line says about it. @since 0.1.0 @category services */
export class Choice extends Context.Reference<Choice>()("cairn/ConfigChoice", {
  defaultValue: (): { readonly option: string | undefined; readonly isQuiet: boolean } => ({
    option: undefined,
    isQuiet: false
  })
}) {}

/** A file, and whether somebody named it: one that was named has to be there. @since 0.1.0 @category models */
export interface Chosen {
  readonly file: string
  readonly isNamed: boolean
  readonly isThere: boolean
}

/** `--config`, then `CAIRN_CONFIG`, then `config.toml` in the configuration folder. @since 0.1.0 @category constructors */
export const chosen = (
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
  home: Pick<Home, "config">
): Chosen => {
  const variable = environment.CAIRN_CONFIG
  const named = option ?? (variable === "" ? undefined : variable)
  const file = named === undefined ? join(home.config, "config.toml") : resolve(named)
  return { file, isNamed: named !== undefined, isThere: existsSync(file) }
}

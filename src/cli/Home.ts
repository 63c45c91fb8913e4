/**
 * Where Cairn keeps its files on this machine.
 *
 * @since 0.1.0
 */
import { homedir } from "node:os"
import { isAbsolute, join, resolve } from "node:path"

/** Folders for configuration and keys, for data, and for what can be lost. @since 0.1.0 @category models */
export interface Home {
  readonly config: string
  readonly data: string
  readonly cache: string
}

/** `CAIRN_HOME` puts all three under one folder; otherwise the XDG base directories say. @since 0.1.0 @category constructors */
export const fromEnvironment = (environment: Readonly<Record<string, string | undefined>>): Home => {
  const own = environment.CAIRN_HOME
  if (own !== undefined && own !== "") {
    const top = resolve(own)
    return { config: join(top, "config"), data: join(top, "data"), cache: join(top, "cache") }
  }
  const base = (variable: string, ...fallback: ReadonlyArray<string>) => {
    const value = environment[variable]
    // the XDG specification says that relative paths are ignored
    return join(value !== undefined && isAbsolute(value) ? value : join(homedir(), ...fallback), "cairn")
  }
  return {
    config: base("XDG_CONFIG_HOME", ".config"),
    data: base("XDG_DATA_HOME", ".local", "share"),
    cache: base("XDG_CACHE_HOME", ".cache")
  }
}

/** Where this user's files are. @since 0.1.0 @category constants */
export const mine = fromEnvironment(process.env)

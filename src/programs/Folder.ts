/**
 * A source's place in a vault: which keys are its own.
 *
 * @since 0.1.0
 */
import type { KeyRange } from "../fs5/ReadableLayer.ts"

/** The key of `name` inside `folder`, which is empty for the vault's top. @since 0.1.0 @category constructors */
export const join = (folder: string, name: string): string =>
  folder === "" ? name : name === "" ? folder : `${folder}/${name}`

/** Everything below a folder, and the folder's own entry. @since 0.1.0 @category constructors */
export const below = (folder: string): KeyRange =>
  // "0" is the character after "/"
  folder === "" ? {} : { from: `${folder}/`, until: `${folder}0` }

/** The key of a file, alone. @since 0.1.0 @category constructors */
export const only = (key: string): KeyRange => ({ from: key, until: `${key}\0` })

/** The ranges of keys that a source at `folder` owns, in order: itself as a file, then everything below it. @since 0.1.0 @category constructors */
export const ranges = (folder: string): ReadonlyArray<KeyRange> =>
  folder === "" ? [{}] : [only(folder), below(folder)]

/** Whether two sources at these folders would write over each other. @since 0.1.0 @category guards */
export const overlap = (a: string, b: string): boolean =>
  a === b || a === "" || b === "" || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)

/**
 * Removing what dead processes left under a store's `.tmp/` (docs/format/core.md §16).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as NodeFile from "./NodeFile.ts"

// A living process is never a day over one file. Were it, its file would be gone when it wants to rename it, and its
// write would fail: no safety hangs on this number.
const oldest = 24 * 60 * 60 * 1000

const sweep = async (folder: string, before: number): Promise<void> => {
  const directory = await NodeFile.unless(NodeFile.absent, NodeFile.opendir(folder))
  if (directory === undefined) return
  for await (const found of directory) {
    const path = `${folder}/${found.name}`
    if (found.isDirectory()) {
      await sweep(path, before)
      // only the folders that stand for one object: the reference has a lasting one, `blob`
      if (found.name === "blob") continue
      const stat = await NodeFile.unless(NodeFile.absent, NodeFile.lstat(path))
      if (stat !== undefined && stat.mtimeMs < before) {
        await NodeFile.unless([...NodeFile.absent, "ENOTEMPTY", "EEXIST"], NodeFile.rmdir(path))
      }
    } else {
      const stat = await NodeFile.unless(NodeFile.absent, NodeFile.lstat(path))
      if (stat !== undefined && stat.mtimeMs < before) await NodeFile.unless(NodeFile.absent, NodeFile.unlink(path))
    }
  }
}

/** Removes what is older than a day from the folder `temporary`, as far as it can. @since 0.1.0 @category operations */
export const remove = (temporary: string, now: number): Effect.Effect<void> =>
  // leftovers are listed nowhere and stand for nothing; what cannot be removed only takes room, until next time
  Effect.ignore(Effect.tryPromise(() => sweep(temporary, now - oldest)))

import { type Dirent, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

/** A new folder that is removed with the scope. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cairn-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
)

/**
 * Every entry below a folder with its path. Links are told, not followed: Node's own recursion follows them from Node 26 on,
 * and ends nowhere where one leads up.
 */
export const entriesBelow = (top: string): ReadonlyArray<{ readonly path: string; readonly entry: Dirent }> =>
  readdirSync(top, { withFileTypes: true }).flatMap((entry) => {
    const path = join(top, entry.name)
    return [{ path, entry }, ...(entry.isDirectory() ? entriesBelow(path) : [])]
  })

/** The path of every file below a folder. */
export const filesBelow = (top: string): ReadonlyArray<string> =>
  entriesBelow(top).flatMap(({ entry, path }) => (entry.isFile() ? [path] : []))

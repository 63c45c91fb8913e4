/**
 * The objects in a folder tree, batch by batch.
 *
 * @since 0.1.0
 */
import type { Dir } from "node:fs"
import * as NodeFile from "./NodeFile.ts"
import * as ObjectPath from "./ObjectPath.ts"

// Blobs lie nearly one to a folder, so that opening and closing is most of the time: several folders at once.
const folders = 16
const batch = 1024
// entries that one call into the system brings along
const bufferSize = 128

interface Cursor {
  /** "" or ending in a slash. */
  readonly folder: string
  /** Open while it is not read to its end. */
  directory: Dir | undefined
}

/**
 * The paths below `base` that begin with `prefix`, at most some thousands in memory at a time however large a folder is.
 * Temporary files, links and what has no object's path are left out; a folder that is not there is empty.
 *
 * @since 0.1.0
 * @category operations
 */
export const batches = async function* (base: string, prefix: string): AsyncGenerator<ReadonlyArray<string>, void> {
  const start = prefix.slice(0, prefix.lastIndexOf("/") + 1)
  // a prefix that no path has: nothing begins with it
  if (ObjectPath.problem(`${start}-`) !== undefined) return
  const pending: Array<Cursor> = [{ folder: start, directory: undefined }]

  const step = async (cursor: Cursor) => {
    const objects: Array<string> = []
    const below: Array<Cursor> = []
    cursor.directory ??= await NodeFile.unless(
      NodeFile.absent,
      NodeFile.opendir(`${base}/${cursor.folder}`, { bufferSize })
    )
    const directory = cursor.directory
    for (let read = 0; directory !== undefined; read++) {
      if (read === batch) return { objects, below, rest: cursor }
      const found = await directory.read()
      if (found === null) {
        cursor.directory = undefined
        await directory.close()
        break
      }
      const path = cursor.folder + found.name
      if (found.isFile()) {
        const object = found.name === ObjectPath.entry ? cursor.folder.slice(0, -1) : path
        // the rest is not of this store's making and could not be read through it
        if (object.startsWith(prefix) && ObjectPath.problem(object) === undefined) objects.push(object)
      } else if (found.isDirectory() && path !== ObjectPath.temporary && path.startsWith(prefix)) {
        below.push({ folder: `${path}/`, directory: undefined })
      }
    }
    return { objects, below, rest: undefined }
  }

  let taken: Array<Cursor> = []
  try {
    while (pending.length > 0) {
      taken = pending.splice(-folders)
      const results = await Promise.allSettled(taken.map(step))
      for (const result of results) {
        if (result.status === "rejected") throw result.reason
        pending.push(...result.value.below)
        if (result.value.rest !== undefined) pending.push(result.value.rest)
      }
      const objects = results.flatMap((result) => (result.status === "fulfilled" ? result.value.objects : []))
      taken = []
      if (objects.length > 0) yield objects
    }
  } finally {
    for (const { directory } of [...taken, ...pending]) await directory?.close()
  }
}

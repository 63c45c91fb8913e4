/**
 * Removing what is below a restore target without following a link, whatever is swapped meanwhile.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { LocalTreeError } from "../../services/LocalTree.ts"
import * as Files from "./files.ts"

/** Removes the entry at `path`, a directory with all that is in it if `recursive`. */
export const removeTree = (path: Buffer, at: Files.Place, recursive: boolean): Effect.Effect<void, LocalTreeError> =>
  Effect.suspend(() => {
    const removed = Files.attempt(at, () => {
      if (!fs.lstatSync(path).isDirectory()) {
        fs.unlinkSync(path)
        return true
      }
      if (recursive) return false
      fs.rmdirSync(path)
      return true
    })
    if (Either.isLeft(removed)) return Effect.fail(removed.left)
    return removed.right ? Effect.void : emptied(path, at)
  })

const emptied = (path: Buffer, at: Files.Place): Effect.Effect<void, LocalTreeError> =>
  Effect.acquireUseRelease(
    Effect.suspend(() => Files.attempt(at, () => (Files.hasDoors ? fs.openSync(path, Files.directoryFlags) : -1))),
    (fd) => {
      const door = Buffer.concat([fd < 0 ? path : Buffer.from(Files.doorOf(fd)), Buffer.from(fd < 0 ? "/" : "")])
      return Files.call<Array<Buffer>>(at, (done) =>
        fs.readdir(Buffer.concat([door, Buffer.from(".")]), { encoding: "buffer" }, done)
      ).pipe(
        Effect.flatMap((names) =>
          Effect.forEach(
            names,
            (name) =>
              removeTree(Buffer.concat([door, name]), at, true).pipe(
                Effect.catchIf(
                  (error) => error.reason === "NotFound",
                  () => Effect.void
                )
              ),
            { discard: true }
          )
        )
      )
    },
    (fd) => (fd < 0 ? Effect.void : Files.close(fd))
  ).pipe(Effect.zipRight(Files.order(at, (done) => fs.rmdir(path, done))))

/**
 * What a task says, as the user asked to hear it; it makes no difference in which process the task runs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as LocalPath from "../schema/LocalPath.ts"
import type * as TaskEvent from "../schema/TaskEvent.ts"
import * as Console from "./Console.ts"
import * as ProgressTerminal from "./ProgressTerminal.ts"
import * as RecoveryHint from "./RecoveryHint.ts"

type Of<Tag extends TaskEvent.Said["_tag"]> = Extract<TaskEvent.Said, { readonly _tag: Tag }>

const sourceText = ({ record }: Of<"Source">): string => {
  const { bytes, files, folder, outcome, readBytes, readFiles, vault } = record
  const snapshot = record.snapshot?.slice(0, 10) ?? ""
  const what = {
    published: `snapshot ${snapshot}`,
    unchanged: `no change since snapshot ${snapshot}`,
    "dry-run": "dry run, nothing was written",
    ingested: "ingested, not published yet"
  }[outcome]
  return `${vault}:${LocalPath.display(folder)}: ${what}: ${Console.count(files, "file")}, ${Console.size(bytes)} (${Console.count(readFiles, "file")} read, ${Console.size(readBytes)})`
}

const restoredText = ({ directory, dryRun, record }: Of<"Restored">): string => {
  const { bytes = 0, files = 0, unchanged = 0 } = record.counts
  const where = LocalPath.display(directory)
  return dryRun
    ? `${where}: would restore ${Console.count(files, "file")}, ${Console.size(bytes)}`
    : `${where}: restored ${Console.count(files, "file")}, ${Console.size(bytes)}${unchanged > 0 ? `; ${Console.count(unchanged, "file")} were there already` : ""}`
}

const verifiedText = ({ record, vault }: Of<"Verified">): string => {
  const { blobs = 0, bytes = 0, damaged = 0, nodes = 0, snapshots = 0, unread = 0 } = record.counts
  const verdict = damaged === 0 ? "all good" : `${Console.count(damaged, "damage")} found`
  const rest = unread === 0 ? "" : `, ${Console.count(unread, "blob")} left out of the sample`
  return `${vault}: ${verdict}: ${Console.count(snapshots, "snapshot")}, ${Console.count(nodes, "node")}, ${Console.count(blobs, "blob")}, ${Console.size(bytes)} read${rest}`
}

/** Tells one thing. @since 0.1.0 @category models */
export type Say = (said: TaskEvent.Said) => Effect.Effect<void>

/** Data to standard output, the rest to standard error; a line of progress goes away with the scope. @since 0.1.0 @category output */
export const make = (voice: Console.Voice): Effect.Effect<Say, never, Scope.Scope> =>
  Effect.map(ProgressTerminal.show(voice), (progress) => (said: TaskEvent.Said) => {
    const emit = (record: Of<"Source" | "Restored" | "Verified">["record"], text: string) =>
      Console.emit(voice, record, voice.quiet ? undefined : text)
    switch (said._tag) {
      case "Progress":
        return progress(said)
      case "Source":
        return Effect.zipRight(
          emit(said.record, sourceText(said)),
          said.record.leftOut > 0
            ? Console.note(
                voice,
                `cairn: left out ${Console.count(said.record.leftOut, "socket, pipe or device", "sockets, pipes and devices")}`
              )
            : Effect.void
        )
      case "Restored":
        return emit(said.record, restoredText(said))
      case "Verified":
        return emit(said.record, verifiedText(said))
      case "Problem":
        return Effect.zipRight(
          said.complaint === undefined ? Effect.void : Console.complain(said.complaint),
          voice.json ? Console.json(said.record) : Effect.void
        )
      case "Complaint":
        return Console.complain(said.text)
      case "Note":
        return Console.note(voice, `cairn: ${said.text}`)
      case "NoRecoveryPhrase":
        return Console.tell(RecoveryHint.line)
    }
  })

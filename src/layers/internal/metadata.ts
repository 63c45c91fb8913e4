/**
 * Giving a restored entry its owner, mode, extended attributes and time, and saying what could not be given.
 */
import * as fs from "node:fs"
import * as Bytes from "../../schema/Bytes.ts"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { Metadata, Note } from "../../services/LocalTree.ts"
import * as Files from "./files.ts"
import type { Native } from "./native.ts"

/** What gets the metadata: a file that is open for writing, or what is at a path. */
export type Subject = { readonly shown: string } & (
  | { readonly kind: "file"; readonly fd: number; readonly path?: undefined }
  | { readonly kind: "directory" | "symlink"; readonly path: Buffer; readonly fd?: undefined }
)

/** The path of an open directory itself, without a link in its last place. */
export const inside = (door: Buffer): Buffer => Buffer.concat([door, Buffer.from(".")])

const setIds = 0o6000
const permissionBits = 0o7777
/** File capabilities: they lend a program privileges as setuid does. */
const capabilityAttribute = "security.capability"
/** What Node's doubles lose of a time of today, and then some. */
const doubleError = 2_000n

const secondsText = (ns: bigint): string => {
  // a text, because Node takes negative numbers for "now"
  const absolute = ns < 0n ? -ns : ns
  return `${ns < 0n ? "-" : ""}${absolute / 1_000_000_000n}.${(absolute % 1_000_000_000n).toString().padStart(9, "0")}`
}

export const make = (native: Native | undefined, allowSetuid: boolean) => {
  const apply = (subject: Subject, metadata: Metadata): ReadonlyArray<Note> => {
    const notes: Array<Note> = []
    const note = (aspect: Note["aspect"], detail: string) => notes.push({ aspect, path: subject.shown, detail })
    const tried = (aspect: Note["aspect"], what: string, run: () => void): boolean => {
      try {
        run()
        return true
      } catch (cause) {
        note(aspect, `${what}: ${Files.meaning(Files.codeOf(cause) || "failed")}`)
        return false
      }
    }
    /** What it is now: asked once, it tells whether the time was kept and whether the mode is right already. */
    const status = (): { readonly mode: number; readonly mtimeNs: bigint } => {
      const known = subject.fd === undefined ? undefined : native?.statusOf(subject.fd)
      if (known !== undefined) return known
      const { mode, mtimeNs } =
        subject.fd === undefined
          ? fs.lstatSync(subject.path, { bigint: true })
          : fs.fstatSync(subject.fd, { bigint: true })
      return { mode: Number(mode), mtimeNs }
    }

    // first of all: a change of owner clears capabilities and setuid
    const ownerKept = owner(subject, metadata, tried, note)
    attributes(subject, metadata, note)
    const { mtimeNs } = metadata
    const isTimed = mtimeNs !== undefined && tried("mtime", "modification time", () => setModified(subject, mtimeNs))
    const hasMode = metadata.mode !== undefined && subject.kind !== "symlink"
    if (!isTimed && !hasMode) return notes
    const now = status()
    if (isTimed) {
      const off = now.mtimeNs > mtimeNs ? now.mtimeNs - mtimeNs : mtimeNs - now.mtimeNs
      if (off > (native === undefined ? doubleError : 0n))
        note("mtime", `the file system keeps ${now.mtimeNs} ns instead of ${mtimeNs} ns since 1970`)
    }
    // last: without the right to enter it, a directory takes nothing else
    if (hasMode) {
      const full = metadata.mode & permissionBits
      const risky = subject.kind === "file" && (full & setIds) !== 0 && allowSetuid && !ownerKept
      const mode = allowSetuid && !risky ? full : full & ~setIds
      if (mode !== full)
        note("mode", risky ? "setuid and setgid left off: the owner is another" : "setuid and setgid left off")
      if ((now.mode & permissionBits) !== mode)
        tried("mode", `mode ${mode.toString(8)}`, () =>
          subject.fd === undefined ? fs.chmodSync(subject.path, mode) : fs.fchmodSync(subject.fd, mode)
        )
    }
    return notes
  }

  const setModified = (subject: Subject, mtimeNs: bigint) => {
    if (native !== undefined) {
      const failed =
        subject.fd === undefined ? native.setModified(subject.path, mtimeNs) : native.setModifiedOf(subject.fd, mtimeNs)
      if (failed !== undefined) throw Files.withCode(failed.code)
      return
    }
    const { atimeMs } = subject.fd === undefined ? fs.lstatSync(subject.path) : fs.fstatSync(subject.fd)
    const read = secondsText(BigInt(Math.trunc(atimeMs)) * 1_000_000n)
    if (subject.fd === undefined) fs.lutimesSync(subject.path, read, secondsText(mtimeNs))
    else fs.futimesSync(subject.fd, read, secondsText(mtimeNs))
  }

  /** Whether the entry has the owner and group that it should have. */
  const owner = (
    subject: Subject,
    { gid, uid }: Metadata,
    tried: (aspect: Note["aspect"], what: string, run: () => void) => boolean,
    note: (aspect: Note["aspect"], detail: string) => void
  ): boolean => {
    if (uid === undefined && gid === undefined) return true
    const now = subject.fd === undefined ? fs.lstatSync(subject.path) : fs.fstatSync(subject.fd)
    const newUid = uid === undefined || uid === now.uid ? -1 : uid
    const newGid = gid === undefined || gid === now.gid ? -1 : gid
    const chown = (u: number, g: number) =>
      subject.fd === undefined ? fs.lchownSync(subject.path, u, g) : fs.fchownSync(subject.fd, u, g)
    if (newUid === -1 && newGid === -1) return true
    if (process.geteuid?.() === 0)
      return tried("owner", `owner ${uid ?? now.uid}:${gid ?? now.gid}`, () => chown(newUid, newGid))
    const group = newGid === -1 || tried("owner", `group ${newGid}`, () => chown(-1, newGid))
    if (newUid !== -1) note("owner", `owner ${newUid}: only root can give files away`)
    return group && newUid === -1
  }

  const attributes = (subject: Subject, metadata: Metadata, note: (aspect: Note["aspect"], detail: string) => void) => {
    for (const { name, value } of metadata.extendedAttributes ?? []) {
      if (value === undefined) continue
      const shown = LocalPath.display(name)
      if (native === undefined) note("extended attribute", `${shown}: not supported here`)
      else if (name === "" || name.includes("\0")) note("extended attribute", `"${shown}" is no name`)
      else if (name === capabilityAttribute && !allowSetuid)
        note("extended attribute", `${shown}: file capabilities left off`)
      else {
        const wanted = Files.buffer(Bytes.fromUtf8(name))
        const failed =
          subject.fd === undefined
            ? native.setAttribute(subject.path, wanted, value)
            : native.setAttributeOf(subject.fd, wanted, value)
        if (failed !== undefined) note("extended attribute", `${shown}: ${Files.meaning(failed.code)}`)
      }
    }
  }

  return { apply }
}

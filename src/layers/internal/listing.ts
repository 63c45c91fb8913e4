/**
 * What is in a directory, asked for on the calling thread: from a system that has it in memory an answer takes a few
 * microseconds, and a trip to another thread many times as long.
 */
import * as fs from "node:fs"
import * as Either from "effect/Either"
import * as Bytes from "../../schema/Bytes.ts"
import * as LocalPath from "../../schema/LocalPath.ts"
import type { Entry, FileStatus, LocalTreeError } from "../../services/LocalTree.ts"
import * as Doors from "./doors.ts"
import * as Files from "./files.ts"
import type * as Native from "./native.ts"

/** Statuses that are asked for between two looks at the clock. */
const statusesAtATime = 64
/** Milliseconds for one status above which it is not memory that answers, and waiting for several at once pays. */
const slowStatus = 0.1
/** Milliseconds for opening and listing a directory, beside what its names take. */
const slowDirectory = 5

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

// one character for each byte of the name, as the system gives it
const bytesOf = (characters: string): Uint8Array => new Uint8Array(Buffer.from(characters, "latin1"))

/** A name whose bytes are made when somebody asks for them: of most entries nobody does. */
class ListedName implements LocalPath.Name {
  readonly text: string | undefined
  private readonly characters: string
  private known: Uint8Array | undefined

  constructor(characters: string) {
    this.characters = characters
    this.known = undefined
    this.text = isAscii(characters) ? characters : Bytes.toUtf8(this.bytes)
  }

  get bytes(): Uint8Array {
    this.known ??= bytesOf(this.characters)
    return this.known
  }
}

/** The path of an entry, made like the bytes of its name. */
class ListedPath implements LocalPath.LocalPath {
  readonly _tag = "LocalPath"
  private readonly directory: LocalPath.LocalPath
  private readonly name: LocalPath.Name
  private known: Uint8Array | undefined

  constructor(directory: LocalPath.LocalPath, name: LocalPath.Name) {
    this.directory = directory
    this.name = name
    this.known = undefined
  }

  get bytes(): Uint8Array {
    this.known ??= LocalPath.child(this.directory, this.name).bytes
    return this.known
  }
}

/** Looks at the entry of that name, its bytes one character each, in the open directory. */
const look = (
  native: Native.Native | undefined,
  directory: number | undefined,
  prefix: Buffer,
  characters: string
): FileStatus | Error | undefined => {
  const known = directory === undefined ? undefined : native?.statusAt(directory, characters)
  if (known !== undefined) return known
  try {
    const path = Buffer.concat([prefix, Buffer.from(characters, "latin1")])
    return Files.statusOf(fs.lstatSync(path, { bigint: true }))
  } catch (cause) {
    if (Files.codeOf(cause) === "ENOENT") return undefined
    return cause instanceof Error ? cause : new Error("failed")
  }
}

const entriesIn = (
  native: Native.Native | undefined,
  path: LocalPath.LocalPath,
  { descriptor, prefix }: Doors.Door,
  at: Files.Place
): Either.Either<ReadonlyArray<Entry> | undefined, LocalTreeError> => {
  let began = performance.now()
  const listed = Files.attempt(at, () => fs.readdirSync(Buffer.concat([prefix, Buffer.from(".")]), "latin1"))
  if (Either.isLeft(listed)) return Either.left(listed.left)
  // characters of one byte each: their order is that of the bytes
  const names = listed.right.sort()
  if (performance.now() - began > slowDirectory + slowStatus * names.length) return Either.right(undefined)
  const out: Array<Entry> = []
  for (let from = 0; from < names.length; from += statusesAtATime) {
    const until = Math.min(from + statusesAtATime, names.length)
    began = performance.now()
    for (let index = from; index < until; index++) {
      const characters = names[index]!
      const status = look(native, descriptor, prefix, characters)
      if (status === undefined) continue
      const name = new ListedName(characters)
      const where = new ListedPath(path, name)
      out.push({
        name,
        path: where,
        status:
          status instanceof Error
            ? Either.left(Files.errorOf(Files.place("look at", where), status))
            : Either.right(status)
      })
    }
    if (performance.now() - began > slowStatus * statusesAtATime) return Either.right(undefined)
  }
  return Either.right(out)
}

/** The entries of a directory, ascending by bytes; nothing where it takes long, and other threads should do it. */
export const quick = (
  native: Native.Native | undefined,
  path: LocalPath.LocalPath,
  at: Files.Place
): Either.Either<ReadonlyArray<Entry> | undefined, LocalTreeError> => {
  const door = Doors.enter(path, at)
  if (Either.isLeft(door)) return Either.left(door.left)
  try {
    return entriesIn(native, path, door.right, at)
  } finally {
    door.right.close()
  }
}

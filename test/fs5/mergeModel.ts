/** What merging must give, worked out from the whole set of writers at once over plain maps. */
import * as Cbor from "../../src/schema/Cbor.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import * as Node from "../../src/schema/Node.ts"
import { primitives } from "../support/primitives.ts"

export type Tree = ReadonlyMap<string, NodeEntry>

const hashOf = (text: string) => primitives.blake3(Buffer.from(text))

export const contentHash = (content: number) => hashOf(`content ${content}`)

/** The hex of a content's id as conflict names have it. */
export const hex = (content: number, length = 8) => Hash.toHex(contentHash(content)).slice(0, length)

export interface FileOptions {
  readonly mtime?: number
  readonly mode?: number
  readonly ctime?: number
  /** Another number is another encoding of the same content. */
  readonly encoding?: number
}

export const file = (
  content: number,
  { ctime = 1, encoding = 0, mode = 0o644, mtime = 100 }: FileOptions = {}
): NodeEntry => ({
  content: {
    structural: "leaf",
    hash: hashOf(`content ${content} encoded ${encoding}`),
    plaintextHash: contentHash(content),
    size: BigInt(content),
    storedBlocks: BigInt(1 + encoding)
  },
  semantic: {
    timestamp: mtime,
    unix: { fileType: "regular", permissions: mode, ctime: BigInt(ctime), inode: BigInt(ctime) }
  }
})

export const folder = (mtime = 100, mode = 0o755): NodeEntry => ({
  semantic: { timestamp: mtime, unix: { fileType: "directory", permissions: mode } }
})

export const encoded = (entry: NodeEntry) => Buffer.from(Cbor.encode(Node.entryCodec, entry))

const contentOf = (entry: NodeEntry) => Buffer.from(entry.content?.plaintextHash ?? new Uint8Array(32)).toString("hex")
const timeOf = (entry: NodeEntry) => entry.semantic?.timestamp ?? -1
const metadataOf = (entry: NodeEntry) => `${timeOf(entry)} ${entry.semantic?.unix?.permissions}`

/** Newest first, then by bytes. */
const byTime = (a: NodeEntry, b: NodeEntry) => timeOf(b) - timeOf(a) || Buffer.compare(encoded(a), encoded(b))

const best = (entries: ReadonlyArray<NodeEntry>): NodeEntry | undefined => [...entries].sort(byTime)[0]

/** The best entry of each content, the one that keeps the path first. */
const rivals = (entries: ReadonlyArray<NodeEntry>): ReadonlyArray<NodeEntry> => {
  const groups = new Map<string, Array<NodeEntry>>()
  for (const entry of entries) groups.set(contentOf(entry), [...(groups.get(contentOf(entry)) ?? []), entry])
  return [...groups.values()]
    .map((group) => best(group)!)
    .sort((a, b) => timeOf(b) - timeOf(a) || (contentOf(a) < contentOf(b) ? -1 : 1))
}

const conflictName = (key: string, entry: NodeEntry, length: number) => {
  const slash = key.lastIndexOf("/") + 1
  const name = key.slice(slash)
  const dot = name.lastIndexOf(".")
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""]
  return `${key.slice(0, slash)}${stem} (conflict ${contentOf(entry).slice(0, length)})${extension}`
}

/** The tree after all `writers`, each of which changed `base` into its own tree, were merged. */
export const merged = (base: Tree, writers: ReadonlyArray<Tree>): Map<string, NodeEntry> => {
  const out = new Map<string, NodeEntry>()
  const copies: Array<readonly [string, NodeEntry]> = []
  for (const key of new Set([base, ...writers].flatMap((tree) => [...tree.keys()]))) {
    const was = base.get(key)
    const states = writers.map((writer) => writer.get(key))
    const there = states.filter((state) => state !== undefined)
    const contents = there.filter(
      (now) => !key.endsWith("/") && (was === undefined || contentOf(now) !== contentOf(was))
    )
    if (contents.length > 0) {
      const [winner, ...losers] = rivals(contents)
      out.set(key, winner!)
      for (const loser of losers) copies.push([key, loser])
    } else if (was !== undefined && there.length < states.length) continue
    else {
      const metadata = there.filter((now) => was === undefined || metadataOf(now) !== metadataOf(was))
      const incidental = there.filter((now) => was !== undefined && !encoded(now).equals(encoded(was)))
      out.set(key, best(metadata) ?? best(incidental) ?? was!)
    }
  }
  const files = [...out].filter(
    ([key]) => !key.endsWith("/") && [...out.keys()].some((each) => each.startsWith(`${key}/`))
  )
  for (const [key, entry] of files) {
    out.delete(key)
    copies.push([key, entry])
  }
  // what any writer has as a folder or had there before is nobody's to give away, whoever deletes it meanwhile
  const isTaken = (name: string) =>
    base.has(name) || [...base.keys(), ...out.keys()].some((each) => each.startsWith(`${name}/`))
  for (const [key, entry] of copies) {
    for (let length = 8; ; length += 4) {
      const name = conflictName(key, entry, length)
      if (isTaken(name)) continue
      const there = out.get(name)
      if (there !== undefined && contentOf(there) !== contentOf(entry)) continue
      out.set(name, best(there === undefined ? [entry] : [there, entry])!)
      break
    }
  }
  return out
}

/** Ids of all contents in a tree. */
export const contents = (tree: Tree): ReadonlySet<string> =>
  new Set([...tree.values()].filter((entry) => entry.content !== undefined).map(contentOf))

export const contentIn = contentOf

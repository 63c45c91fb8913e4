/**
 * What a merge of files must come to, written down once more and in other words than the program's: the oracle that every
 * new head is held against.
 */

/** A file: its content by hash, and when it was written (milliseconds). */
export interface File {
  readonly content: string
  readonly mtime: number
}

/** Files by their keys. */
export type Files = ReadonlyMap<string, File>

export const empty: Files = new Map()

const copySuffix = / \(conflict [0-9a-f]{8,64}(?:-[0-9]+)?\)/

/** The path that a conflict copy stands beside; any other key is its own. */
export const original = (key: string): string => key.replace(copySuffix, "")

/** What a writer did to a path: of two that differ the greater counts. */
const changeOf = (base: File | undefined, now: File | undefined): 0 | 1 | 2 | 3 => {
  if (base === undefined) return now === undefined ? 0 : 3
  if (now === undefined) return 2
  return base.content !== now.content ? 3 : base.mtime !== now.mtime ? 1 : 0
}

interface Expected {
  /** Every file but conflict copies. */
  readonly files: Map<string, File>
  /** What is displaced at a path, and by what. */
  readonly displaced: Map<string, { readonly winner: File; readonly loser: File }>
}

const merge = (base: Files, ours: Files, theirs: Files): Expected => {
  const files = new Map(theirs)
  const displaced: Expected["displaced"] = new Map()
  const give = (path: string, file: File | undefined) => {
    if (file === undefined) files.delete(path)
    else files.set(path, file)
  }
  for (const path of new Set([...base.keys(), ...ours.keys()])) {
    const [was, our, their] = [base.get(path), ours.get(path), theirs.get(path)]
    const mine = changeOf(was, our)
    const other = changeOf(was, their)
    if (mine !== other) give(path, mine > other ? our : their)
    else if (our !== undefined && their !== undefined && mine !== 0) {
      const isNewer = our.mtime > their.mtime || (our.mtime === their.mtime && our.content < their.content)
      give(path, isNewer ? our : their)
      if (our.content !== their.content)
        displaced.set(path, isNewer ? { winner: our, loser: their } : { winner: their, loser: our })
    }
  }
  return { files, displaced }
}

const copiesOf = (files: Files): ReadonlyMap<string, ReadonlySet<string>> => {
  const copies = new Map<string, Set<string>>()
  for (const [key, { content }] of files) {
    const path = original(key)
    if (path === key) continue
    const known = copies.get(path)
    if (known === undefined) copies.set(path, new Set([content]))
    else known.add(content)
  }
  return copies
}

/** Whether two sets of files are the same. */
export const equal = (a: Files, b: Files): boolean =>
  a.size === b.size &&
  [...a].every(([path, { content, mtime }]) => b.get(path)?.content === content && b.get(path)?.mtime === mtime)

const none: ReadonlySet<string> = new Set()
const shown = (file: File | undefined) =>
  file === undefined ? "nothing" : `${file.content.slice(0, 8)} of ${file.mtime}`

/** What is wrong with `merged` as the merge of what `ours` made of `base` into `theirs`; nothing when it is right. */
export const problem = (base: Files, ours: Files, theirs: Files, merged: Files): string | undefined => {
  const { displaced, files } = merge(base, ours, theirs)
  for (const [path, file] of files) {
    if (original(path) !== path) continue
    const is = merged.get(path)
    if (is?.content !== file.content || is.mtime !== file.mtime)
      return `${path} should be ${shown(file)}, and is ${shown(is)} (base ${shown(base.get(path))}, ours ${shown(ours.get(path))}, theirs ${shown(theirs.get(path))})`
  }
  for (const [path, file] of merged)
    if (original(path) === path && !files.has(path))
      return `${path} should not be there, and is ${shown(file)} (base ${shown(base.get(path))}, ours ${shown(ours.get(path))}, theirs ${shown(theirs.get(path))})`
  const before = copiesOf(theirs)
  const after = copiesOf(merged)
  for (const path of new Set([...before.keys(), ...after.keys(), ...displaced.keys()])) {
    const conflict = displaced.get(path)
    const allowed = new Set(before.get(path) ?? none)
    if (conflict !== undefined) allowed.add(conflict.loser.content)
    const copies = after.get(path) ?? none
    for (const content of copies)
      if (!allowed.has(content))
        return `a conflict copy of ${path} holds ${content.slice(0, 8)}, which nobody displaced`
    for (const content of allowed)
      if (!copies.has(content) && content !== conflict?.winner.content)
        return `${content.slice(0, 8)} should stand beside ${path} as a conflict copy, and does not`
  }
  return undefined
}

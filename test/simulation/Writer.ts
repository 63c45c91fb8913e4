/** What a simulated writer does: it changes its files, publishes them, and runs again when it did not get to the end. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as BlobCodec from "../../src/fs5/BlobCodec.ts"
import type { KeyedEntry } from "../../src/fs5/ReadableLayer.ts"
import * as TreeBuilder from "../../src/fs5/TreeBuilder.ts"
import * as TreeReader from "../../src/fs5/TreeReader.ts"
import * as Publish from "../../src/programs/Publish.ts"
import type * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import type { NodeEntry } from "../../src/schema/Node.ts"
import { batchOf } from "../../src/services/BlobStore.ts"
import type * as Envelope from "../../src/services/Envelope.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import { primitives } from "./CheapCrypto.ts"
import type { Dice } from "./Dice.ts"
import type { File, Files } from "./FileMerge.ts"

/** Any typed failure of a program. */
export interface Failure {
  readonly _tag: string
  readonly message: string
}

/** The programs under test; a mutant brings others. */
export interface Programs {
  readonly settle: (
    vault: Vault.Vault,
    folder: string
  ) => Effect.Effect<Pick<Effect.Effect.Success<ReturnType<typeof Publish.settle>>, "base" | "record">, Failure, Needs>
  readonly publish: (vault: Vault.Vault, change: Publish.Change) => Effect.Effect<Publish.Outcome, Failure, Needs>
}

type Needs = Envelope.Envelope | VaultState.VaultState

export const production: Programs = { settle: Publish.settle, publish: Publish.publish }

/** A file of a source: its bytes as text. */
export interface SourceFile {
  readonly text: string
  readonly mtime: number
}

/** A writer's folder as it is now, by names. */
export type Source = ReadonlyMap<string, SourceFile>

const names = ["a", "b", "c", "d.txt", "e.txt", "z"]

/** One file is written, or deleted when there is no text. */
export interface Change {
  readonly name: string
  readonly text: string | undefined
}

/** What a user might do next; `unique` is a text that nobody else has. */
export const change = (source: Source, dice: Dice, contents: "varied" | "alike", unique: string): Change => {
  const isAlike = contents === "alike"
  const name = dice.pick(isAlike ? names.slice(0, 2) : names)
  if (source.has(name) && dice.chance(0.45)) return { name, text: undefined }
  // some contents are the same everywhere, so that blobs are, too
  return { name, text: dice.chance(isAlike ? 0.9 : 0.3) ? `common ${dice.below(isAlike ? 2 : 3)}` : unique }
}

/** The source after a change, `now` being microseconds. */
export const edited = (source: Source, { name, text }: Change, now: number): Source => {
  const after = new Map(source)
  if (text === undefined) after.delete(name)
  else after.set(name, { text, mtime: Math.floor(now / 1000) })
  return after
}

const contents = new Map<string, string>()

const contentOf = (text: string): string => {
  const known = contents.get(text)
  if (known !== undefined) return known
  const hash = Hash.toHex(primitives.blake3(Bytes.fromUtf8(text)))
  contents.set(text, hash)
  return hash
}

/** The source as the vault is to show it below `folder`. */
export const filesOf = (folder: string, source: Source): Files => {
  const files = new Map<string, File>()
  for (const [name, { mtime, text }] of source) files.set(`${folder}/${name}`, { content: contentOf(text), mtime })
  return files
}

const semanticOf = (mtime: number) => ({
  timestamp: Math.floor(mtime / 1000),
  timestampSubsecNanos: (mtime % 1000) * 1_000_000
})

/** The tree of a source; what `base` has already is not written again. */
const scan = Effect.fnUntraced(function* (
  vault: Vault.Vault,
  folder: string,
  source: Source,
  base: TreeReader.Root | undefined
) {
  const before = new Map<string, NodeEntry>()
  if (base !== undefined) {
    const { next } = TreeReader.batches(vault.pipeline, base)
    for (let batch = yield* next; batch !== undefined; batch = yield* next)
      for (const [key, entry] of batch) before.set(key, entry)
  }
  const entries: Array<KeyedEntry> = []
  // as files are imported: all at once where the store can, and nothing that is there already is read for it
  const batch = batchOf(vault.blobs)
  const leaves: Array<BlobCodec.EncodedLeaf> = []
  const written = (text: string) =>
    batch === undefined
      ? vault.pipeline.writeLeaf(Bytes.fromUtf8(text))
      : Effect.map(BlobCodec.encodeLeaf(primitives, vault.pipeline.context, Bytes.fromUtf8(text)), (leaf) => {
          leaves.push(leaf)
          return leaf.entry
        })
  let bytes = 0
  for (const [name, { mtime, text }] of [...source].sort(([a], [b]) => Bytes.compareUtf8(a, b))) {
    const key = `${folder}/${name}`
    const was = before.get(key)
    const semantic = semanticOf(mtime)
    const isUnchanged =
      was?.content !== undefined &&
      Hash.toHex(was.content.hash) === contentOf(text) &&
      was.semantic?.timestamp === semantic.timestamp &&
      was.semantic.timestampSubsecNanos === semantic.timestampSubsecNanos
    const entry = isUnchanged ? was : { ...(yield* written(text)), semantic }
    entries.push([key, entry])
    bytes += text.length
  }
  if (batch !== undefined) yield* batch.putAll(leaves)
  const builder = TreeBuilder.make(vault.pipeline, { kind: "namespace", mask: TreeBuilder.defaultMask })
  yield* builder.pushAll(entries)
  const finished = yield* builder.finish
  const root: TreeReader.Root | undefined =
    finished === undefined ? undefined : { hash: finished.link.hash, plaintextHash: finished.link.plaintextHash }
  return { root, files: entries.length, bytes }
})

/** What the simulation wants to know of a writer. */
export interface Hooks {
  /** What the folder holds, asked when it is scanned. */
  readonly source: () => Source
  readonly publishing: (files: Files) => void
  readonly acknowledged: (files: Files, outcome: Publish.Outcome) => void
}

/** As often as `Backup.backup` reads a source anew because another run of it was faster. */
const rescans = 3

/** One backup of `folder`: what `Backup.backup` does, on a folder that is only a map. */
export const backup = Effect.fnUntraced(function* (
  programs: Programs,
  vault: Vault.Vault,
  folder: string,
  hooks: Hooks
) {
  const state = yield* VaultState.VaultState
  const look = Effect.gen(function* () {
    const { base, record } = yield* programs.settle(vault, folder)
    const scannedAt = yield* Clock.currentTimeMillis
    const source = hooks.source()
    const scanned = yield* scan(vault, folder, source, base)
    const now = yield* state.record(vault.name, folder)
    const isStale = now?.node !== record?.node || now?.scannedAt !== record?.scannedAt
    return { base, scannedAt, source, scanned, isStale }
  })
  let seen = yield* look
  for (let again = 0; seen.isStale && again < rescans; again++) seen = yield* look
  const { base, scanned, scannedAt, source } = seen
  const files = filesOf(folder, source)
  hooks.publishing(files)
  const outcome = yield* programs.publish(vault, {
    folder,
    base,
    ours: scanned.root,
    scannedAt,
    files: scanned.files,
    bytes: scanned.bytes
  })
  hooks.acknowledged(files, outcome)
})

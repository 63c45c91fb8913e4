/**
 * Trying out a recovery: everything that it needs is read, and a sample of every vault is written to a scratch folder.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Head from "./Head.ts"
import type * as RecoverWalk from "./RecoverWalk.ts"
import * as Restore from "./Restore.ts"

/** What was brought back of one vault. @since 0.1.0 @category models */
export interface Sample {
  readonly files: number
  readonly bytes: number
  readonly problems: ReadonlyArray<string>
}

/** Of each vault, at most so many files and bytes. */
const sampleFiles = 24
const sampleBytes = 32n * 1024n * 1024n

/** Every `step`th of `items`, so that a sample is not of one folder alone. */
const spread = <A>(items: ReadonlyArray<A>, count: number): ReadonlyArray<A> => {
  const step = Math.max(1, Math.floor(items.length / count))
  return items.filter((_, index) => index % step === 0).slice(0, count)
}

/** So many entries of a tree are looked at to choose from. */
const looked = 4096

/**
 * Restores a sample of the newest head of a vault below `directory`, each file into a folder of its own; every byte is
 * verified on the way. Bytes are written to `directory` alone.
 *
 * @since 0.1.0
 * @category programs
 */
export const sample = Effect.fn("Rehearsal.sample")(function* (found: RecoverWalk.FoundVault, directory: string) {
  const [newest] = found.heads
  const problems: Array<string> = [...found.problems]
  if (newest?.head === undefined) return { files: 0, bytes: 0, problems } satisfies Sample
  const tree = Head.tree(newest.vault, newest.head)
  const keys = yield* tree.scan().pipe(
    Stream.filter(([, entry]) => entry.content !== undefined && entry.content.size <= sampleBytes),
    Stream.take(looked),
    Stream.runCollect
  )
  let [files, bytes] = [0, 0]
  for (const [index, [key]] of spread([...keys], sampleFiles).entries()) {
    if (BigInt(bytes) > sampleBytes) break
    const restored = yield* Restore.restore(tree, {
      vault: found.name,
      path: key,
      directory: `${directory}/${index}`,
      overwrite: false,
      owner: false,
      allowSetuid: false,
      dryRun: false,
      onProblem: ({ detail, kind, path }) =>
        Effect.sync(() => {
          // what the scratch folder's own disk does not take says nothing about the vault
          if (kind === "damaged") problems.push(`${path}: ${detail}`)
        })
    })
    files += restored.files
    bytes += restored.bytes
  }
  return { files, bytes, problems } satisfies Sample
})

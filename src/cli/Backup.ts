/**
 * `cairn backup [SRC...] REF`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Backup from "../programs/Backup.ts"
import * as Folder from "../programs/Folder.ts"
import type * as Scan from "../programs/Scan.ts"
import * as Vault from "../programs/Vault.ts"
import * as Hash from "../schema/Hash.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import * as VaultRef from "../schema/VaultRef.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import * as Ending from "./Ending.ts"
import { exitCode, ofError } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as ProgressTerminal from "./ProgressTerminal.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

const config = {
  words: Args.repeated(Verb.operand("SRC... REF")),
  exclude: Options.text("exclude").pipe(
    Options.withAlias("e"),
    Options.withDescription("leave out what matches this gitignore-style pattern, relative to the source"),
    Options.repeated
  ),
  ignoreFiles: Options.boolean("ignore-files").pipe(
    Options.withDescription("heed .gitignore and .ignore too (.cairnignore always is)")
  ),
  includeCaches: Options.boolean("include-caches").pipe(
    Options.withDescription("take folders that a CACHEDIR.TAG marks as caches too")
  ),
  oneFileSystem: Options.boolean("one-file-system").pipe(
    Options.withAlias("x"),
    Options.withDescription("do not go into other file systems")
  ),
  reread: Options.boolean("reread").pipe(
    Options.withDescription("read every file again, and mend what is rotten in the store")
  ),
  dryRun: Verb.dryRun
}

interface Job {
  readonly vault: string
  readonly mapping: VaultState.SourceMapping
}

/** The sources named on the command line, or the saved ones. */
const plan = Effect.fnUntraced(function* (words: ReadonlyArray<string>, selection: VaultState.Selection | undefined) {
  const state = yield* VaultState.VaultState
  const saved = Effect.fnUntraced(function* (vault: string, folder: string) {
    const known = yield* state.vaults
    if (!known.includes(vault)) return yield* new Vault.NoSuchVault({ vault, known })
    const mappings = (yield* state.sources(vault)).filter(
      (mapping) => folder === "" || mapping.folder === folder || mapping.folder.startsWith(`${folder}/`)
    )
    return mappings.map((mapping): Either.Either<Job, Scan.SourceUnreadable> => Either.right({ vault, mapping }))
  })

  const last = words[words.length - 1]
  if (last === undefined) {
    const vaults = yield* state.vaults
    const all = (yield* Effect.forEach(vaults, (vault) => saved(vault, ""))).flat()
    return all.length === 0 ? yield* new Backup.NoSources({ vault: vaults[0] ?? "" }) : all
  }
  if (VaultRef.isLocal(last))
    return yield* new Argv.Usage({
      problem: `the last word names the vault, with a colon: cairn backup ${words.join(" ")} NAME:`
    })
  const reference = yield* Reference.parse(last)
  if (reference.snapshot._tag !== "Latest" || reference.snapshot.back !== 0)
    return yield* new Argv.Usage({ problem: `${last}: a backup makes a new snapshot, it cannot go into an old one` })
  yield* Vault.refuseAttached(reference.vault)
  const sources = words.slice(0, -1)
  const remote = sources.find((word) => !VaultRef.isLocal(word))
  if (remote !== undefined)
    return yield* new Argv.Usage({
      problem: `${remote} looks like a vault; a source with a colon is written ./${remote}`
    })
  if (sources.length === 0) {
    if (selection !== undefined)
      return yield* new Argv.Usage({ problem: "options that select files need the source that they are for" })
    const again = yield* saved(reference.vault, reference.path)
    return again.length === 0 ? yield* new Backup.NoSources({ vault: reference.vault }) : again
  }
  const known = yield* state.sources(reference.vault)
  return yield* Effect.forEach(sources, (source) =>
    Effect.either(
      Effect.map(
        Backup.mappingOf({
          source,
          selection: selection ?? Backup.defaultSelection,
          ...(reference.path === ""
            ? {}
            : sources.length === 1
              ? { folder: reference.path }
              : { parent: reference.path })
        }),
        (mapping): Job => {
          const before = known.find(({ folder, path }) => folder === mapping.folder && path === mapping.path)
          // what was left out when the source was saved is not taken just because nobody said it again
          return { vault: reference.vault, mapping: selection === undefined && before !== undefined ? before : mapping }
        }
      )
    )
  )
})

/** The error of a head that cannot be built upon, with what helps. */
const withWayOut = (
  vault: string,
  error: Ending.Tagged & { readonly reason?: unknown }
): Ending.Tagged & { readonly reason?: unknown } =>
  (error._tag === "BlobStoreError" || error._tag === "DamagedTree" || error._tag === "HeadError") &&
  ofError(error) === exitCode.damage &&
  error.reason !== "RolledBack"
    ? {
        _tag: error._tag,
        reason: error.reason,
        message: `${error.message}; \`cairn vault repair ${vault}:\` goes on from what can be read`
      }
    : error

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "backup",
  description: "Keep files and folders in a vault: backup SRC... VAULT: · backup VAULT: · backup",
  config,
  handler: ({ dryRun, exclude, ignoreFiles, includeCaches, oneFileSystem, reread, words }, common) =>
    Effect.gen(function* () {
      const selects = exclude.length > 0 || ignoreFiles || includeCaches || oneFileSystem
      const selection = selects
        ? new VaultState.Selection({ exclude, ignoreFiles, excludeCaches: !includeCaches, oneFileSystem })
        : undefined
      const jobs = yield* plan(words, selection)
      let failed: Ending.Tagged | undefined
      let problems = 0
      const messages = new Set<string>()
      // what fails in one source stops no other; the first failure is the run's, and what all have in common is told once
      const fail = (path: string, error: Ending.Tagged) =>
        Effect.gen(function* () {
          failed ??= error
          if (common.json) yield* Console.json({ type: "problem", kind: "skipped", path, detail: error.message })
          if (messages.has(error.message)) return
          messages.add(error.message)
          yield* Console.complain(error.message)
        })
      const tellProblem = (problem: { readonly display: string; readonly detail: string }) =>
        Effect.zipRight(
          Console.complain(`${problem.display}: ${problem.detail}`),
          common.json
            ? Console.json({ type: "problem", kind: "skipped", path: problem.display, detail: problem.detail })
            : Effect.void
        )
      const report = (
        job: Job,
        scan: Scan.Scan,
        outcome: "published" | "unchanged" | "dry-run",
        snapshot?: { readonly id: Hash.Hash; readonly revision: bigint }
      ) => {
        const { files, bytes, readFiles, readBytes, leftOut } = scan
        const folder = `${job.vault}:${LocalPath.display(job.mapping.folder)}`
        const what = {
          published: `snapshot ${snapshot === undefined ? "" : Hash.toShort(snapshot.id)}`,
          unchanged: `no change since snapshot ${snapshot === undefined ? "" : Hash.toShort(snapshot.id)}`,
          "dry-run": "dry run, nothing was written"
        }[outcome]
        const text = `${folder}: ${what}: ${Console.count(files, "file")}, ${Console.size(bytes)} (${Console.count(readFiles, "file")} read, ${Console.size(readBytes)})`
        return Effect.zipRight(
          Console.emit(
            common,
            {
              type: "source",
              vault: job.vault,
              folder: job.mapping.folder,
              path: job.mapping.path,
              outcome,
              ...(snapshot === undefined
                ? {}
                : { snapshot: Hash.toHex(snapshot.id), revision: Number(snapshot.revision) }),
              files,
              bytes,
              readFiles,
              readBytes,
              leftOut,
              problems: scan.problems
            },
            common.quiet ? undefined : text
          ),
          leftOut > 0
            ? Console.note(
                common,
                `cairn: left out ${Console.count(leftOut, "socket, pipe or device", "sockets, pipes and devices")}`
              )
            : Effect.void
        )
      }

      // what a source was given is checked and saved before anything is read, so that two never write over each other
      const folders = jobs.flatMap((job) => (Either.isRight(job) ? [job.right] : []))
      for (const [index, one] of folders.entries()) {
        const other = folders
          .slice(0, index)
          .find((before) => before.vault === one.vault && Folder.overlap(before.mapping.folder, one.mapping.folder))
        if (other !== undefined && other.mapping.path !== one.mapping.path)
          return yield* new Backup.SourceCollision({
            vault: one.vault,
            folder: one.mapping.folder,
            path: one.mapping.path,
            takenBy: other.mapping.path,
            takenFolder: other.mapping.folder
          })
      }

      for (const job of jobs) {
        if (Either.isLeft(job)) {
          yield* fail(job.left.path, job.left)
          continue
        }
        const { mapping, vault: name } = job.right
        if (Live.isOwn(mapping.path)) {
          // before anything is saved, so that it is not tried again with every later run
          yield* fail(
            mapping.path,
            new Argv.Usage({ problem: `source ${LocalPath.display(mapping.path)}: Cairn keeps its own files there` })
          )
          continue
        }
        const run = Effect.gen(function* () {
          if (dryRun) {
            const scan = yield* Backup.preview(name, mapping, { own: Live.own, onProblem: tellProblem })
            problems += scan.problems
            return yield* report(job.right, scan, "dry-run")
          }
          const vault = yield* Vault.ensure(name)
          yield* Backup.saveMapping(name, mapping)
          const { published, scan } = yield* Backup.backup(vault, mapping, {
            own: Live.own,
            reread,
            onProblem: tellProblem
          })
          problems += scan.problems
          yield* report(job.right, scan, published.outcome, { id: published.node, revision: published.revision })
          for (const { copy, path } of published.conflicts) {
            const detail = `changed by several writers; the other version is kept as ${LocalPath.display(copy)}`
            yield* Console.complain(`${name}:${LocalPath.display(path)}: ${detail}`)
            if (common.json) yield* Console.json({ type: "problem", kind: "conflict", path, detail })
          }
          if (published.pending.length > 0)
            yield* Console.complain(
              `${name}: ${Console.count(published.pending.length, "step")} after the publication could not be done yet (a copy of the head elsewhere, or the recovery entry); the next run tries again`
            )
        })
        yield* Effect.catchAll(run, (error) => fail(mapping.path, withWayOut(name, error)))
      }
      if (!dryRun) yield* RecoveryHint.tell
      if (failed !== undefined) return new Ending.Told({ error: failed })
      return problems > 0 ? exitCode.skipped : exitCode.done
    }).pipe(Effect.provide(Layer.mergeAll(Live.layer, ProgressTerminal.layer(common))))
})

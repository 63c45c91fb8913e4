/**
 * `cairn approve [VAULT:[FOLDER]]`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Brake from "../programs/Brake.ts"
import * as Vault from "../programs/Vault.ts"
import type { Approval } from "../schema/Approval.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import * as Approvals from "../services/Approvals.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as AutomationLive from "./AutomationLive.ts"
import * as Console from "./Console.ts"
import type * as Ending from "./Ending.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Reference from "./Reference.ts"
import * as TaskRun from "./TaskRun.ts"
import * as Verb from "./Verb.ts"

/** Nothing waits there. @since 0.1.0 @category errors */
export class NothingPending extends Data.TaggedError("NothingPending")<{ readonly what: string }> {
  override get message() {
    return `${this.what}: nothing waits for approval there (\`cairn approve\` shows what does)`
  }
}

const config = {
  words: Args.repeated(Verb.operand("REF")),
  deny: Options.boolean("deny").pipe(Options.withDescription("forget what waits, and publish nothing of it")),
  dryRun: Verb.dryRun
}

/** How many of the files are shown by name. */
const shownFiles = 10

const nameOf = ({ folder, vault }: Approval) => `${vault}:${LocalPath.display(folder)}`

/** What the change does, in one line. @since 0.1.0 @category conversions */
export const describe = (approval: Approval): string => {
  const { added, deleted, files, moved, rewritten } = approval.numbers
  const what =
    approval.reason === "Emptied"
      ? `nothing is left of ${Console.count(files, "file")}`
      : `of ${Console.count(files, "file")} ${deleted.toLocaleString("en-US")} deleted, ${rewritten.toLocaleString("en-US")} rewritten, ${moved.toLocaleString("en-US")} moved; ${added.toLocaleString("en-US")} new`
  return `${nameOf(approval)}: ${what} (from ${LocalPath.display(approval.path)}, seen ${Console.localTime(approval.askedAt)})`
}

/** The record of a change. @since 0.1.0 @category conversions */
export const record = (approval: Approval, outcome: "pending" | "approved" | "denied") => {
  const { added, deleted, files, moved, rewritten } = approval.numbers
  const { folder, path, reason, vault } = approval
  return {
    type: "approval" as const,
    vault,
    folder,
    path,
    reason,
    outcome,
    files,
    deleted,
    rewritten,
    moved,
    added,
    askedAt: new Date(approval.askedAt).toISOString()
  }
}

/** Some of the files by name, where both trees can be read. */
const tellExamples = Effect.fnUntraced(function* (voice: Console.Voice, approval: Approval) {
  if (voice.json || voice.quiet) return
  const shown = yield* Effect.either(
    Effect.gen(function* () {
      const state = yield* VaultState.VaultState
      const vault = yield* Vault.open(approval.vault)
      const saved = yield* state.record(approval.vault, approval.folder)
      const base = Vault.rootFromRecord(saved?.base)
      if (base === undefined) return []
      const root =
        approval.scan === undefined
          ? undefined
          : new VaultState.RootRecord({ root: approval.scan, plaintextHash: approval.scanPlaintextHash })
      return yield* Brake.examples(vault, base, Vault.rootFromRecord(root), shownFiles)
    })
  )
  // the numbers were told; the names are a help that is left out where a tree is gone meanwhile
  if (Either.isLeft(shown)) return
  for (const { path, what } of shown.right) yield* Console.tell(`  ${what} ${LocalPath.display(path)}`)
  const rest = approval.numbers.deleted + approval.numbers.rewritten + approval.numbers.moved - shown.right.length
  if (rest > 0) yield* Console.tell(`  and ${rest.toLocaleString("en-US")} more`)
})

/** Those of the pending changes that the words name; all without words. */
const chosen = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
  const { all } = yield* Approvals.Approvals
  const pending = yield* all
  if (words.length === 0) return pending
  const found: Array<Approval> = []
  for (const word of words) {
    const { path, snapshot, vault } = yield* Reference.parse(word)
    if (snapshot._tag !== "Latest" || snapshot.back !== 0)
      return yield* new Argv.Usage({ problem: `${word}: what waits is no snapshot yet` })
    const named = pending.filter((one) => one.vault === vault && (path === "" || one.folder === path))
    if (named.length === 0) return yield* new NothingPending({ what: word })
    for (const one of named) if (!found.includes(one)) found.push(one)
  }
  return found
})

const forget = ({ folder, vault }: Approval) =>
  Effect.flatMap(Approvals.Approvals, ({ remove }) => remove(vault, folder))

// closed again before the backup opens its own
const services = AutomationLive.approvals.pipe(Layer.provideMerge(Live.layer))

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "approve",
  description:
    "Agree to a change that deletes or rewrites much of a source: approve VAULT:FOLDER · approve (shows all)",
  config,
  handler: ({ deny, dryRun, words }, common) =>
    Effect.gen(function* () {
      const found = yield* Effect.provide(chosen(words), services)
      const isShowing = words.length === 0 || dryRun
      if (found.length === 0) yield* Console.note(common, "nothing waits for approval")
      let worst: number | Ending.Told = exitCode.done
      for (const approval of found) {
        if (isShowing) {
          yield* Console.emit(common, record(approval, "pending"), describe(approval))
          yield* Effect.provide(tellExamples(common, approval), services)
          continue
        }
        if (deny) {
          yield* Effect.provide(forget(approval), services)
          yield* Console.emit(common, record(approval, "denied"), undefined)
          yield* Console.note(
            common,
            `${nameOf(approval)}: denied, nothing was published; the next run of its own looks again`
          )
          continue
        }
        yield* Console.note(common, describe(approval))
        yield* Effect.provide(tellExamples(common, approval), services)
        const { folder, vault } = approval
        const ended = yield* TaskRun.run(
          {
            _tag: "Backup",
            vault,
            folder,
            sources: [],
            // what has become more than what was agreed to asks again
            attended: false,
            approved: approval,
            reread: false,
            dryRun: false
          },
          common
        )
        if (ended === exitCode.done || ended === exitCode.skipped)
          yield* Console.emit(common, record(approval, "approved"), undefined)
        if (worst === exitCode.done) worst = ended
      }
      return worst
    })
})

/**
 * Looking at everything that a backup depends on, and saying what to do about what is wrong.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Hash from "../schema/Hash.ts"
import * as HealthSchema from "../schema/Health.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as Approvals from "../services/Approvals.ts"
import * as HealthLog from "../services/HealthLog.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as LocalTree from "../services/LocalTree.ts"
import * as Staging from "../services/Staging.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Head from "./Head.ts"
import * as IdentityCopies from "./IdentityCopies.ts"
import * as Vault from "./Vault.ts"

/** One thing that was looked at. @since 0.1.0 @category models */
export interface Check {
  readonly name: string
  readonly status: "good" | "warning" | "failed"
  readonly detail: string
  /** What to do. */
  readonly advice?: string
}

const good = (name: string, detail: string): Check => ({ name, status: "good", detail })
const warning = (name: string, detail: string, advice?: string): Check => ({
  name,
  status: "warning",
  detail,
  ...(advice === undefined ? {} : { advice })
})
const failed = (name: string, detail: string, advice?: string): Check => ({
  name,
  status: "failed",
  detail,
  ...(advice === undefined ? {} : { advice })
})

const day = 24 * 60 * 60_000

/** No release of this program is older: a clock before it is wrong. */
const firstRelease = Date.UTC(2026, 0, 1)

/** A source that was not backed up for longer than that is named, in days. */
const staleAfter = 7

const plural = (count: number, one: string) => `${count} ${one}${count === 1 ? "" : "s"}`

/** What an answer says, or why there was none. */
const answered = <A, E extends { readonly message: string }, R>(
  name: string,
  advice: string,
  look: Effect.Effect<A, E, R>,
  then: (value: A) => ReadonlyArray<Check>
): Effect.Effect<ReadonlyArray<Check>, never, R> =>
  Effect.match(look, { onFailure: (error) => [failed(name, error.message, advice)], onSuccess: then })

const keys = Effect.flatMap(Keyring.Keyring, ({ device, recovery }) =>
  Effect.map(Effect.all([Effect.either(device), Effect.either(recovery)]), ([own, phrase]): ReadonlyArray<Check> => {
    if (Either.isLeft(own))
      return own.left.reason === "Missing"
        ? [warning("keys", "this device has no keys yet", "`cairn init` or the first backup makes them")]
        : [failed("keys", own.left.message, "bring the keys folder back from a copy, or `cairn recover`")]
    if (Either.isLeft(phrase)) return [failed("recovery phrase", phrase.left.message)]
    return [
      good("keys", "the device's keys can be read"),
      phrase.right === undefined
        ? warning("recovery phrase", "there is none: if this device is lost, so are its vaults", "`cairn init`")
        : good("recovery phrase", "there is one")
    ]
  })
)

/** A recovery that was not tried out for longer than that is named, in days. */
const rehearsedWithin = 180

/** Whether the words would bring everything back, as far as this device knows without asking for them. @since 0.1.0 @category programs */
export const recovery = Effect.gen(function* () {
  const keyring = yield* Keyring.Keyring
  const state = yield* IdentityState.IdentityState
  const now = yield* Clock.currentTimeMillis
  const name = "recovery"
  const phrase = yield* keyring.recovery
  if (phrase === undefined) return []
  if ((yield* keyring.identity) === undefined)
    return [
      warning(
        name,
        "the phrase is of an earlier version, and brings nothing back from a store alone",
        "`cairn init` completes it with its words"
      )
    ]
  const checks: Array<Check> = []
  if ((yield* keyring.nextIdentity) !== undefined)
    checks.push(
      warning(name, "a change of the phrase has begun and not ended: the old words still count", "`cairn init`")
    )
  const behind = yield* IdentityCopies.behind()
  if (behind.length > 0)
    checks.push(
      warning(
        name,
        `not every store is known to have the newest list of devices and vaults: ${behind.join(", ")}`,
        "the next backup brings it there"
      )
    )
  const last = yield* state.rehearsal
  const days = last === undefined || last.did !== phrase.did ? undefined : Math.floor((now - last.at) / day)
  if (days === undefined)
    checks.push(warning(name, "it was never tried out with these words", "`cairn recover --rehearse`"))
  else if (days > rehearsedWithin)
    checks.push(warning(name, `it was last tried out ${days} days ago`, "`cairn recover --rehearse`"))
  else checks.push(good(name, days === 0 ? "it was tried out today" : `it was tried out ${plural(days, "day")} ago`))
  return checks
}).pipe(
  Effect.catchAll((error) => Effect.succeed([failed("recovery", error.message, "remove the damaged record")])),
  Effect.map((checks): ReadonlyArray<Check> => checks)
)

/** Whether the clock can be right, after all that is remembered. @since 0.1.0 @category programs */
export const clock = (now: number, lastScan: number, lastPublication: number): Check => {
  const shown = (millis: number) => new Date(millis).toISOString().slice(0, 16)
  const advice = "set the clock (timedatectl set-ntp true): schedules and snapshots by date go by it"
  if (now < firstRelease) return failed("clock", `it says ${shown(now)}, which is long ago`, advice)
  if (lastScan > now + 60_000)
    return warning("clock", `it says ${shown(now)}, but the last backup was at ${shown(lastScan)}`, advice)
  if (lastPublication > now + day)
    return warning("clock", `it says ${shown(now)}, but a snapshot is of ${shown(lastPublication)}`, advice)
  return good("clock", `it says ${shown(now)} UTC`)
}

const source = Effect.fnUntraced(function* (vault: string, mapping: VaultState.SourceMapping, now: number) {
  const state = yield* VaultState.VaultState
  const tree = yield* LocalTree.LocalTree
  const { folder, path } = mapping
  const name = `source ${vault}:${LocalPath.display(folder)}`
  const record = yield* state.record(vault, folder)
  const found = yield* Effect.either(tree.resolve(path))
  const checks: Array<Check> = []
  if (Either.isLeft(found))
    checks.push(
      warning(name, `${found.left.message}; nothing is deleted for it`, "mount its disk, or name another source")
    )
  const days = record === undefined ? undefined : Math.floor((now - record.scannedAt) / day)
  if (days === undefined)
    checks.push(warning(name, "it was never backed up", `\`cairn backup ${vault}:${LocalPath.display(folder)}\``))
  else if (days >= staleAfter)
    checks.push(warning(name, `its last backup was ${days} days ago`, "`cairn watch`, or a task with a trigger"))
  const announced = (yield* state.intents(vault, folder)).length
  if (announced > 0)
    checks.push(
      warning(
        name,
        `of ${plural(announced, "publication")} it is not known yet whether it happened`,
        "the next backup finds out"
      )
    )
  return { checks: checks.length > 0 ? checks : [good(name, "it is there, and backed up")], record }
})

const vaultChecks = Effect.fnUntraced(function* (name: string, now: number) {
  const state = yield* VaultState.VaultState
  const staging = yield* Staging.Staging
  const title = `vault ${name}`
  const seen = { scan: 0, publication: 0 }
  const checks: Array<Check> = []
  const opened = yield* Effect.either(
    Effect.gen(function* () {
      const vault = yield* Vault.open(name)
      yield* vault.blobs.has(Hash.zero)
      const head = yield* Head.newest(vault)
      return head === undefined ? undefined : { publishedAt: TransparentNode.publishedAt(head.node) }
    })
  )
  if (Either.isLeft(opened))
    checks.push(
      failed(title, opened.left.message, `\`cairn verify ${name}:\` says more; \`cairn vault repair ${name}:\``)
    )
  else {
    seen.publication = opened.right?.publishedAt ?? 0
    checks.push(good(title, "its store and registry answer, its head can be read"))
  }
  const todos = (yield* state.todos(name)).length
  if (todos > 0)
    checks.push(
      warning(
        title,
        `${plural(todos, "step")} after a publication still to be done`,
        `\`cairn backup ${name}:\` tries again`
      )
    )
  const staged = (yield* staging.staged(name)).length
  if (staged > 0)
    checks.push(warning(title, `${plural(staged, "scan")} ingested and not published`, "run its publish task"))
  for (const mapping of yield* state.sources(name)) {
    const looked = yield* source(name, mapping, now)
    seen.scan = Math.max(seen.scan, looked.record?.scannedAt ?? 0)
    checks.push(...looked.checks)
  }
  return { checks, seen }
})

const approvals = Effect.flatMap(Approvals.Approvals, ({ all }) =>
  answered("approvals", "remove the damaged record", all, (pending) =>
    pending.map(({ folder, numbers, reason, vault }) => {
      const what =
        reason === "Emptied"
          ? `nothing is left of its ${plural(numbers.files, "file")}`
          : `${numbers.deleted} deleted and ${numbers.rewritten} rewritten of ${plural(numbers.files, "file")}`
      const named = `${vault}:${LocalPath.display(folder)}`
      return warning(
        `approval ${named}`,
        `${what}; nothing is published until somebody agrees`,
        `\`cairn approve ${named}\``
      )
    })
  )
)

const automations = Effect.flatMap(HealthLog.HealthLog, ({ all }) =>
  answered("automations", "remove the damaged record", all, (found) =>
    found.map((health) => {
      const name = `automation ${health.name}`
      const why = health.failure?.message ?? "it failed"
      if (!HealthSchema.isAiling(health)) return good(name, health.state)
      if (health.state === "detached") return warning(name, why, "it is tried again by itself")
      return failed(name, `${plural(health.failures, "failure")} in a row: ${why}`, "it is tried again by itself")
    })
  )
)

/** Everything that this device's records and stores tell. @since 0.1.0 @category programs */
export const examine = Effect.gen(function* () {
  const state = yield* VaultState.VaultState
  const now = yield* Clock.currentTimeMillis
  const checks: Array<Check> = [...(yield* keys)]
  let [scan, publication] = [0, 0]
  const names = yield* Effect.either(state.vaults)
  if (Either.isLeft(names)) checks.push(failed("vaults", names.left.message))
  for (const name of Either.getOrElse(names, () => [])) {
    const looked = yield* Effect.either(vaultChecks(name, now))
    if (Either.isLeft(looked)) {
      checks.push(failed(`vault ${name}`, looked.left.message, "move the damaged record away"))
      continue
    }
    checks.push(...looked.right.checks)
    scan = Math.max(scan, looked.right.seen.scan)
    publication = Math.max(publication, looked.right.seen.publication)
  }
  checks.push(clock(now, scan, publication), ...(yield* approvals), ...(yield* automations))
  return checks as ReadonlyArray<Check>
})

/**
 * `cairn recover [FOLDER|URL]`
 *
 * @since 0.1.0
 */
import { mkdtemp, rm } from "node:fs/promises"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Prompt from "@effect/cli/Prompt"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as PlaceFromAddress from "../layers/PlaceFromAddress.ts"
import * as IdentityUpkeep from "../programs/IdentityUpkeep.ts"
import * as Recover from "../programs/Recover.ts"
import * as RecoverPhrase from "../programs/RecoverPhrase.ts"
import * as RecoverWalk from "../programs/RecoverWalk.ts"
import * as Recovery from "../programs/Recovery.ts"
import * as Rehearsal from "../programs/Rehearsal.ts"
import * as Hash from "../schema/Hash.ts"
import * as RecoveryPhrase from "../schema/RecoveryPhrase.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as Places from "../services/Places.ts"
import * as Progress from "../services/Progress.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import type * as Ending from "./Ending.ts"
import { exitCode, ofError } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as PullVoice from "./PullVoice.ts"
import * as RecoverStores from "./RecoverStores.ts"
import * as RecoveryPage from "./RecoveryPage.ts"
import type { Common } from "./Verb.ts"
import * as Verb from "./Verb.ts"
import * as Words from "./Words.ts"

const config = {
  place: Args.optional(Verb.operand("FOLDER|URL")),
  store: Options.text("store").pipe(
    Options.withDescription("a store of the configuration, in place of a folder or URL"),
    Options.optional
  ),
  rehearse: Options.boolean("rehearse").pipe(
    Options.withDescription(
      "prove that it works: read everything, restore a sample into a folder that is removed again"
    )
  ),
  page: Options.text("page").pipe(
    Options.withDescription(
      "write the words and the stores' addresses to this HTML file, to be printed, and do nothing else"
    ),
    Options.optional
  ),
  acceptOlder: Options.boolean("accept-older").pipe(
    Options.withDescription("go on with a list of devices or vaults that is known not to be the newest")
  ),
  dryRun: Verb.dryRun
}

/** The places that the words are tried at: what was named, or every configured one. */
const openPlaces = Effect.fnUntraced(function* (
  address: PlaceFromAddress.Address | undefined,
  store: string | undefined
) {
  const places = yield* Places.Places
  if (address !== undefined) return [yield* PlaceFromAddress.open(address)]
  const keyring = yield* Keyring.Keyring
  if (store === undefined && places.names.length === 1 && (yield* keyring.identity) === undefined)
    return yield* new Argv.Usage({
      problem:
        "name the store that survived: cairn recover FOLDER, or a relay's URL; a bucket is added with `cairn store add` first"
    })
  const names = store === undefined ? places.names : [store]
  const opened = yield* Effect.forEach(names, (name) => Effect.either(places.open(name)))
  const found = opened.filter(Either.isRight).map(({ right }) => right)
  const [problem] = opened.filter(Either.isLeft)
  return found.length === 0 && problem !== undefined ? yield* problem.left : found
})

/** The words as they were meant: one that is a slip is proposed, and taken if the user agrees. */
const meant = Effect.fnUntraced(function* (
  given: Redacted.Redacted<string>,
  places: ReadonlyArray<Places.Place>,
  common: Common
) {
  yield* Words.check(given)
  if (!RecoveryPhrase.isMisremembered(Redacted.value(given))) return given
  yield* Console.note(common, "The words do not fit together: trying swapped neighbours and single other words …")
  const corrected = yield* RecoverPhrase.correct(given, places)
  if (corrected === undefined)
    return yield* new Words.NoPhrase({
      problem:
        "the words do not fit together: one is wrong or out of place, and no phrase that differs by one word or two swapped neighbours is known there"
    })
  const at = RecoverPhrase.differences(given, corrected)
  const words = Redacted.value(corrected).split(" ")
  yield* Console.tell(
    `cairn: a phrase that is known there: ${at.map((place) => `word ${place} is "${words[place - 1]}"`).join(", ")}`
  )
  if (common.yes) return corrected
  if (!Words.isInteractive(common))
    return yield* new Words.NoPhrase({
      problem: "the words do not fit together; run it again with these, or with --yes"
    })
  return (yield* Prompt.confirm({ message: "Go on with it?", initial: true }))
    ? corrected
    : yield* new Words.NoPhrase({ problem: "left; nothing was changed" })
})

const tellFound = Effect.fnUntraced(function* (
  found: RecoverWalk.Found,
  vaults: ReadonlyArray<RecoverWalk.FoundVault>,
  voice: Console.Voice
) {
  const { devices, did, publishedAt, revisions, stores } = found.identity
  yield* Console.emit(
    voice,
    {
      type: "recovery",
      did,
      ...(publishedAt === undefined ? {} : { publishedAt: new Date(publishedAt).toISOString() }),
      devicesRevision: Number(revisions.secrets),
      vaultsRevision: Number(revisions.config),
      devices: [...devices.keys()],
      stores: [...stores.keys()],
      vaults: vaults.map(({ name }) => name)
    },
    [
      `found ${did}`,
      `  of ${publishedAt === undefined ? "an unknown time" : Console.localTime(publishedAt)}, revision ${revisions.secrets} of the devices, ${revisions.config} of vaults and stores`,
      `  devices: ${[...devices.keys()].join(", ") || "none"}`,
      `  stores: ${[...stores.keys()].join(", ") || "none"}`
    ].join("\n")
  )
  for (const { config: atConfig, place, secrets } of found.older)
    yield* Console.complain(
      `store ${place} holds older lists (revisions ${secrets} and ${atConfig}); the newer ones above are used`
    )
  for (const silent of found.silent) yield* Console.complain(`store ${silent}: it was left out`)
  for (const { heads, name, problems } of vaults) {
    const [newest] = heads
    const head = newest?.head
    const time = newest === undefined ? undefined : RecoverWalk.publishedAt(newest)
    yield* Console.emit(
      voice,
      {
        type: "vault",
        name,
        ...(head === undefined ? {} : { revision: Number(head.entry.revision), snapshot: Hash.toHex(head.hash) }),
        ...(time === undefined ? {} : { publishedAt: new Date(time).toISOString() }),
        ...(head === undefined ? { problem: problems[0] ?? "nothing of it was published" } : {})
      },
      head === undefined || newest === undefined
        ? `  vault ${name}: ${problems[0] ?? "nothing of it was published"}`
        : `  vault ${name}: snapshot ${Hash.toShort(head.hash)}, revision ${head.entry.revision} of device ${newest.device}${time === undefined ? "" : `, ${Console.localTime(time)}`}`
    )
    for (const problem of head === undefined ? problems.slice(1) : problems)
      yield* Console.complain(`vault ${name}: ${problem}`)
  }
})

/** What is written is removed again, whatever happens. */
const scratch = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "cairn-rehearsal-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

const rehearse = Effect.fnUntraced(function* (
  found: RecoverWalk.Found,
  vaults: ReadonlyArray<RecoverWalk.FoundVault>,
  common: Common
) {
  const keyring = yield* Keyring.Keyring
  const state = yield* IdentityState.IdentityState
  const folder = yield* scratch
  let [files, bytes, damaged] = [0, 0, 0]
  for (const [index, vault] of vaults.entries()) {
    const sample = Rehearsal.sample(vault, join(folder, String(index)))
    const result = yield* Effect.provide(sample, Progress.layerSilent)
    files += result.files
    bytes += result.bytes
    damaged += result.problems.length + (vault.heads.length === 0 ? 1 : 0)
    for (const problem of result.problems) yield* Console.complain(`vault ${vault.name}: ${problem}`)
  }
  yield* Console.emit(
    common,
    { type: "summary", verb: "recover", counts: { vaults: vaults.length, files, bytes, damaged } },
    damaged > 0
      ? `the rehearsal failed: ${Console.count(damaged, "problem")}`
      : `the rehearsal went well: ${Console.count(vaults.length, "vault")} opened with the words alone, a sample of ${Console.count(files, "file")}, ${Console.size(bytes)}, restored and removed again; nothing was changed`
  )
  if (damaged > 0) return exitCode.damage
  const recovery = yield* keyring.recovery
  if (recovery?.did === found.identity.did)
    yield* state.saveRehearsal(
      new IdentityState.Rehearsal({
        at: yield* Clock.currentTimeMillis,
        did: found.identity.did,
        place: found.places.map(({ name }) => name).join(", "),
        vaults: vaults.length,
        files,
        bytes
      })
    )
  return exitCode.done
}, Effect.scoped)

/** Becomes a device of the person, and takes every vault; one that fails does not keep the others. */
const take = Effect.fnUntraced(function* (
  phrase: Recovery.PhraseKeys,
  found: RecoverWalk.Found,
  vaults: ReadonlyArray<RecoverWalk.FoundVault>,
  options: RecoverWalk.Options,
  common: Common
) {
  yield* Recover.enter(hostname(), phrase, found, options)
  let first: Ending.Tagged | undefined
  let code: number = exitCode.done
  for (const vault of vaults) {
    const taken = yield* Effect.either(Recover.vault(phrase, vault))
    if (Either.isLeft(taken)) {
      first ??= taken.left
      yield* Console.complain(`vault ${vault.name}: ${taken.left.message}`)
      continue
    }
    if (taken.right === undefined) continue
    const { name, result, unreadable } = taken.right
    const missing = result.carried.missing.length
    if (missing > 0 || unreadable > 0) code = exitCode.damage
    yield* Console.emit(
      common,
      PullVoice.record(name, result),
      `recovered ${name}: ${missing + unreadable > 0 ? `${Console.count(missing, "blob")} and ${Console.count(unreadable, "earlier snapshot")} could not be read; ` : ""}\`cairn restore ${name}: DIR\``
    )
    for (const { copy, path } of result.conflicts)
      yield* Console.complain(`${name}: ${path} differs between devices; the other version is ${copy}`)
  }
  for (const problem of yield* IdentityUpkeep.run(hostname())) yield* Console.complain(problem)
  if (first !== undefined) return ofError(first)
  return code
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "recover",
  description: "Bring every vault back with the recovery phrase and one surviving store: recover FOLDER|URL",
  config,
  handler: ({ acceptOlder, dryRun, place, page: asked, rehearse: isRehearsal, store }, common) =>
    Effect.gen(function* () {
      const address = Option.getOrUndefined(Option.map(place, (text) => PlaceFromAddress.parse(text)))
      const named = Option.getOrUndefined(store)
      if (address !== undefined && named !== undefined)
        return yield* new Argv.Usage({ problem: "a folder or URL and --store are two places; name one" })
      const page = Option.getOrUndefined(asked)
      if (page !== undefined) yield* RecoveryPage.refuseTaken(page)
      const places = yield* openPlaces(address, named)
      const given = yield* Words.read(common, "The twelve words, in order:")
      const words = yield* meant(given, places, common)
      const phrase = yield* Recovery.keysOf(words)

      const first = yield* RecoverWalk.walk(phrase, places, { acceptOlder: true })
      // every store that it names is asked too, so that the newest counts whichever was named
      const told = yield* Effect.forEach(first.identity.stores, ([name, json]) =>
        Effect.either(PlaceFromAddress.open(PlaceFromAddress.Address.Told({ name, json })))
      )
      const more = told.filter(Either.isRight).map(({ right }) => right)
      const found = yield* RecoverWalk.walk(phrase, [...places, ...more], { acceptOlder })
      const vaults = yield* RecoverWalk.vaults(phrase, found)
      yield* tellFound(found, vaults, common)
      if (page !== undefined) {
        yield* RecoveryPage.write(page, {
          words,
          did: found.identity.did,
          stores: [...found.identity.stores].map(([name, json]) => RecoveryPage.storeOf(name, json)),
          madeAt: yield* Clock.currentTimeMillis
        })
        yield* Console.note(common, `${page}: print it, put the paper away, and delete the file.`)
      }
      if (isRehearsal) return yield* rehearse(found, vaults, common)
      if (page !== undefined) return exitCode.done

      yield* Recover.refuseOther(found)
      const stores = yield* RecoverStores.adopt(found.identity, address, dryRun)
      for (const problem of stores.left) yield* Console.complain(problem)
      yield* RecoverStores.assign(found.identity, stores, dryRun)
      if (dryRun) {
        yield* Console.note(common, "nothing was written")
        return exitCode.done
      }
      // the configuration has the stores now
      return yield* Effect.provide(take(phrase, found, vaults, { acceptOlder }, common), Live.layer)
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})

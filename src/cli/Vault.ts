/**
 * `cairn vault add|list|show|repair|trust`
 *
 * @since 0.1.0
 */
import { join, resolve } from "node:path"
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import * as Devices from "../programs/Devices.ts"
import * as Head from "../programs/Head.ts"
import * as Identity from "../programs/Identity.ts"
import * as IdentityChanges from "../programs/IdentityChanges.ts"
import * as Repair from "../programs/Repair.ts"
import * as Vault from "../programs/Vault.ts"
import * as Hash from "../schema/Hash.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as VaultId from "../schema/VaultId.ts"
import * as VaultRef from "../schema/VaultRef.ts"
import * as VaultSettings from "../services/VaultSettings.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Home from "./Home.ts"
import * as Live from "./Live.ts"
import * as Peers from "./Peers.ts"
import * as ProgressTerminal from "./ProgressTerminal.ts"
import * as RemovalVoice from "./RemovalVoice.ts"
import * as Verb from "./Verb.ts"

const config = {
  words: Args.repeated(Verb.operand("add|list|show|remove|repair|trust NAME")),
  store: Options.text("store").pipe(
    Options.withDescription("add: the folder that holds the vault's blobs and registry"),
    Options.optional
  ),
  device: Options.text("device").pipe(
    Options.withDescription("add: the public key its device publishes under, 64 hex digits"),
    Options.optional
  ),
  vaultId: Options.text("vault-id").pipe(
    Options.withDescription("add: the vault's id, 32 hex digits"),
    Options.optional
  ),
  identity: Options.text("identity").pipe(
    Options.withDescription("add: an age identity file that opens it; it is read each time, not copied"),
    Options.optional
  ),
  dryRun: Verb.dryRun
}

/** There is nothing under the device key and vault id that were given. @since 0.1.0 @category errors */
export class NothingPublished extends Data.TaggedError("NothingPublished")<{ readonly store: string }> {
  override get message() {
    return `store ${this.store}: nothing is published there under this device key and vault id: one of them is wrong, or it is yet to come; --yes attaches it all the same`
  }
}

const usage = (problem: string) => new Argv.Usage({ problem })

/** The name that a word is, with or without its colon. */
const nameOf = (word: string) => {
  const name = word.endsWith(":") ? word.slice(0, -1) : word
  return VaultRef.isVaultName(name)
    ? Either.right(name)
    : Either.left(
        usage(`"${word}" cannot name a vault: 2 to 64 letters, digits, dots, dashes or underscores are needed`)
      )
}

const needed = <A>(option: Option.Option<A>, name: string) =>
  Either.fromOption(option, () =>
    usage(`vault add needs --${name}: cairn vault add NAME --store FOLDER --device HEX --vault-id HEX --identity FILE`)
  )

const add = Effect.fnUntraced(function* (
  name: string,
  given: {
    readonly store: Option.Option<string>
    readonly device: Option.Option<string>
    readonly vaultId: Option.Option<string>
    readonly identity: Option.Option<string>
    readonly dryRun: boolean
  },
  voice: Verb.Common
) {
  const state = yield* VaultState.VaultState
  const hex = <A>(what: string, decoded: Either.Either<A, { readonly message: string }>) =>
    Either.mapLeft(decoded, (error) => usage(`${what}: ${error.message}`))
  const peer = new VaultState.Peer({
    store: resolve(yield* needed(given.store, "store")),
    device: PublicKey.toHex(yield* hex("--device", PublicKey.fromHex(yield* needed(given.device, "device")))),
    vaultId: VaultId.toHex(yield* hex("--vault-id", VaultId.fromHex(yield* needed(given.vaultId, "vault-id")))),
    identity: resolve(yield* needed(given.identity, "identity"))
  })
  if ((yield* state.keys(name)) !== undefined || (yield* state.peer(name)) !== undefined)
    return yield* usage(`there is a vault ${name}: already; choose another name`)
  // it is opened before it is kept, so that what is kept works
  const { head } = yield* Effect.scoped(Peers.load(name, peer))
  if (head === undefined && !voice.yes) return yield* new NothingPublished({ store: peer.store })
  if (given.dryRun) return yield* Console.note(voice, `${name}: would be attached; nothing was written`)
  if (!(yield* state.createPeer(name, peer)))
    return yield* usage(`another run made a vault ${name}: meanwhile; choose another name`)
  if (head !== undefined) yield* state.saveSeen(name, head.entry.revision)
  const text =
    head === undefined
      ? `${name}: attached, nothing published yet`
      : `${name}: attached, snapshot ${Hash.toShort(head.hash)}, revision ${head.entry.revision}`
  yield* Console.emit(
    voice,
    {
      type: "vault",
      name,
      id: peer.vaultId,
      ...(head === undefined ? {} : { revision: Number(head.entry.revision), snapshot: Hash.toHex(head.hash) })
    },
    voice.quiet ? undefined : text
  )
})

/** What counts for the vault, all defaults filled in. */
// a chunk of this very program that cannot be loaded is a broken installation
const loadTables = Effect.promise(() => import("./ConfigTables.ts"))

/** A device of the vault with what it published last. */
const tellDevice = (
  voice: Console.Voice,
  device: { readonly vault: string; readonly name: string; readonly device: string; readonly isThis: boolean },
  head: Head.Head | undefined,
  problem?: string
) => {
  const publishedAt = head === undefined ? undefined : TransparentNode.publishedAt(head.node)
  const what =
    problem ??
    (head === undefined
      ? "nothing published yet"
      : `snapshot ${Hash.toShort(head.hash)}, revision ${head.entry.revision}${publishedAt === undefined ? "" : `, ${Console.localTime(publishedAt)}`}`)
  return Console.emit(
    voice,
    {
      type: "peer",
      vault: device.vault,
      name: device.name,
      device: device.device,
      ...(device.isThis ? { isThis: true } : {}),
      ...(head === undefined ? {} : { revision: Number(head.entry.revision), snapshot: Hash.toHex(head.hash) }),
      ...(publishedAt === undefined ? {} : { publishedAt: new Date(publishedAt).toISOString() }),
      ...(problem === undefined ? {} : { problem })
    },
    `# ${device.isThis ? "this device" : "device"} ${device.name} (${device.device.slice(0, 10)}): ${what}`
  )
}

/** The devices that publish the vault, this one first. */
const showDevices = Effect.fnUntraced(function* (name: string, voice: Console.Voice) {
  const vault = yield* Vault.open(name)
  const own = PublicKey.toHex(vault.device.publicKey)
  const identity = yield* Effect.either(Identity.read({ isOffline: true }))
  const label = Either.isRight(identity) && identity.right !== undefined ? identity.right : undefined
  const called = label === undefined ? undefined : IdentityChanges.labelFor(label, vault.device.publicKey)
  const here = { vault: name, name: called ?? "(not listed)", device: own, isThis: true }
  const head = yield* Effect.either(Head.newest(vault))
  yield* Either.isRight(head)
    ? tellDevice(voice, here, head.right)
    : tellDevice(voice, here, undefined, head.left.message)
  for (const other of yield* Peers.others(vault)) {
    const device = { vault: name, name: other.name, device: other.device, isThis: false }
    const loaded = yield* Effect.either(Effect.scoped(other.load))
    yield* Either.isRight(loaded)
      ? tellDevice(voice, device, loaded.right.head)
      : tellDevice(voice, device, undefined, loaded.left.message)
  }
  for (const { device, label, vaults } of yield* Devices.incomplete())
    for (const one of vaults)
      if (one.id === VaultId.toHex(vault.id)) {
        const removed = { vault: name, name: label, device, isThis: false }
        yield* tellDevice(
          voice,
          removed,
          undefined,
          `removed, incomplete: ${RemovalVoice.ofVault(label, { ...one, name })}`
        )
      }
})

const show = Effect.fnUntraced(function* (name: string, voice: Console.Voice) {
  const state = yield* VaultState.VaultState
  const peer = yield* state.peer(name)
  if (peer !== undefined)
    return yield* Console.emit(
      voice,
      { type: "vault", name, id: peer.vaultId },
      `${name}:  attached from ${peer.store}\n  device    ${peer.device}\n  vault id  ${peer.vaultId}\n  identity  ${peer.identity}`
    )
  const settings = yield* VaultSettings.VaultSettings
  const known = [...(yield* state.vaults), ...settings.names]
  if (!known.includes(name)) return yield* new Vault.NoSuchVault({ vault: name, known })
  const tables = yield* loadTables
  yield* tables.showVault(name, voice)
  if ((yield* state.keys(name)) !== undefined) yield* showDevices(name, voice)
})

const repair = Effect.fnUntraced(function* (name: string, dryRun: boolean, voice: Console.Voice) {
  if (dryRun)
    return yield* usage(
      "vault repair has no dry run: `cairn verify` shows the damage, and a repair only adds a snapshot"
    )
  const vault = yield* Vault.open(name)
  const result = yield* Repair.repair(vault)
  for (const { detail, id } of result.lost)
    yield* Console.complain(`${name}: snapshot ${Hash.toShort(id)} cannot be read whole: ${detail}`)
  const text =
    result.revision === undefined
      ? `${name}: nothing to repair: its tree can be read; damaged contents are told by \`cairn verify ${name}:\``
      : `${name}: continues at revision ${result.revision} from ${result.from.map(Hash.toShort).join(", ")}; the next backup adds what is newer`
  yield* Console.emit(
    voice,
    {
      type: "vault",
      name,
      ...(result.revision === undefined ? {} : { revision: Number(result.revision) })
    },
    voice.quiet ? undefined : text
  )
})

const trust = Effect.fnUntraced(function* (name: string, common: Verb.Common, dryRun: boolean) {
  const state = yield* VaultState.VaultState
  const peer = yield* state.peer(name)
  if (peer === undefined)
    return yield* usage(
      `${name}: is no attached vault; for one of this device there is \`cairn vault repair ${name}:\``
    )
  const seen = yield* state.seen(name)
  // asked without the floor, only to show both
  const found = yield* Effect.scoped(Peers.inspect(name, peer))
  const now = found === undefined ? "nothing" : `revision ${found.entry.revision}, snapshot ${Hash.toShort(found.hash)}`
  yield* Console.note(common, `${name}: seen before: revision ${seen}; published now: ${now}`)
  if (dryRun) return
  if (found !== undefined && found.entry.revision >= seen)
    return yield* Console.note(common, `${name}: nothing to accept`)
  if (!common.yes) return yield* usage(`what is published now is older than what was seen: --yes takes it all the same`)
  yield* state.forgetSeen(name)
  if (found !== undefined) yield* state.saveSeen(name, found.entry.revision)
})

/** Detaches another device's vault, or takes a vault out of the configuration; nothing that was kept is ever removed. */
const remove = Effect.fnUntraced(function* (name: string, dryRun: boolean, voice: Verb.Common) {
  const state = yield* VaultState.VaultState
  const peer = yield* state.peer(name)
  if (peer !== undefined) {
    if (!dryRun) yield* state.removePeer(name)
    return yield* Console.note(
      voice,
      `${name}: ${dryRun ? "would be detached" : "detached"}; what is in ${peer.store} stays as it is`
    )
  }
  const tables = yield* loadTables
  if (yield* tables.removeVault(name, dryRun, voice))
    return yield* Console.note(voice, `${name}: what it kept, and its keys on this device, stay`)
  const known = yield* state.vaults
  if (!known.includes(name)) return yield* new Vault.NoSuchVault({ vault: name, known })
  return yield* usage(
    `${name}: is this device's own, and nobody else may have its keys, so Cairn does not remove it; they are in ${join(Home.mine.data, "vaults", name)}`
  )
})

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "vault",
  description:
    "Vaults themselves: vault list · vault show NAME (as configured) · vault add NAME … (attach another device's, read-only) · vault remove NAME (detach it) · vault repair NAME: · vault trust NAME:",
  config,
  handler: ({ dryRun, words, ...given }, common) =>
    Effect.gen(function* () {
      const [action, word, ...rest] = words
      const actions = ["add", "list", "show", "remove", "repair", "trust"]
      if (action === undefined || !actions.includes(action)) {
        const near = action === undefined ? undefined : Argv.nearest(action, actions)
        return yield* usage(
          action === undefined
            ? "vault takes add, list, show, remove, repair or trust"
            : `unknown: vault ${action}${near === undefined ? "" : `: did you mean ${near}?`}`
        )
      }
      if (rest.length > 0) return yield* usage(`vault ${action} takes one name, not also ${rest.join(" ")}`)
      if (action === "list") {
        const state = yield* VaultState.VaultState
        const here = yield* state.vaults
        for (const name of here) yield* Console.emit(common, { type: "vault", name }, `${name}:`)
        const { names } = yield* VaultSettings.VaultSettings
        for (const name of names.filter((one) => !here.includes(one)))
          yield* Console.emit(common, { type: "vault", name }, `${name}:  configured, nothing kept yet`)
        for (const [name, peer] of yield* state.peers)
          yield* Console.emit(
            common,
            { type: "vault", name, id: peer.vaultId },
            `${name}:  attached from ${peer.store}`
          )
        return exitCode.done
      }
      if (word === undefined) return yield* usage(`vault ${action} needs the vault's name`)
      const name = yield* nameOf(word)
      if (action === "show") yield* show(name, common)
      else if (action === "remove") yield* remove(name, dryRun, common)
      else if (action === "add") yield* add(name, { ...given, dryRun }, common)
      else if (action === "repair") yield* repair(name, dryRun, common)
      else yield* trust(name, common, dryRun)
      return exitCode.done
    }).pipe(Effect.provide(Layer.mergeAll(Live.layer, ProgressTerminal.layer(common))))
})

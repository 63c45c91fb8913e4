/**
 * `cairn status`
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Devices from "../programs/Devices.ts"
import * as Head from "../programs/Head.ts"
import * as IdentityCopies from "../programs/IdentityCopies.ts"
import * as IdentitySealing from "../programs/IdentitySealing.ts"
import * as RelayWithdrawal from "../programs/RelayWithdrawal.ts"
import * as Vault from "../programs/Vault.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Hash from "../schema/Hash.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import * as TransparentNode from "../schema/TransparentNode.ts"
import * as Approvals from "../services/Approvals.ts"
import * as Crypto from "../services/Crypto.ts"
import * as HealthLog from "../services/HealthLog.ts"
import * as IdentityState from "../services/IdentityState.ts"
import * as Keyring from "../services/Keyring.ts"
import * as LocalTree from "../services/LocalTree.ts"
import * as Staging from "../services/Staging.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Approve from "./Approve.ts"
import * as AutomationLive from "./AutomationLive.ts"
import * as AutomationVoice from "./AutomationVoice.ts"
import * as Console from "./Console.ts"
import { exitCode, ofError } from "./ExitCode.ts"
import * as Home from "./Home.ts"
import * as Live from "./Live.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as RemovalVoice from "./RemovalVoice.ts"
import * as Verb from "./Verb.ts"

const device = Effect.fnUntraced(function* (voice: Console.Voice) {
  const keyring = yield* Keyring.Keyring
  const { implementation } = yield* Crypto.Crypto
  const tree = yield* LocalTree.LocalTree
  const keys = yield* Effect.either(keyring.device)
  if (Either.isLeft(keys) && keys.left.reason !== "Missing") return yield* keys.left
  const recovery = yield* keyring.recovery
  const { blake3, chacha20, ed25519, zstd } = implementation
  const notes = [...implementation.notes, ...tree.capabilities.notes, ...(yield* Live.registryNotes)]
  const registry = yield* Live.registryName
  const configuration = yield* Live.configuration
  const publicKey = Either.isRight(keys) ? Bytes.toHex(keys.right.publicKey) : undefined
  const rows: ReadonlyArray<readonly [string, string]> = [
    ["device", publicKey ?? "no keys yet"],
    ...(Either.isRight(keys) ? [["recipient", keys.right.recipient] as const] : []),
    ["recovery phrase", recovery === undefined ? "none" : recovery.did],
    ...(configuration === undefined ? [] : [["configuration", configuration] as const]),
    ["keys", Home.mine.config],
    ["store", `${Home.mine.data}/store`],
    ["registry", registry],
    ["cryptography", `BLAKE3 ${blake3}, Ed25519 ${ed25519}, ChaCha20 ${chacha20}, zstd ${zstd}`],
    ...notes.map((note) => ["note", note] as const)
  ]
  yield* Console.emit(
    voice,
    {
      type: "device",
      ...(Either.isRight(keys)
        ? { publicKey: Bytes.toHex(keys.right.publicKey), recipient: keys.right.recipient }
        : {}),
      ...(recovery === undefined ? {} : { recovery: recovery.did }),
      store: `${Home.mine.data}/store`,
      registry,
      ...(configuration === undefined ? {} : { configuration }),
      cryptography: { blake3, ed25519, chacha20, zstd },
      notes
    },
    rows.map(([name, value]) => `${name.padEnd(16)} ${value}`).join("\n")
  )
})

/** What is left to do for the person that this device belongs to. */
const identity = Effect.fnUntraced(function* (voice: Console.Voice) {
  const keyring = yield* Keyring.Keyring
  const keys = yield* keyring.identity
  if (keys === undefined) return
  const left: Array<string> = []
  if ((yield* keyring.nextIdentity) !== undefined) left.push("the new recovery phrase is not in force yet")
  const behind = yield* IdentityCopies.behind()
  if (behind.length > 0) left.push(`the list of devices and vaults in ${behind.join(", ")}`)
  for (const { places } of yield* (yield* IdentityState.IdentityState).retired)
    left.push(`the end of the former phrase in every store${places.length === 0 ? "" : ` but ${places.join(", ")}`}`)
  const unsealed = yield* IdentitySealing.behind([keys.recovery.recipient])
  if (unsealed.length > 0) left.push(`earlier snapshots of ${unsealed.join(", ")} for the phrase`)
  for (const { label, places } of yield* RelayWithdrawal.pending())
    left.push(`the write token of ${label}, which was removed, in ${places.join(", ")}`)
  for (const removal of yield* Devices.incomplete())
    for (const detail of RemovalVoice.stillToDo(removal))
      yield* Console.emit(
        voice,
        { type: "check", name: "devices", status: "warning", detail },
        `still to be done   ${detail}`
      )
  if (left.length === 0) return
  yield* Console.emit(
    voice,
    { type: "check", name: "recovery", status: "warning", detail: left.join("; ") },
    `still to be done   ${left.join("; ")} (the next backup tries again)`
  )
})

const time = (millis: number | undefined) =>
  millis === undefined ? {} : { publishedAt: new Date(millis).toISOString() }

/** A line that is in the record before it. */
const people = (voice: Console.Voice, text: string) => (voice.json ? Effect.void : Console.data(text))

const describeTodo = (todo: VaultState.Todo): string =>
  todo._tag === "Mirror"
    ? `the copy of a published node in ${todo.store}`
    : todo._tag === "Copy"
      ? `a whole copy of the vault in ${todo.store}`
      : todo._tag === "Head"
        ? `the head of revision ${todo.revision} in ${todo.store}`
        : "the recovery entry"

const vaultStatus = Effect.fnUntraced(function* (voice: Console.Voice, name: string) {
  const state = yield* VaultState.VaultState
  const staging = yield* Staging.Staging
  const approvals = yield* Approvals.Approvals
  const todos = yield* state.todos(name)
  const staged = yield* staging.staged(name)
  const vault = yield* Vault.open(name)
  const head = yield* Head.newest(vault)
  const publishedAt = head === undefined ? undefined : TransparentNode.publishedAt(head.node)
  const newest =
    head === undefined
      ? "nothing published yet"
      : `snapshot ${Hash.toShort(head.hash)}, revision ${head.entry.revision}${publishedAt === undefined ? "" : `, ${Console.localTime(publishedAt)}`}`
  yield* Console.emit(
    voice,
    {
      type: "vault",
      name,
      id: Bytes.toHex(vault.id),
      ...(head === undefined ? {} : { revision: Number(head.entry.revision), snapshot: Hash.toHex(head.hash) }),
      ...time(publishedAt),
      ...(todos.length === 0 ? {} : { todos: todos.length })
    },
    `\n${name}: ${newest}`
  )
  if (todos.length > 0)
    yield* Console.emit(
      voice,
      { type: "check", name: `vault ${name}`, status: "warning", detail: todos.map(describeTodo).join("; ") },
      `  still to be done: ${todos.map(describeTodo).join("; ")} (the next backup tries again)`
    )
  for (const { folder, path } of yield* state.sources(name)) {
    const record = yield* state.record(name, folder)
    const announced = (yield* state.intents(name, folder)).length
    const waiting = staged.find((one) => one.folder === folder && one.scannedAt > (record?.scannedAt ?? 0))
    const approval = yield* approvals.pending(name, folder)
    yield* Console.emit(
      voice,
      {
        type: "saved-source",
        vault: name,
        folder,
        path,
        ...(record === undefined
          ? {}
          : {
              lastBackupAt: new Date(record.scannedAt).toISOString(),
              revision: Number(record.revision),
              files: record.files,
              bytes: record.bytes,
              ...(record.conflicts === undefined ? {} : { conflicts: record.conflicts })
            }),
        ...(waiting === undefined ? {} : { stagedAt: new Date(waiting.scannedAt).toISOString() }),
        ...(announced === 0 ? {} : { announced })
      },
      `  ${LocalPath.display(folder)}/  from ${LocalPath.display(path)}: ${record === undefined ? "never backed up" : `${Console.count(record.files, "file")}, ${Console.size(record.bytes)}, last backed up ${Console.localTime(record.scannedAt)}`}`
    )
    if (waiting !== undefined)
      yield* people(
        voice,
        `    ingested ${Console.localTime(waiting.scannedAt)} and not published yet: ${Console.count(waiting.files, "file")}, ${Console.size(waiting.bytes)}`
      )
    if (announced > 0) yield* people(voice, "    a publication was begun; the next backup finds out what became of it")
    if (approval !== undefined)
      yield* Console.emit(
        voice,
        Approve.record(approval, "pending"),
        `    waits for \`cairn approve ${name}:${LocalPath.display(folder)}\`: ${Approve.describe(approval)}`
      )
    for (const copy of record?.conflicts ?? [])
      yield* Console.emit(
        voice,
        { type: "problem", kind: "conflict", path: copy, detail: "conflict copy" },
        `    conflict copy: ${LocalPath.display(copy)}`
      )
  }
})

const automations = Effect.fnUntraced(function* (voice: Console.Voice) {
  const log = yield* HealthLog.HealthLog
  for (const [index, health] of (yield* log.all).entries()) {
    const text = AutomationVoice.lines(health).join("\n")
    yield* Console.emit(voice, AutomationVoice.record(health), index === 0 ? `\n${text}` : text)
  }
})

const services = Layer.mergeAll(AutomationLive.approvals, AutomationLive.healthLog, AutomationLive.staging).pipe(
  Layer.provideMerge(Live.layer)
)

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "status",
  description: "This device, its vaults, and when each source was last backed up",
  config: {},
  handler: (_, common) =>
    Effect.gen(function* () {
      const state = yield* VaultState.VaultState
      yield* device(common)
      yield* identity(common)
      let code: number = exitCode.done
      for (const [name, peer] of yield* state.peers)
        yield* Console.emit(
          common,
          { type: "vault", name, id: peer.vaultId, revision: Number(yield* state.seen(name)) },
          `\n${name}: attached from ${LocalPath.display(peer.store)}, device ${peer.device.slice(0, 10)}, seen at revision ${yield* state.seen(name)}`
        )
      for (const name of yield* state.vaults) {
        const shown = yield* Effect.either(vaultStatus(common, name))
        if (Either.isRight(shown)) continue
        // the others are shown all the same; the first failure is the run's
        code = code === exitCode.done ? ofError(shown.left) : code
        yield* Console.complain(shown.left.message)
        if (common.json) yield* Console.json({ type: "vault", name, problem: shown.left.message })
      }
      yield* automations(common)
      yield* RecoveryHint.tell
      return code
    }).pipe(Effect.provide(services))
})

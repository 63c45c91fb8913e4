/**
 * `cairn list [REF]`
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ConflictName from "../fs5/ConflictName.ts"
import * as List from "../programs/List.ts"
import * as LocalPath from "../schema/LocalPath.ts"
import type { NodeEntry } from "../schema/Node.ts"
import * as VaultState from "../services/VaultState.ts"
import * as Argv from "./Argv.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"
import * as Live from "./Live.ts"
import * as Opening from "./Opening.ts"
import * as RecoveryHint from "./RecoveryHint.ts"
import * as Reference from "./Reference.ts"
import * as Verb from "./Verb.ts"

const config = {
  reference: Args.optional(Verb.operand("REF")),
  recursive: Options.boolean("recursive").pipe(
    Options.withAlias("r"),
    Options.withDescription("all levels, not the first alone")
  ),
  peers: Options.boolean("peers").pipe(
    Options.withDescription(
      "with attached vaults; of a vault, what all its devices have together: what `cairn pull` would publish"
    )
  ),
  device: Verb.device,
  conflicts: Options.boolean("conflicts").pipe(Options.withDescription("only conflict copies, on all levels")),
  long: Options.boolean("long").pipe(Options.withAlias("l"), Options.withDescription("with mode, size and time"))
}

const letters = ["r", "w", "x"] as const

const mode = (kind: string, permissions: number | undefined): string => {
  const type = kind === "directory" ? "d" : kind === "symlink" ? "l" : "-"
  if (permissions === undefined) return `${type}?????????`
  const bits = Array.from({ length: 9 }, (_, index) =>
    (permissions & (0o400 >> index)) === 0 ? "-" : letters[index % 3]!
  )
  return type + bits.join("")
}

const modifiedAt = (entry: NodeEntry | undefined): number | undefined => {
  const seconds = entry?.semantic?.timestamp
  return seconds === undefined
    ? undefined
    : seconds * 1000 + Math.floor((entry?.semantic?.timestampSubsecNanos ?? 0) / 1_000_000)
}

const tell = (voice: Console.Voice, long: boolean, listed: List.Listed) => {
  const { entry } = listed
  const kind = listed.kind === "directory" ? "directory" : (entry?.semantic?.unix?.fileType ?? "regular")
  const permissions = entry?.semantic?.unix?.permissions
  const time = modifiedAt(entry)
  const size = listed.kind === "directory" ? undefined : Number(entry?.content?.size ?? 0n)
  const name = LocalPath.display(listed.path) + (listed.kind === "directory" ? "/" : "")
  const text = long
    ? [
        mode(kind, permissions),
        String(size ?? "-").padStart(12),
        time === undefined ? "-".padEnd(26) : Console.localTime(time),
        name
      ].join("  ")
    : name
  return Console.emit(
    voice,
    {
      type: "entry",
      path: listed.path,
      kind,
      ...(size === undefined ? {} : { size }),
      ...(permissions === undefined ? {} : { mode: permissions & 0o7777 }),
      ...(time === undefined ? {} : { modifiedAt: new Date(time).toISOString() })
    },
    text
  )
}

/** @since 0.1.0 @category verbs */
export const verb = Verb.make({
  name: "list",
  description: "What there is: list (vaults) · list VAULT: · list VAULT[@SNAP]:PATH",
  config,
  handler: ({ conflicts, device, long, peers, recursive, reference }, common) =>
    Effect.gen(function* () {
      if (Option.isNone(reference)) {
        const state = yield* VaultState.VaultState
        if (conflicts) return yield* new Argv.Usage({ problem: "--conflicts needs the vault: list --conflicts VAULT:" })
        if (Option.isSome(device))
          return yield* new Argv.Usage({ problem: "--device needs the vault: list --device NAME VAULT:" })
        for (const name of yield* state.vaults) yield* Console.emit(common, { type: "vault", name }, `${name}:`)
        for (const [name, peer] of peers ? yield* state.peers : [])
          yield* Console.emit(
            common,
            { type: "vault", name, id: peer.vaultId },
            `${name}:  device ${peer.device.slice(0, 10)}, attached from ${peer.store}`
          )
        yield* RecoveryHint.tell
        return exitCode.done
      }
      const ref = yield* Reference.parse(reference.value)
      const { code, snapshot } = yield* Opening.look(ref, { device: Option.getOrUndefined(device), peers })
      const at = yield* List.at(ref.vault, snapshot, ref.path)
      if (at._tag === "File") {
        const name = ref.path.slice(ref.path.lastIndexOf("/") + 1)
        yield* tell(common, long, { path: name, kind: "file", entry: at.entry })
      } else {
        const listed = List.list(snapshot, ref.path, { recursive: recursive || conflicts })
        yield* Stream.runForEach(
          conflicts ? Stream.filter(listed, ({ path }) => ConflictName.looksLikeOne(path)) : listed,
          (each) => tell(common, long, each)
        )
      }
      yield* RecoveryHint.tell
      return code
    }).pipe(Effect.scoped, Effect.provide(Live.layer))
})

/**
 * The verbs, each loaded when it is asked for.
 *
 * @since 0.1.0
 */
import type { Verb } from "./Verb.ts"

/** The version that `--version` prints. @since 0.1.0 @category constants */
export const version = "0.1.0"

interface Listed {
  readonly usage: string
  readonly does: string
  /** What its first word can be, for a verb that has several things to do. */
  readonly actions?: ReadonlyArray<string>
  /** Without a word it runs until it is told to stop: a signal is its ordinary end. */
  readonly isService?: boolean
  readonly load: () => Promise<{ readonly verb: Verb }>
}

const verbs: Readonly<Record<string, Listed>> = {
  init: {
    usage: "init",
    does: "make this device's keys and the recovery phrase",
    load: () => import("./Init.ts")
  },
  backup: {
    usage: "backup [SRC...] VAULT:",
    does: "keep files and folders in a vault",
    load: () => import("./Backup.ts")
  },
  restore: {
    usage: "restore VAULT[@SNAP]:[PATH] DIR",
    does: "bring them back",
    load: () => import("./Restore.ts")
  },
  list: { usage: "list [VAULT[@SNAP]:[PATH]]", does: "vaults, or what is in one", load: () => import("./List.ts") },
  show: { usage: "show VAULT[@SNAP]:PATH", does: "a file's bytes", load: () => import("./Show.ts") },
  log: { usage: "log VAULT:", does: "the snapshots of a vault", load: () => import("./Log.ts") },
  diff: { usage: "diff REF [REF]", does: "what differs between two snapshots", load: () => import("./Diff.ts") },
  invite: { usage: "invite", does: "let another device in, with a code", load: () => import("./Invite.ts") },
  join: { usage: "join [FOLDER|URL]", does: "become one of your devices", load: () => import("./Join.ts") },
  device: {
    usage: "device list|remove NAME",
    actions: ["list", "remove"],
    does: "your devices",
    load: () => import("./Device.ts")
  },
  pull: { usage: "pull [VAULT:]", does: "take in what other devices published", load: () => import("./Pull.ts") },
  recover: {
    usage: "recover [FOLDER|URL]",
    does: "everything, with the recovery phrase",
    load: () => import("./Recover.ts")
  },
  verify: { usage: "verify [VAULT:]", does: "read and check everything", load: () => import("./Verify.ts") },
  vault: {
    usage: "vault add|list|show|remove|repair|trust NAME",
    actions: ["add", "list", "show", "remove", "repair", "trust"],
    does: "attach another device's vault, or mend one",
    load: () => import("./Vault.ts")
  },
  store: {
    usage: "store add|list|show|remove|test NAME",
    actions: ["add", "list", "show", "remove", "test"],
    does: "places for blobs",
    load: () => import("./Store.ts")
  },
  source: {
    usage: "source add|list|show|remove NAME",
    actions: ["add", "list", "show", "remove"],
    does: "files and folders of this device",
    load: () => import("./Source.ts")
  },
  key: {
    usage: "key add|list|show|remove NAME",
    actions: ["add", "list", "show", "remove"],
    does: "who may read",
    load: () => import("./Key.ts")
  },
  config: {
    usage: "config check|show|schema",
    actions: ["check", "show", "schema"],
    does: "the configuration file",
    load: () => import("./Config.ts")
  },
  approve: {
    usage: "approve [VAULT:FOLDER]",
    does: "agree to a change that deletes or rewrites much",
    load: () => import("./Approve.ts")
  },
  watch: {
    usage: "watch [VAULT:]",
    does: "back up saved sources whenever they change",
    load: () => import("./Watch.ts")
  },
  doctor: { usage: "doctor", does: "what is wrong here, and what to do", load: () => import("./Doctor.ts") },
  status: { usage: "status", does: "this device, its vaults and sources", load: () => import("./Status.ts") },
  serve: {
    usage: "serve [token add|list|remove NAME]",
    does: "a relay, at which devices can meet",
    actions: ["token"],
    load: () => import("./Serve.ts")
  },
  run: { usage: "run TASK", does: "a task of the configuration", load: () => import("./Run.ts") },
  daemon: {
    usage: "daemon [start|stop|install…]",
    does: "run tasks in the background",
    actions: ["start", "stop", "status", "install", "uninstall"],
    isService: true,
    load: () => import("./Daemon.ts")
  },
  completions: {
    usage: "completions bash|zsh|fish",
    does: "the script that completes words in a shell",
    actions: ["bash", "zsh", "fish"],
    load: () => import("./Completions.ts")
  },
  man: { usage: "man", does: "the manual page", load: () => import("./Man.ts") }
}

/** @since 0.1.0 @category accessors */
export const names: ReadonlyArray<string> = Object.keys(verbs)

/** @since 0.1.0 @category accessors */
export const find = (name: string): Listed | undefined => (Object.hasOwn(verbs, name) ? verbs[name] : undefined)

/** What the first word of a verb with several things to do can be. @since 0.1.0 @category accessors */
export const actions: Readonly<Record<string, ReadonlyArray<string>>> = Object.fromEntries(
  Object.entries(verbs).flatMap(([name, listed]) => (listed.actions === undefined ? [] : [[name, listed.actions]]))
)

const width = Math.max(...Object.values(verbs).map(({ usage }) => usage.length))

/** What `cairn --help` prints. @since 0.1.0 @category constants */
export const overview = [
  `cairn ${version}: encrypted vaults that many writers publish to at once`,
  "",
  "  cairn backup ./docs docs:          keep ./docs in the vault docs:",
  "  cairn restore docs: ./back         bring the newest snapshot back",
  "",
  ...Object.values(verbs).map(({ does, usage }) => `  ${usage.padEnd(width)}  ${does}`),
  "",
  "SNAP is latest, latest~N, a number, YYYY-MM-DD[Thhmm], or the start of an id.",
  "`cairn VERB --help` shows a verb's options; --json, --quiet and --no-input work on all."
].join("\n")

/**
 * What has to hold between the tables of a configuration, each rule a pure function of it.
 *
 * They read the raw tables, so that they tell what they can of a configuration that is wrong in other ways too.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Problem from "./ConfigProblem.ts"
import * as Raw from "./ConfigRaw.ts"
import * as References from "./ConfigReferences.ts"
import * as ConfigRegistry from "./ConfigRegistry.ts"
import { isInline } from "./ConfigSecret.ts"
import * as ConfigStore from "./ConfigStore.ts"
import * as Trigger from "./Trigger.ts"
import { isVaultName } from "./VaultRef.ts"
import * as WritePolicy from "./WritePolicy.ts"

type Problems = ReadonlyArray<Problem.Problem>

/** What the rules ask of the machine. @since 0.1.0 @category models */
export interface Facts {
  /** The absolute form of a path, by which two are compared. */
  readonly resolve: (path: string) => string
  /** Whether there is a file of that name in the folder. */
  readonly holds: (folder: string, file: string) => boolean
}

/** The path without `.`, `..` and double slashes, as far as it says. */
const lexical = (path: string): string => {
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue
    if (part === ".." && parts.length > 0 && parts[parts.length - 1] !== "..") parts.pop()
    else parts.push(part)
  }
  return `${path.startsWith("/") ? "/" : ""}${parts.join("/")}`
}

/** Facts of no machine: paths are compared as they are written. @since 0.1.0 @category constants */
export const noFacts: Facts = { resolve: lexical, holds: () => false }

const storeTypes = (config: Raw.Table): Problems =>
  Raw.section(config, "store").flatMap(([name, store]) => {
    const why = Raw.field(ConfigStore.refused, Raw.text(store, "type") ?? "")
    return typeof why === "string" ? [Problem.error(["store", name, "type"], why)] : []
  })

const isLoopback = (host: string): boolean => /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(host)

/** Addresses of relays that are none, or that a token does not belong in. */
const relays = (config: Raw.Table): Problems =>
  Raw.section(config, "store").flatMap(([name, store]) => {
    const url = Raw.text(store, "url")
    if (Raw.text(store, "type") !== "relay" || url === undefined) return []
    const path = ["store", name, "url"]
    const parts = /^(https?):\/\/([^/?#@\s]+)(\/[^?#@\s]*)?$/.exec(url)
    if (parts === null)
      return [
        Problem.error(
          path,
          "this is no relay's address: https:// and its host are needed, without a name, a question mark or a # in it"
        )
      ]
    const [, scheme, authority = ""] = parts
    return scheme === "http" && !isLoopback(authority.replace(/:\d*$/, ""))
      ? [
          Problem.warning(
            path,
            "over http:// anybody on the way can read the token and write in its name; put https:// before the relay"
          )
        ]
      : []
  })

/** A registry and all that are written inside it. */
const registriesIn = (
  at: Problem.Path,
  registry: Raw.Table
): ReadonlyArray<readonly [path: Problem.Path, registry: Raw.Table]> => [
  [at, registry],
  ...Raw.list(registry, "backends").flatMap((backend, index) =>
    typeof backend === "object" ? registriesIn([...at, "backends", index], Raw.asTable(backend)) : []
  )
]

const registries = (config: Raw.Table, { holds }: Facts): Problems =>
  Raw.section(config, "registry")
    .flatMap(([name, registry]) => registriesIn(["registry", name], registry))
    .flatMap(([path, registry]) => {
      const type = Raw.text(registry, "type") ?? ""
      const why = Raw.field(ConfigRegistry.refused, type)
      if (typeof why === "string") return [Problem.error([...path, "type"], why)]
      const folder = Raw.text(registry, "path")
      if ((type === "local" || type === "redb") && folder !== undefined && holds(folder, "registry.redb"))
        return [
          Problem.error(
            [...path, "path"],
            `${folder} holds registry.redb, a database of the reference that Cairn cannot read: use type = "store" with a store that s5-rs publishes to as well, or name another folder for a registry of Cairn's own`
          )
        ]
      const store = Raw.field(Raw.asTable(Raw.field(config, "store")), Raw.text(registry, "store") ?? "")
      if (
        type === "store" &&
        Raw.text(Raw.asTable(store), "type") === "relay" &&
        Raw.text(registry, "prefix") !== undefined
      )
        return [Problem.error([...path, "prefix"], "a relay has no folders to keep entries in: leave this out")]
      if (type !== "multi" || !Array.isArray(Raw.field(registry, "backends"))) return []
      const backends = Raw.list(registry, "backends").length
      if (backends === 0) return [Problem.error([...path, "backends"], "a multi registry needs one backend at least")]
      const policy = Raw.text(registry, "write_policy")
      const parsed = policy === undefined ? undefined : WritePolicy.parse(policy, backends)
      return parsed !== undefined && Either.isLeft(parsed)
        ? [Problem.error([...path, "write_policy"], `${JSON.stringify(policy)}: ${parsed.left.problem}`)]
        : []
    })

/** Registries that heads are not published in, though somebody may believe so. */
const headsElsewhere = (config: Raw.Table): Problems => {
  const all = new Map(Raw.section(config, "registry"))
  const standard = all.get("default")
  const [other] = all.keys()
  if (standard === undefined)
    return other === undefined
      ? []
      : [
          Problem.warning(
            ["registry", other],
            `no head is published here: only the registry called \`default\` is used, and without one this device's own, with copies in every store that keeps the vault; call it [registry.default] if heads belong here`
          )
        ]
  return Raw.text(standard, "type") === "memory"
    ? [
        Problem.warning(
          ["registry", "default", "type"],
          "heads that are published here are forgotten when the process ends, and the next one finds nothing; any other type keeps them"
        )
      ]
    : []
}

const vaultNames = (config: Raw.Table): Problems =>
  Raw.names(config, "vault")
    .filter((name) => !isVaultName(name))
    .map((name) =>
      Problem.error(
        ["vault", name],
        "this cannot name a vault: 2 to 64 letters, digits, dots, dashes or underscores are needed, the first a letter or digit"
      )
    )

/** Vaults that would take each other's keys and records for their own. */
const roots = (config: Raw.Table, { resolve }: Facts): Problems => {
  const first = new Map<string, string>()
  return Raw.section(config, "vault").flatMap(([name, vault]) => {
    const root = Raw.text(vault, "root_path")
    if (root === undefined) return []
    const other = first.get(resolve(root))
    if (other === undefined) first.set(resolve(root), name)
    return other === undefined
      ? []
      : [
          Problem.error(
            ["vault", name, "root_path"],
            `[vault.${other}] has this folder; each vault needs one of its own`
          )
        ]
  })
}

const vaultKeys = (config: Raw.Table): Problems => {
  const keys = new Map(Raw.section(config, "key"))
  return Raw.section(config, "vault").flatMap(([name, vault]) => {
    const key = keys.get(Raw.text(vault, "key") ?? "")
    return key === undefined || Raw.field(key, "identity_file") !== undefined
      ? []
      : [
          Problem.error(
            ["vault", name, "key"],
            `[key.${JSON.stringify(Raw.text(vault, "key"))}] has no identity_file, so what it protects could not be opened again`
          )
        ]
  })
}

const within = (inner: string, outer: string): boolean =>
  inner === outer || inner.startsWith(outer.endsWith("/") ? outer : `${outer}/`)

/** Sources of one vault that hold the same files. */
const overlaps = (config: Raw.Table, { resolve }: Facts): Problems => {
  const sources = new Map(Raw.section(config, "source"))
  const pathsOf = (name: string) =>
    Raw.texts(sources.get(name) ?? {}, "paths").map(([index, path]) => ({ name, index, path: resolve(path) }))
  const ofVaults = Raw.section(config, "vault").flatMap(([vault, table]) => {
    const seen: Array<{ readonly name: string; readonly path: string }> = []
    return Raw.texts(table, "sources").flatMap(([index, name]) => {
      const paths = pathsOf(name)
      const both = paths.flatMap((one) =>
        seen.filter((other) => within(one.path, other.path) || within(other.path, one.path))
      )
      seen.push(...paths)
      const [other] = both
      return other === undefined
        ? []
        : [
            Problem.error(
              ["vault", vault, "sources", index],
              other.name === name
                ? "this source is named twice"
                : `[source.${name}] and [source.${other.name}] both hold ${other.path}, which would be kept twice: leave it out of one`
            )
          ]
    })
  })
  const ofSources = Raw.names(config, "source").flatMap((name) => {
    const paths = pathsOf(name)
    return paths.flatMap((one, at) => {
      const other = paths.slice(0, at).find((before) => within(one.path, before.path) || within(before.path, one.path))
      return other === undefined
        ? []
        : [Problem.error(["source", name, "paths", one.index], `this overlaps with ${other.path} of the same source`)]
    })
  })
  return [...ofSources, ...ofVaults]
}

/** Stores that are used for what they are not for. */
const roles = (config: Raw.Table): Problems => {
  const stores = new Map(Raw.section(config, "store"))
  const uses = Raw.section(config, "vault").flatMap(([vault, table]) =>
    (["blob_stores", "meta_targets"] as const).flatMap((field) =>
      Raw.texts(table, field).map(([index, name]) => ({
        path: ["vault", vault, field, index],
        name,
        role: field === "blob_stores" ? "blobs" : "meta",
        vault
      }))
    )
  )
  return uses.flatMap(({ name, path, role }) => {
    const store = stores.get(name)
    if (store === undefined) return []
    if (Raw.text(store, "type") === "local_links")
      return [
        Problem.error(path, `[store.${name}] is an index of files that stay where they are; nothing can be kept in it`)
      ]
    const policy = Raw.field(store, "roles")
    const allowed = Raw.texts(store, "roles").map(([, allows]) => allows)
    if (Array.isArray(policy))
      return allowed.includes(role)
        ? []
        : [
            Problem.error(
              path,
              `[store.${name}] is not for this: its roles are ${JSON.stringify(allowed)}, and ${role === "meta" ? "meta_targets" : "blob_stores"} needs "${role}"`
            )
          ]
    const other = uses.find((use) => use.name === name && use.role !== role)
    return role === "meta" && other !== undefined
      ? [
          Problem.warning(
            path,
            `[store.${name}] holds content too (${Problem.showPath(other.path)}), so whoever runs it learns which of its blobs are published nodes; roles = ["blobs", "meta"] says that this is meant`
          )
        ]
      : []
  })
}

const secrets = (config: Raw.Table): Problems => {
  const inline = (path: Problem.Path, value: unknown): Problems =>
    isInline(value)
      ? [
          Problem.warning(
            path,
            'this secret stands in the file itself; { file = "…" }, { env = "NAME" } or { command = ["…"] } keeps it out'
          )
        ]
      : []
  return [
    ...inline(["identity", "secret_key"], Raw.field(Raw.asTable(Raw.field(config, "identity")), "secret_key")),
    ...Raw.section(config, "store").flatMap(([name, store]) => {
      const fields = Raw.field(ConfigStore.secretFields, Raw.text(store, "type") ?? "")
      return Array.isArray(fields)
        ? fields.flatMap((field) => inline(["store", name, field], Raw.field(store, field)))
        : []
    }),
    ...Raw.section(config, "task").flatMap(([name, task]) =>
      inline(["task", name, "age_secret_key"], Raw.field(task, "age_secret_key"))
    )
  ]
}

const decodeTrigger = Schema.decodeUnknownEither(Schema.Struct(Trigger.fields))

const triggers = (config: Raw.Table): Problems =>
  Raw.section(config, "task").flatMap(([name, task]) => {
    const decoded = decodeTrigger(task)
    // what has not the right form is told with the form
    if (Either.isLeft(decoded)) return []
    const trigger = Trigger.fromFields(decoded.right)
    if (Either.isLeft(trigger))
      return trigger.left.map(({ field, message }) => Problem.error(["task", name, field], message))
    const type = Raw.text(task, "type")
    return trigger.right._tag === "Watch" && type !== undefined && type !== "backup" && type !== "ingest"
      ? [Problem.error(["task", name, "trigger"], `only a backup can watch its source, and this is a ${type}`)]
      : []
  })

const plaintext = (config: Raw.Table): Problems =>
  Raw.section(config, "vault")
    .filter(([, vault]) => Raw.field(vault, "plaintext_tree") === true)
    .map(([name]) =>
      Problem.warning(
        ["vault", name, "plaintext_tree"],
        "Cairn encrypts this vault all the same, as it does every vault"
      )
    )

/** What a task asks of its own and the vault decides: told, since it would not be heeded. */
const decidedByVaults = (config: Raw.Table): Problems => {
  const vaults = new Map(Raw.section(config, "vault"))
  const only = Raw.text(config, "default_store")
  return Raw.section(config, "task").flatMap(([name, task]) => {
    const vaultName = Raw.text(task, "vault") ?? ""
    const vault = vaults.get(vaultName)
    if (vault === undefined) return []
    const stores = Raw.texts(vault, "blob_stores").map(([, store]) => store)
    if (stores.length === 0 && only !== undefined) stores.push(only)
    const store = Raw.text(task, "blob_store")
    return store === undefined || stores.includes(store)
      ? []
      : [
          Problem.warning(
            ["task", name, "blob_store"],
            `this is not heeded: where content is kept is said by blob_stores of [vault.${vaultName}]`
          )
        ]
  })
}

/** Everything that the rules find, in no particular order. @since 0.1.0 @category rules */
export const check = (raw: unknown, facts: Facts = noFacts): ReadonlyArray<Problem.Problem> => {
  const config = Raw.asTable(raw)
  return [
    ...References.missing(config),
    ...References.cycles(config),
    ...storeTypes(config),
    ...relays(config),
    ...registries(config, facts),
    ...headsElsewhere(config),
    ...vaultNames(config),
    ...roots(config, facts),
    ...vaultKeys(config),
    ...overlaps(config, facts),
    ...roles(config),
    ...secrets(config),
    ...triggers(config),
    ...plaintext(config),
    ...decidedByVaults(config)
  ]
}

/**
 * Names in a configuration that have to be names of something (docs/format/node.md §3.8).
 *
 * @since 0.1.0
 */
import * as Problem from "./ConfigProblem.ts"
import * as Raw from "./ConfigRaw.ts"

/** One use of a name. @since 0.1.0 @category models */
export interface Reference {
  /** Where the name stands. */
  readonly path: Problem.Path
  readonly section: "key" | "registry" | "source" | "store" | "task" | "vault"
  readonly name: string
}

const single = (
  at: Problem.Path,
  table: Raw.Table,
  field: string,
  section: Reference["section"]
): ReadonlyArray<Reference> => {
  const name = Raw.text(table, field)
  return name === undefined ? [] : [{ path: [...at, field], section, name }]
}

const many = (
  at: Problem.Path,
  table: Raw.Table,
  field: string,
  section: Reference["section"]
): ReadonlyArray<Reference> =>
  Raw.texts(table, field).map(([index, name]) => ({ path: [...at, field, index], section, name }))

const ofRegistry = (at: Problem.Path, registry: Raw.Table): ReadonlyArray<Reference> => {
  switch (Raw.text(registry, "type")) {
    case "store":
      return single(at, registry, "store", "store")
    case "multi":
      return [
        ...many(at, registry, "backends", "registry"),
        ...Raw.list(registry, "backends").flatMap((backend, index) =>
          ofRegistry([...at, "backends", index], Raw.asTable(backend))
        )
      ]
    default:
      return []
  }
}

const ofVault = (at: Problem.Path, vault: Raw.Table): ReadonlyArray<Reference> => [
  ...single(at, vault, "key", "key"),
  ...many(at, vault, "recipients", "key"),
  ...many(at, vault, "blob_stores", "store"),
  ...many(at, vault, "meta_targets", "store"),
  ...many(at, vault, "sources", "source")
]

const ofTask = (at: Problem.Path, task: Raw.Table): ReadonlyArray<Reference> => [
  // whoever restores from elsewhere need not have the vault here
  ...(Raw.text(task, "type") === "remote_restore" ? [] : single(at, task, "vault", "vault")),
  ...single(at, task, "source", "source"),
  ...single(at, task, "blob_store", "store"),
  ...many(at, task, "keys", "key"),
  ...many(at, task, "then", "task")
]

const inSection = (
  config: Raw.Table,
  section: string,
  of: (at: Problem.Path, table: Raw.Table) => ReadonlyArray<Reference>
) => Raw.section(config, section).flatMap(([name, table]) => of([section, name], table))

/** Every use of a name in the configuration. @since 0.1.0 @category accessors */
export const all = (config: Raw.Table): ReadonlyArray<Reference> => [
  ...single([], config, "default_store", "store"),
  ...single(["identity"], Raw.asTable(Raw.field(config, "identity")), "encrypted_with", "key"),
  ...inSection(config, "registry", ofRegistry),
  ...inSection(config, "vault", ofVault),
  ...inSection(config, "task", ofTask)
]

/** Names that nothing has. @since 0.1.0 @category rules */
export const missing = (config: Raw.Table): ReadonlyArray<Problem.Problem> =>
  all(config).flatMap(({ name, path, section }) => {
    const known = Raw.names(config, section)
    return known.includes(name)
      ? []
      : [Problem.error(path, `no [${section}.${JSON.stringify(name)}]${Problem.hint(name, known)}`)]
  })

/** Names that lead back to themselves, each round told once: `edges` are the references that count. */
const rounds = (
  section: string,
  names: ReadonlyArray<string>,
  edges: (name: string) => ReadonlyArray<Reference>,
  tell: (round: ReadonlyArray<string>) => string
): ReadonlyArray<Problem.Problem> => {
  const problems: Array<Problem.Problem> = []
  const done = new Set<string>()
  const visit = (name: string, above: ReadonlyArray<string>): void => {
    if (done.has(name)) return
    for (const { name: next, path } of edges(name)) {
      const way = [...above, name]
      const start = way.indexOf(next)
      if (start >= 0) problems.push(Problem.error(path, tell([...way.slice(start), next])))
      else if (names.includes(next)) visit(next, way)
    }
    done.add(name)
  }
  for (const name of names) visit(name, [])
  return problems.filter(({ path }) => path[0] === section)
}

/** Tasks that would start themselves again, registries that are made of themselves. @since 0.1.0 @category rules */
export const cycles = (config: Raw.Table): ReadonlyArray<Problem.Problem> => {
  const references = all(config)
  return (["registry", "task"] as const).flatMap((section) => {
    const own = references.filter(({ path, section: to }) => to === section && path[0] === section)
    return rounds(
      section,
      Raw.names(config, section),
      (name) => own.filter(({ path }) => path[1] === name),
      (round) =>
        section === "task"
          ? `these tasks would start each other for ever: ${round.join(" → ")}`
          : `this registry is made of itself: ${round.join(" → ")}`
    )
  })
}

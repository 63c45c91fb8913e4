/**
 * The automations that a configuration asks for (docs/format/node.md §5.9).
 *
 * @since 0.1.0
 */

import type { Config } from "../schema/Config.ts"
import { type ConfigTask, triggerOf } from "../schema/ConfigTask.ts"
import type * as Rpc from "../schema/Rpc.ts"
import type * as Trigger from "../schema/Trigger.ts"
import type { Automation } from "./Automation.ts"

/** @since 0.1.0 @category models */
export interface Options {
  readonly config: Config
  /** The absolute form of a path of the configuration. */
  readonly resolve: (path: string) => string
  /** The paths that a vault keeps on this device without being declared to. */
  readonly saved: (vault: string) => ReadonlyArray<string>
}

const own = <A>(record: Readonly<Record<string, A>>, name: string): A | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined

/**
 * One automation for each task whose trigger is not manual, and one for each vault that is watched and has no such backup task.
 * A paused one is among them, to be shown.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromConfig = ({ config, resolve, saved }: Options): ReadonlyArray<Automation<Rpc.Request>> => {
  const pathsOf = (sources: ReadonlyArray<string>) =>
    sources.flatMap((source) => own(config.source, source)?.paths.map(resolve) ?? [])
  const watched = (vault: string, source: string | undefined): ReadonlyArray<string> => {
    const declared = pathsOf(source === undefined ? (own(config.vault, vault)?.sources ?? []) : [source])
    return declared.length > 0 ? declared : saved(vault)
  }
  const backsUp = (task: ConfigTask, vault: string) =>
    task.type === "backup" && task.vault === vault && triggerOf(task)._tag !== "Manual"

  const tasks = Object.entries(config.task).flatMap(([name, task]): ReadonlyArray<Automation<Rpc.Request>> => {
    const trigger = triggerOf(task)
    if (trigger._tag === "Manual") return []
    const paths = trigger._tag === "Watch" && task.type === "backup" ? watched(task.vault, task.source) : []
    return [
      {
        name,
        trigger,
        ...(task.vault === undefined ? {} : { vault: task.vault }),
        paths,
        task: { _tag: "Named", name },
        version: JSON.stringify(task)
      }
    ]
  })
  const vaults = Object.entries(config.vault).flatMap(([vault, table]): ReadonlyArray<Automation<Rpc.Request>> => {
    if (!table.watch || Object.values(config.task).some((task) => backsUp(task, vault))) return []
    const trigger: Trigger.Trigger = { _tag: "Watch", paused: false }
    const task: Rpc.Request = {
      _tag: "Given",
      spec: { _tag: "Backup", vault, folder: "", sources: [], attended: false, reread: false, dryRun: false }
    }
    return [{ name: `vault.${vault}.watch`, trigger, vault, paths: watched(vault, undefined), task }]
  })
  return [...tasks, ...vaults]
}

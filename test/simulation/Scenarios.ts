/** Which kinds of worlds there are, and which of them a seed is run in. */

import type { Configuration } from "./Configuration.ts"
import * as Dice from "./Dice.ts"

/** What is the same in all runs, and what the seed decides. */
export interface Variety {
  readonly folders: Configuration["folders"] | "mixed"
  readonly contents: Configuration["contents"] | "mixed"
  readonly registry: Configuration["registry"] | "mixed"
  readonly state: Configuration["state"] | "mixed"
  readonly homes: Configuration["homes"] | "mixed"
  readonly mirrors: number | "mixed"
  readonly store: Configuration["store"] | "mixed"
}

export const mixed: Variety = {
  folders: "mixed",
  contents: "mixed",
  registry: "mixed",
  state: "mixed",
  homes: "mixed",
  mirrors: "mixed",
  store: "mixed"
}

/** The configuration of a seed. */
export const configuration = (
  variety: Variety,
  rest: Omit<Configuration, "folders" | "contents" | "registry" | "state" | "homes" | "mirrors" | "store">
): Configuration => {
  const dice = Dice.make(rest.seed, 12)
  const [folders, registry, state, contents] = [dice.chance(0.5), dice.chance(0.2), dice.chance(0.1), dice.chance(0.3)]
  const [several, homes, mirrors] = [dice.chance(0.2), dice.chance(0.2), dice.chance(0.25)]
  const store = dice.chance(0.5)
  return {
    ...rest,
    contents: variety.contents !== "mixed" ? variety.contents : contents ? "alike" : "varied",
    folders: variety.folders !== "mixed" ? variety.folders : folders ? "shared" : "own",
    registry: variety.registry !== "mixed" ? variety.registry : registry ? "objects" : several ? "several" : "cell",
    state: variety.state !== "mixed" ? variety.state : state ? "files" : "values",
    homes: variety.homes !== "mixed" ? variety.homes : homes ? "one" : "own",
    mirrors: variety.mirrors !== "mixed" ? variety.mirrors : mirrors ? 2 : 0,
    store: variety.store !== "mixed" ? variety.store : store ? "packed" : "objects"
  }
}

/** What to give to the simulator on the command line to run a configuration again. */
export const command = (about: Configuration): string => {
  const { attemptMillis, contents, faults, folders, homes, mirrors } = about
  const { mutant, registry, rounds, seed, state, store, writers } = about
  return [
    `--seed ${seed} --writers ${writers} --rounds ${rounds} --folders ${folders} --contents ${contents} --registry ${registry} --state ${state} --homes ${homes} --mirrors ${mirrors} --store ${store}`,
    `--faults ${[...faults].join(",") || "none"} --attempt-ms ${attemptMillis}`,
    ...(mutant === undefined ? [] : [`--mutant ${mutant.name}`])
  ].join(" ")
}

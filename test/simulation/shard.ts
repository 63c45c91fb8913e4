/** Every so many-th seed of a race, in a process of its own: told by its argument, answers the tally now and then. */
import type { Race } from "./Race.ts"
import * as RaceRunner from "./Race.ts"

export interface Part {
  readonly race: Race
  readonly first: number
  readonly seeds: number
  /** This one of so many processes. */
  readonly index: number
  readonly of: number
  /** How long it may take. */
  readonly minutes: number
}

const part: Part = JSON.parse(process.argv[2] ?? "")
const seeds = Array.from({ length: part.seeds }, (_, seed) => part.first + seed).filter(
  (_, place) => place % part.of === part.index
)
const began = Date.now()
const parent = process.ppid
let said = began
const tally = RaceRunner.run(part.race, seeds, (so) => {
  if (Date.now() - said > 5000) {
    said = Date.now()
    process.send?.(so)
  }
  // whoever wanted to know may be gone, which no event can tell to one long step
  return process.ppid === parent && Date.now() - began < part.minutes * 60_000
})
process.send?.(tally)
process.disconnect?.()

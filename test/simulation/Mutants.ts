/** Known bugs, each as a switch that brings it back. The simulator is worth something if it finds them all. */
import type * as Disk from "./Disk.ts"
import type { Services } from "./Simulation.ts"
import type * as SimulatedRegistry from "./SimulatedRegistry.ts"
import type { Programs } from "./Writer.ts"

export interface Mutant {
  readonly name: string
  /** What it does wrong. */
  readonly about: string
  readonly registry?: SimulatedRegistry.Bugs
  /** The shared store's. */
  readonly store?: Disk.Bugs
  /** The writers' own disks'. */
  readonly disk?: Disk.Bugs
  readonly services?: (services: Services) => Services
  readonly programs?: Programs
}

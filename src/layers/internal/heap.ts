/**
 * How far V8 lets the heap of this process grow. A thread does not take what was compiled for it under other flags than its
 * own: `unbound` comes before one is started, `bound` when it is ready.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8"

/**
 * By how much the heap may grow before the next full collection: beside threads, which have memory of their own, or alone.
 * Left alone V8 lets several times as much garbage pile up.
 */
const growthPercent = { threads: 50, alone: 100 }

/** Bytes that new objects have as their space before it grows no more: of itself it gets four times as large from Node 22 on. */
const mostYoungBytes = 24 * 1024 * 1024

let isBound = false
let isYoungBound = false

/** Leaves the heap to V8. */
export const unbound = (): void => {
  setFlagsFromString("--heap-growing-percent=0")
  setFlagsFromString("--semi-space-growth-factor=2")
  isBound = false
  isYoungBound = false
}

const boundYoung = (): void => {
  if (isYoungBound) return
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")
  if (young === undefined || young.space_size < mostYoungBytes) return
  setFlagsFromString("--semi-space-growth-factor=1")
  isYoungBound = true
}

/**
 * Keeps the heap small; for the space of new objects to be bound in time, `boundAgain` is called now and then. Of several tasks
 * in a process, one without threads leaves alone what is bound beside those of another.
 */
export const bound = (beside: keyof typeof growthPercent): void => {
  if (beside === "threads" || !isBound) setFlagsFromString(`--heap-growing-percent=${growthPercent[beside]}`)
  isBound = true
  boundYoung()
}

/** Once more, where it is bound at all. */
export const boundAgain = (): void => {
  if (isBound) boundYoung()
}

/** What goes wrong in a run, decided call by call from the seed. */
import * as Dice from "./Dice.ts"

/**
 * - `delay`: calls take a random time; otherwise all the same.
 * - `reorder`: requests of one writer overtake each other, and one that was under way when its writer died arrives later.
 * - `fail`: a call is refused and does nothing.
 * - `failAfter`: a call does its work and is answered with a failure.
 * - `stale`: the registry, or an object that was replaced, is answered as it was some time ago.
 * - `unseen`: an object that was put a short time ago is answered as missing.
 * - `crash`: a writer dies between two effects: no finalizer runs, what its disk had not made durable is gone.
 * - `interrupt`: a writer is told to stop: finalizers run.
 * - `index`: a home's index of packs is deleted, or cannot be opened for a while.
 * - `down`: one of several registries, or a meta target, refuses everything for some time.
 * - `power`: everything goes dark at once: all writers crash, and the store loses what was not durable.
 */
export const faultNames = [
  "delay",
  "reorder",
  "fail",
  "failAfter",
  "stale",
  "unseen",
  "crash",
  "interrupt",
  "power",
  "down",
  "index"
] as const
export type FaultName = (typeof faultNames)[number]

/** What happens to one call. */
export type Trouble = "fail" | "failAfter" | "stale" | "unseen" | "crash" | "crashAfter" | "interrupt" | "power"

/** A call by its writer, the writer's life and its place in that life. */
export type CallId = `${number}.${number}.${number}`

/** One decision against a writer, as a schedule lists it. */
export interface Struck {
  readonly call: CallId
  readonly trouble: Trouble
}

/** What a call reads that may be answered from the past: something that is replaced, a blob that may be new, or nothing. */
export type Reads = "latest" | "blob" | "nothing"

export interface Fate {
  /** Microseconds from the request to its arrival, and from there to its answer. */
  readonly arrive: number
  readonly answer: number
  /** Whether `arrive` and `answer` are other than the usual. */
  readonly isSlow: boolean
  readonly trouble: Trouble | undefined
  /** How much later the request arrives when its writer is dead by then, in microseconds; nothing when it never does. */
  readonly outlives: number | undefined
  /** How far back a stale answer looks, in microseconds. */
  readonly back: number
}

export interface Options {
  readonly seed: number
  readonly faults: ReadonlySet<FaultName>
  /** The most that one attempt to publish takes when nothing fails, in simulated milliseconds. */
  readonly attemptMillis: number
  /** Exactly these calls are struck, when given. */
  readonly struck?: ReadonlyMap<CallId, Trouble>
  /** Only these calls take a random time, when given. */
  readonly slow?: ReadonlySet<CallId>
}

export interface Plan {
  /** Whether everything that asks `place` is refused at that time (microseconds). */
  readonly isDown: (place: string, now: number) => boolean
  readonly fate: (
    writer: number,
    life: number,
    call: number,
    about: {
      readonly isShared: boolean
      readonly reads: Reads
      readonly isCalm: boolean
      /** Something hangs on it that can be lost, so that it is struck more often. */
      readonly isDecisive: boolean
      /** Something is there that a power cut can take away. */
      readonly isBarrier: boolean
    }
  ) => Fate
}

/** Calls to shared stores one after the other in an attempt: from reading the head to its verification. */
const callsInAnAttempt = 12
/** Microseconds. */
const latest = 80_000
const usual = { own: 50, shared: 1000 }

/** When the last outage is over, in microseconds; a run takes about as long. */
export const lastOutage = 1_500_000

/** What others can stand in for. */
const optional = /^(registry|mirror)(\d)$/

const probabilities: ReadonlyArray<readonly [FaultName, Trouble, number]> = [
  ["fail", "fail", 0.015],
  ["failAfter", "failAfter", 0.015],
  ["stale", "stale", 0.03],
  ["unseen", "unseen", 0.01],
  ["crash", "crash", 0.006],
  ["crash", "crashAfter", 0.006],
  ["interrupt", "interrupt", 0.004],
  ["power", "power", 0.0008]
]

/** The plan of a seed. Each fault that is on is in every run, in some rarely and in some often. */
export const plan = (options: Options): Plan => {
  const { attemptMillis, faults, seed } = options
  const moods = Dice.make(seed, 1)
  const odds = probabilities.map(([name, trouble, usually]) => {
    const often = [0.25, 0.5, 1, 2][moods.below(4)]!
    return { trouble, probability: faults.has(name) ? usually * often : 0 }
  })
  const reach = (attemptMillis * 1000) / callsInAnAttempt / 2
  const outages = new Map<string, ReadonlyArray<readonly [from: number, until: number]>>()
  const outagesOf = (place: string) => {
    const known = outages.get(place)
    if (known !== undefined) return known
    const kind = optional.exec(place)
    const dice = Dice.make(seed, 13, kind?.[1] === "mirror" ? 1 : 0, Number(kind?.[2] ?? 0))
    const found = Array.from({ length: kind === null || !faults.has("down") ? 0 : dice.below(3) }, () => {
      const length = dice.below(100_000)
      const from = dice.below(lastOutage - length)
      return [from, from + length] as const
    })
    outages.set(place, found)
    return found
  }
  return {
    isDown: (place, now) => outagesOf(place).some(([from, until]) => from <= now && now < until),
    fate: (writer, life, call, { isBarrier, isCalm, isDecisive, isShared, reads }) => {
      const dice = Dice.make(seed, 2, writer, life, call)
      const id: CallId = `${writer}.${life}.${call}`
      const [first, second, where, back, outlives] = [
        dice.float(),
        dice.float(),
        dice.float(),
        dice.float(),
        dice.float()
      ]
      const usually = isShared ? usual.shared : usual.own
      const isSlow = faults.has("delay") && (options.slow === undefined || options.slow.has(id))
      const slow = isShared ? reach : 4 * usual.own
      let trouble: Trouble | undefined
      if (options.struck !== undefined) trouble = options.struck.get(id)
      else if (!isCalm) {
        let below = 0
        for (const odd of odds) {
          const times = isDecisive ? 4 : isBarrier && odd.trouble === "power" ? 10 : 1
          below += times * odd.probability
          if (where >= below) continue
          trouble = odd.trouble
          break
        }
      }
      if (trouble === "stale" && reads !== "latest") trouble = undefined
      if (trouble === "unseen" && reads !== "blob") trouble = undefined
      return {
        arrive: isSlow ? 1 + first * slow : usually / 2,
        answer: isSlow ? 1 + second * slow : usually / 2,
        isSlow,
        trouble,
        outlives: faults.has("reorder") && outlives < 0.5 ? Math.floor(2 * outlives * latest) : undefined,
        back: 1 + Math.floor((options.struck === undefined ? back : 1) * 4 * attemptMillis * 1000)
      }
    }
  }
}

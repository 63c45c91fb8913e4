/**
 * `cairn store test NAME`: what a store promises, tried out, and what it is fit for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as StoreTest from "../programs/StoreTest.ts"
import * as StoreTestRelay from "../programs/StoreTestRelay.ts"
import type { Service } from "../services/ObjectStore.ts"
import * as Console from "./Console.ts"
import { exitCode } from "./ExitCode.ts"

const labels: Readonly<Record<StoreTest.Use, string>> = { blobs: "blobs", packs: "packs", registry: "a registry" }

const outcomes = { kept: "kept", broken: "BROKEN", failed: "FAILED" } as const

const findingLine = (voice: Console.Voice, store: string) => (finding: StoreTest.Finding) => {
  const { detail, millis, outcome, promise, promised } = finding
  return Console.emit(
    voice,
    { type: "store-check", store, promised, promise, outcome, ...(detail === undefined ? {} : { detail }), millis },
    voice.quiet && outcome === "kept"
      ? undefined
      : `${outcomes[outcome].padEnd(6)}  ${promised.padEnd(11)}  ${String(millis).padStart(6)} ms  ${detail ?? promise}`
  )
}

const because = ({ lacking }: StoreTest.Fitness): string => {
  const [first] = lacking
  if (first === undefined) return ""
  return ` (${lacking.map(({ promised }) => promised).join(", ")}): ${first.detail ?? first.outcome}`
}

/**
 * Tries out the store and tells it; the code is `done` for a store that is fit for everything, `skipped` for one that is
 * fit for something, `failed` for one that is fit for nothing.
 *
 * @since 0.1.0
 * @category programs
 */
export const storeTest = (objects: Service, voice: Console.Voice) =>
  Effect.gen(function* () {
    yield* Console.note(voice, `trying out ${objects.name}; what this writes is removed afterwards`)
    return yield* told(yield* StoreTest.run(objects, { onFinding: findingLine(voice, objects.name) }), voice)
  })

/** The same for a store without paths, such as a relay. @since 0.1.0 @category programs */
export const relayTest = (kept: StoreTestRelay.Kept, voice: Console.Voice) =>
  Effect.gen(function* () {
    const { name } = kept.blobs
    yield* Console.note(voice, `trying out ${name}; its blobs are removed afterwards, one small entry stays`)
    return yield* told(yield* StoreTestRelay.run(kept, { onFinding: findingLine(voice, name) }), voice)
  })

const told = (report: StoreTest.Report, voice: Console.Voice) =>
  Effect.gen(function* () {
    for (const fitness of report.fitness) {
      const { fit, lacking, use } = fitness
      yield* Console.emit(
        voice,
        { type: "store-fitness", store: report.store, use, fit, lacking: lacking.map(({ promised }) => promised) },
        `${fit ? "fit" : "NOT fit"} for ${labels[use]}${because(fitness)}`
      )
    }
    if (report.left.length > 0) {
      const [first] = report.left
      yield* Console.complain(
        `${Console.count(report.left.length, "object")} of this test could not be removed, such as ${first}; remove what is below ${first?.split("/")[0]} yourself`
      )
    }
    const fit = report.fitness.filter((each) => each.fit).length
    return fit === report.fitness.length ? exitCode.done : fit > 0 ? exitCode.skipped : exitCode.failed
  })

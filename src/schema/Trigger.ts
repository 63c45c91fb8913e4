/**
 * What starts a task: a person, changes in its source, an interval, or a schedule.
 *
 * @since 0.1.0
 */
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"

const scheduled = {
  /** A run starts this much later at most, by chance, so that many devices do not all come at once. Milliseconds. */
  jitterMillis: Schema.NonNegativeInt,
  /** What was missed, asleep or switched off, is made up for by one run. */
  catchUp: Schema.Boolean,
  paused: Schema.Boolean
}

/** What starts a task. @since 0.1.0 @category models */
export const Trigger = Schema.Union(
  /** Only who asks for it. */
  Schema.TaggedStruct("Manual", {}),
  /** Changes in its source. */
  Schema.TaggedStruct("Watch", { paused: Schema.Boolean }),
  /** So long after the last run ended. */
  Schema.TaggedStruct("Every", { intervalMillis: Schema.NonNegativeInt, ...scheduled }),
  /** The times that a cron expression names, in `timeZone` or, without one, where the device is. */
  Schema.TaggedStruct("Cron", { expression: Schema.String, timeZone: Schema.optional(Schema.String), ...scheduled })
)

/** @since 0.1.0 @category models */
export type Trigger = typeof Trigger.Type

/** Asked for by people alone. @since 0.1.0 @category constants */
export const manual: Trigger = { _tag: "Manual" }

/** Whether anything but a person starts it. @since 0.1.0 @category guards */
export const isActive = (trigger: Trigger): boolean => trigger._tag !== "Manual" && !trigger.paused

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Milliseconds of `"90s"`, `"15m"`, `"1h30m"`, `"2d"`, `"1w"` or a number of seconds; nothing when it is neither. @since 0.1.0 @category conversions */
export const parsePeriod = (value: string | number): number | undefined => {
  if (typeof value === "number") {
    const millis = Math.round(value * 1000)
    return value >= 0 && Number.isSafeInteger(millis) ? millis : undefined
  }
  const text = value.trim()
  if (!/^(\d{1,9}[smhdw])+$/.test(text)) return undefined
  let total = 0
  for (const [, count, unit] of text.matchAll(/(\d+)([smhdw])/g)) total += Number(count) * (units[unit ?? ""] ?? 0)
  return total
}

/** A period as `parsePeriod` reads it, to the second. @since 0.1.0 @category conversions */
export const formatPeriod = (millis: number): string => {
  let rest = Math.round(millis / 1000) * 1000
  let text = ""
  for (const unit of ["d", "h", "m", "s"] as const) {
    const size = units[unit] ?? 1
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) text += `${count}${unit}`
  }
  return text === "" ? "0s" : text
}

/** A field that may be left out, but not be nothing. */
const exact = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const periodMessage = 'expected a period like "90s", "15m", "1h30m" or "2d", or a number of seconds'

const Period = Schema.Union(Schema.String, Schema.Number).pipe(
  Schema.filter((value) => parsePeriod(value) !== undefined, {
    message: () => periodMessage
  }),
  Schema.annotations({
    message: () => ({ message: periodMessage, override: true }),
    description: 'a period like "15m" or "1h30m", or a number of seconds'
  })
)

/** The trigger fields of a `[task.NAME]` table (docs/format/node.md §3.7, with ours beside the reference's). @since 0.1.0 @category models */
export const fields = {
  trigger: exact(
    Schema.Literal("manual", "watch", "every", "cron").annotations({
      message: () => ({ message: 'expected "manual", "watch", "every" or "cron"', override: true }),
      description: "what starts the task; `every` and `cron` may be left out where their own field stands"
    })
  ),
  every: exact(Period),
  /** The reference's name for `every`, in seconds. */
  interval_secs: exact(
    Schema.Number.pipe(
      Schema.filter((value) => Number.isSafeInteger(value) && value >= 0, {
        message: () => "expected a whole number of seconds"
      })
    )
  ),
  /** Minute, hour, day of month, month, day of week. */
  cron: exact(Schema.String),
  /** An IANA name; the device's own without it. */
  time_zone: exact(Schema.String),
  jitter: exact(Period),
  catch_up: exact(Schema.Boolean),
  paused: exact(Schema.Boolean)
}

const Fields = Schema.Struct(fields)

/** @since 0.1.0 @category models */
export type Fields = typeof Fields.Type

/** What is wrong with one of the fields. @since 0.1.0 @category models */
export interface Problem {
  readonly field: keyof Fields
  readonly message: string
}

const macros: Readonly<Record<string, string>> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *"
}

const names = ["minute", "hour", "day of month", "month", "day of week"]

/** The schedule that a cron expression of five fields or a macro like `@daily` is, or why it is none. @since 0.1.0 @category constructors */
export const parseCron = (expression: string, zone?: DateTime.TimeZone): Either.Either<Cron.Cron, string> => {
  const text = macros[expression.trim().toLowerCase()] ?? expression.trim()
  const parts = text.split(/\s+/)
  if (text.startsWith("@")) return Either.left(`expected one of ${Object.keys(macros).join(", ")}`)
  if (parts.length !== 5)
    return Either.left(`expected five fields (${names.join(", ")}) and found ${text === "" ? 0 : parts.length}`)
  // one field at a time first, so that the message names the one that is wrong
  for (const [index, part] of parts.entries()) {
    const alone = Cron.parse(parts.map((_, other) => (other === index ? part : "*")).join(" "))
    if (Either.isLeft(alone)) return Either.left(`${names[index]} "${part}": ${lowered(alone.left.message)}`)
  }
  return Either.flatMap(
    Either.mapLeft(Cron.parse(text, zone), ({ message }) => lowered(message)),
    (cron) => (isPossible(text) ? Either.right(cron) : Either.left("no day is ever like that"))
  )
}

/** Whether the expression names any time at all, unlike a 30th of February. */
const isPossible = (expression: string): boolean => {
  try {
    Cron.next(Cron.unsafeParse(expression, "UTC"), new Date(Date.UTC(2028, 0, 1)))
    return true
  } catch {
    return false
  }
}

const lowered = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)

/** The time zone that a trigger names, or the device's own. @since 0.1.0 @category accessors */
export const zoneOf = (timeZone: string | undefined): Option.Option<DateTime.TimeZone> =>
  timeZone === undefined ? Option.some(DateTime.zoneMakeLocal()) : DateTime.zoneMakeNamed(timeZone)

/** What the fields mean together, or all that is wrong with them. @since 0.1.0 @category constructors */
export const fromFields = (given: Fields): Either.Either<Trigger, ReadonlyArray<Problem>> => {
  const problems: Array<Problem> = []
  const wrong = (field: keyof Fields, message: string) => problems.push({ field, message })
  const kind = given.trigger ?? (given.every !== undefined ? "every" : given.cron !== undefined ? "cron" : "manual")

  if (given.every !== undefined && kind !== "every")
    wrong("every", `it is for trigger = "every", and the trigger is "${kind}"`)
  if (given.cron !== undefined && kind !== "cron")
    wrong("cron", `it is for trigger = "cron", and the trigger is "${kind}"`)
  if (given.time_zone !== undefined && kind !== "cron")
    wrong("time_zone", `it is for trigger = "cron", and the trigger is "${kind}"`)
  for (const field of ["jitter", "catch_up"] as const)
    if (given[field] !== undefined && kind !== "every" && kind !== "cron")
      wrong(field, `it is for trigger = "every" or "cron", and the trigger is "${kind}"`)

  const paused = given.paused ?? false
  const jitterMillis = parsePeriod(given.jitter ?? 0)
  const rest = { jitterMillis: jitterMillis ?? 0, catchUp: given.catch_up ?? true, paused }
  if (jitterMillis === undefined) wrong("jitter", "it is no period")

  const made = ((): Trigger => {
    switch (kind) {
      case "manual":
        return manual
      case "watch":
        return { _tag: "Watch", paused }
      case "every": {
        if (given.every !== undefined && given.interval_secs !== undefined)
          wrong("interval_secs", "`every` says the same: one of them is enough")
        const value = given.every ?? given.interval_secs
        const intervalMillis = value === undefined ? undefined : parsePeriod(value)
        const field = given.every === undefined ? "interval_secs" : "every"
        if (value === undefined) wrong("every", 'trigger = "every" needs it, as in every = "15m"')
        else if (intervalMillis === undefined) wrong(field, "it is no period")
        else if (intervalMillis < 1000) wrong(field, "it is one second at least")
        return { _tag: "Every", intervalMillis: intervalMillis ?? 0, ...rest }
      }
      case "cron": {
        if (given.cron === undefined) wrong("cron", 'trigger = "cron" needs it, as in cron = "30 2 * * *"')
        else {
          const parsed = parseCron(given.cron)
          if (Either.isLeft(parsed)) wrong("cron", parsed.left)
        }
        if (Option.isNone(zoneOf(given.time_zone)))
          wrong("time_zone", `there is no time zone "${given.time_zone}"; expected a name like "Europe/Berlin"`)
        return {
          _tag: "Cron",
          expression: given.cron?.trim() ?? "",
          ...(given.time_zone === undefined ? {} : { timeZone: given.time_zone }),
          ...rest
        }
      }
    }
  })()
  return problems.length === 0 ? Either.right(made) : Either.left(problems)
}

const toFields = (trigger: Trigger): Fields => {
  const schedule = (from: Extract<Trigger, { readonly catchUp: boolean }>) => ({
    ...(from.jitterMillis === 0 ? {} : { jitter: from.jitterMillis / 1000 }),
    ...(from.catchUp ? {} : { catch_up: false }),
    ...(from.paused ? { paused: true } : {})
  })
  switch (trigger._tag) {
    case "Manual":
      return {}
    case "Watch":
      return { trigger: "watch", ...(trigger.paused ? { paused: true } : {}) }
    case "Every":
      return { trigger: "every", every: trigger.intervalMillis / 1000, ...schedule(trigger) }
    case "Cron":
      return {
        trigger: "cron",
        cron: trigger.expression,
        ...(trigger.timeZone === undefined ? {} : { time_zone: trigger.timeZone }),
        ...schedule(trigger)
      }
  }
}

const FieldsTogether = Fields.pipe(
  Schema.filter((given) => {
    const made = fromFields(given)
    return Either.isRight(made) ? true : made.left.map(({ field, message }) => ({ path: [field], message }))
  })
)

/** The trigger of a task's table; every fault is told with its field. @since 0.1.0 @category models */
export const FromFields: Schema.Schema<Trigger, typeof FieldsTogether.Encoded> = Schema.transformOrFail(
  FieldsTogether,
  Schema.typeSchema(Trigger),
  {
    strict: true,
    decode: (given, _, ast) =>
      Either.mapLeft(fromFields(given), (problems) => new ParseResult.Type(ast, given, problems[0]?.message)),
    encode: (trigger) => ParseResult.succeed(toFields(trigger))
  }
)

/** A trigger in one short line for people. @since 0.1.0 @category conversions */
export const describe = (trigger: Trigger): string => {
  const pause = isActive(trigger) || trigger._tag === "Manual" ? "" : ", paused"
  switch (trigger._tag) {
    case "Manual":
      return "by hand"
    case "Watch":
      return `on changes${pause}`
    case "Every":
      return `every ${formatPeriod(trigger.intervalMillis)}${pause}`
    case "Cron":
      return `at "${trigger.expression}"${trigger.timeZone === undefined ? "" : ` ${trigger.timeZone}`}${pause}`
  }
}

import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import * as Trigger from "../../src/schema/Trigger.ts"

const decode = Schema.decodeUnknownEither(Trigger.FromFields, { errors: "all", onExcessProperty: "error" })
const rest = { jitterMillis: 0, catchUp: true, paused: false }

/** Every fault as `field: message`. */
const faults = (fields: object): ReadonlyArray<string> => {
  const decoded = decode(fields)
  return Either.isRight(decoded)
    ? []
    : ParseResult.ArrayFormatter.formatErrorSync(decoded.left).map(
        ({ message, path }) => `${path.join(".")}: ${message}`
      )
}

describe("the trigger of a task's table", () => {
  const read: ReadonlyArray<readonly [object, Trigger.Trigger, string]> = [
    [{}, { _tag: "Manual" }, "by hand"],
    [{ trigger: "manual", interval_secs: 60 }, { _tag: "Manual" }, "by hand"],
    [{ trigger: "watch" }, { _tag: "Watch", paused: false }, "on changes"],
    [{ trigger: "watch", paused: true }, { _tag: "Watch", paused: true }, "on changes, paused"],
    [{ every: "15m" }, { _tag: "Every", intervalMillis: 900_000, ...rest }, "every 15m"],
    [{ trigger: "every", every: 90 }, { _tag: "Every", intervalMillis: 90_000, ...rest }, "every 1m30s"],
    [{ trigger: "every", interval_secs: 3600 }, { _tag: "Every", intervalMillis: 3_600_000, ...rest }, "every 1h"],
    [
      { every: "1d12h", jitter: "5m", catch_up: false },
      { _tag: "Every", intervalMillis: 129_600_000, jitterMillis: 300_000, catchUp: false, paused: false },
      "every 1d12h"
    ],
    [
      { cron: "30 2 * * *", time_zone: "Europe/Berlin" },
      { _tag: "Cron", expression: "30 2 * * *", timeZone: "Europe/Berlin", ...rest },
      'at "30 2 * * *" Europe/Berlin'
    ],
    [{ trigger: "cron", cron: "@daily" }, { _tag: "Cron", expression: "@daily", ...rest }, 'at "@daily"']
  ]
  for (const [fields, trigger, words] of read) {
    it(`${JSON.stringify(fields)} is ${words}`, () => {
      const decoded = Either.getOrThrow(decode(fields))
      assert.deepStrictEqual(decoded, trigger)
      assert.strictEqual(Trigger.describe(decoded), words)
      assert.deepStrictEqual(decode(Schema.encodeSync(Trigger.FromFields)(decoded)), Either.right(trigger))
    })
  }

  const wrong: ReadonlyArray<readonly [object, ReadonlyArray<string>]> = [
    [{ trigger: "weekly" }, ['trigger: expected "manual", "watch", "every" or "cron"']],
    [{ trigger: "every" }, ['every: trigger = "every" needs it, as in every = "15m"']],
    [{ trigger: "cron" }, ['cron: trigger = "cron" needs it, as in cron = "30 2 * * *"']],
    [{ every: "0s" }, ["every: it is one second at least"]],
    [{ trigger: "every", interval_secs: 0 }, ["interval_secs: it is one second at least"]],
    [{ every: "1h", interval_secs: 3600 }, ["interval_secs: `every` says the same: one of them is enough"]],
    [{ cron: "* * *" }, ["cron: expected five fields (minute, hour, day of month, month, day of week) and found 3"]],
    [{ cron: "61 2 * * *" }, ['cron: minute "61": expected a value between 0 and 59']],
    [{ cron: "0 0 30 2 *" }, ["cron: no day is ever like that"]],
    [{ cron: "0 2 * * mo" }, ['cron: day of week "mo": expected a positive integer']],
    [
      { cron: "* * * * *", time_zone: "Europe/Nowhere" },
      ['time_zone: there is no time zone "Europe/Nowhere"; expected a name like "Europe/Berlin"']
    ],
    [{ trigger: "watch", jitter: "5m" }, ['jitter: it is for trigger = "every" or "cron", and the trigger is "watch"']],
    [
      { every: "soon", jitter: -1 },
      [
        'every: expected a period like "90s", "15m", "1h30m" or "2d", or a number of seconds',
        'jitter: expected a period like "90s", "15m", "1h30m" or "2d", or a number of seconds'
      ]
    ],
    [
      { trigger: "every", cron: "x", time_zone: "UTC" },
      [
        'cron: it is for trigger = "cron", and the trigger is "every"',
        'time_zone: it is for trigger = "cron", and the trigger is "every"',
        'every: trigger = "every" needs it, as in every = "15m"'
      ]
    ]
  ]
  for (const [fields, messages] of wrong) {
    it(`${JSON.stringify(fields)} is told with its field`, () => assert.deepStrictEqual(faults(fields), messages))
  }

  it("a February with 29 days is a day that comes", () =>
    assert.isTrue(Either.isRight(Trigger.parseCron("0 0 29 2 *"))))

  it("no text at all makes the parser throw", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.string({ unit: FastCheck.constantFrom(..."0123456789*/,-@ monsunjan") }), (text) => {
        Trigger.parseCron(text)
        const period = Trigger.parsePeriod(text)
        assert.isTrue(period === undefined || (Number.isFinite(period) && period >= 0))
      }),
      { numRuns: 300 }
    )
  })

  it("periods survive being written and read", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.nat(100_000_000), (seconds) => {
        assert.strictEqual(Trigger.parsePeriod(Trigger.formatPeriod(seconds * 1000)), seconds * 1000)
      })
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as AutomationPlan from "../../src/programs/AutomationPlan.ts"
import * as Config from "../../src/schema/Config.ts"

const plan = (tables: object) =>
  AutomationPlan.fromConfig({
    config: Schema.decodeUnknownSync(Config.Tables)(tables),
    resolve: (path) => `/home/${path}`,
    saved: (vault) => [`/saved/${vault}`]
  })

const source = { photos: { paths: ["photos", "camera"] }, letters: { paths: ["letters"] } }

describe("the automations of a configuration", () => {
  it("are its tasks whose trigger is not manual, paused ones among them", () => {
    const found = plan({
      source,
      vault: { docs: { sources: ["letters", "photos"] } },
      task: {
        byHand: { type: "backup", vault: "docs" },
        nightly: { type: "backup", vault: "docs", cron: "30 2 * * *", time_zone: "Europe/Berlin" },
        weekly: { type: "verify", every: "1w" },
        rests: { type: "publish", vault: "docs", trigger: "every", interval_secs: 60, paused: true }
      }
    })
    assert.deepStrictEqual(
      found.map(({ name, paths, task, trigger, vault }) => [name, trigger._tag, vault, paths.length, task._tag]),
      [
        ["nightly", "Cron", "docs", 0, "Named"],
        ["weekly", "Every", undefined, 0, "Named"],
        ["rests", "Every", "docs", 0, "Named"]
      ]
    )
  })

  it("watch the paths of the source that the task names, of all that the vault has, or those that it keeps anyway", () => {
    const watch = { type: "backup", trigger: "watch" }
    const found = plan({
      source,
      vault: { docs: { sources: ["letters", "photos"] }, plain: {} },
      task: {
        one: { ...watch, vault: "docs", source: "photos" },
        all: { ...watch, vault: "docs" },
        saved: { ...watch, vault: "plain" }
      }
    })
    assert.deepStrictEqual(
      found.map(({ paths }) => paths),
      [["/home/photos", "/home/camera"], ["/home/letters", "/home/photos", "/home/camera"], ["/saved/plain"]]
    )
  })

  it("are one more for a vault that is watched, unless a backup of it runs by itself already", () => {
    const vault = { docs: { watch: true, sources: ["letters"] }, other: { watch: true } }
    const [first, second, ...rest] = plan({
      source,
      vault,
      task: { byHand: { type: "backup", vault: "docs" }, hourly: { type: "backup", vault: "other", every: "1h" } }
    })
    assert.deepStrictEqual([first?.name, second?.name, rest], ["hourly", "vault.docs.watch", []])
    assert.deepStrictEqual(second?.paths, ["/home/letters"])
    assert.deepInclude(second?.task._tag === "Given" ? second.task.spec : undefined, {
      _tag: "Backup",
      vault: "docs",
      attended: false
    })
  })

  it("have another version when their task is another one", () => {
    const version = (more: object) =>
      plan({ vault: { docs: {} }, task: { one: { type: "backup", vault: "docs", every: "1h", ...more } } })[0]?.version
    assert.strictEqual(version({}), version({}))
    assert.notStrictEqual(version({}), version({ source: "letters" }))
  })
})

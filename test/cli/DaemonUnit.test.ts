import { assert, describe, it } from "@effect/vitest"
import { XMLParser } from "fast-xml-parser"
import * as DaemonUnit from "../../src/cli/DaemonUnit.ts"

const odd = [
  "/opt/node 20/bin/node",
  '/home/a "b"/100%/$HOME/c\\d.js',
  "daemon",
  "--config",
  "/it's <here> & there.toml"
]
const start = { command: odd, environment: { CAIRN_HOME: '/srv/50% "x"\\y' } }

/** A line of a unit as systemd.syntax(7) and systemd.service(5) have it read. */
const words = (line: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (const [, word = ""] of line.matchAll(/"((?:[^"\\]|\\.)*)"/g))
    found.push(word.replaceAll(/\\(.)/g, "$1").replaceAll("%%", "%").replaceAll("$$", "$"))
  return found
}

const valueOf = (unit: string, key: string) =>
  unit.split("\n").flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []))

describe("the systemd unit", () => {
  const unit = DaemonUnit.systemd(start)

  it("starts exactly the words that it was given, whatever is in them", () => {
    const [line = ""] = valueOf(unit, "ExecStart")
    assert.deepStrictEqual(words(line), odd)
    // no single % or $ that systemd would replace
    assert.isFalse(/(^|[^%])%([^%]|$)/.test(line) || /(^|[^$])\$([^$]|$)/.test(line), line)
    assert.deepStrictEqual(words(valueOf(unit, "Environment")[0] ?? ""), ['CAIRN_HOME=/srv/50% "x"\\y'])
  })

  it("is a simple service that comes back after a failure, but not after a wrong configuration", () => {
    assert.deepStrictEqual(valueOf(unit, "Type"), ["simple"])
    assert.deepStrictEqual(valueOf(unit, "Restart"), ["on-failure"])
    assert.deepStrictEqual(valueOf(unit, "RestartPreventExitStatus")[0]?.split(" ")[0], "2")
    assert.deepStrictEqual(valueOf(unit, "WantedBy"), ["default.target"])
    assert.deepStrictEqual(
      unit.split("\n").filter((line) => line.startsWith("[")),
      ["[Unit]", "[Service]", "[Install]"]
    )
  })
})

describe("the launchd agent", () => {
  it("starts exactly the words that it was given, whatever is in them", () => {
    const text = DaemonUnit.launchd("org.cairn-vault.daemon", "/tmp/<log>", start)
    const parsed: unknown = new XMLParser({ preserveOrder: false, trimValues: false }).parse(text)
    const at = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
      path.reduce<unknown>(
        (found, key) => (typeof found === "object" && found !== null ? Reflect.get(found, key) : undefined),
        value
      )
    assert.deepStrictEqual(at(parsed, "plist", "dict", "array", "string"), odd)
  })
})

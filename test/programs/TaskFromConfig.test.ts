import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import * as Toml from "smol-toml"
import { describe, expect, it } from "vitest"
import * as TaskFromConfig from "../../src/programs/TaskFromConfig.ts"
import * as Config from "../../src/schema/Config.ts"
import * as TaskSpec from "../../src/schema/TaskSpec.ts"

const config = Schema.decodeUnknownSync(Config.Tables)(
  Toml.parse(`
[source]
docs = { paths = ["docs", "/srv/more"], skip_hidden = true, exclude = ["*.o"], one_file_system = true }
toString = { paths = ["odd"] }
[vault.kept]
sources = ["docs"]
[task]
nightly = { type = "backup", vault = "kept", source = "docs", then = ["check", "copy"] }
all = { type = "backup", vault = "kept" }
half = { type = "ingest", vault = "kept", source = "docs" }
rest = { type = "publish", vault = "kept" }
check = { type = "verify", then = ["copy"] }
copy = { type = "restore", vault = "kept", target_path = "out", snapshot = "2026-06-01", subtree = "/docs/a/" }
wrong = { type = "restore", vault = "kept", target_path = "out", snapshot = "yesterday" }
after = { type = "verify", then = ["wrong"] }
far = { type = "remote_restore", vault = "kept", age_secret_key = { env = "K" }, blob_store = "s", target_path = "out" }
`)
)

const submission = (name: string, attended = true) =>
  TaskFromConfig.submission(name, {
    config,
    resolve: (path) => (path.startsWith("/") ? path : `/etc/${path}`),
    endOf: ({ day }) => day * 1000,
    attended
  })

const specOf = (name: string) => Either.getOrThrow(submission(name)).spec

describe("a task of the configuration", () => {
  it("becomes what a verb becomes: absolute paths, the selection of its source, and whether a person asked", () => {
    const selection = { exclude: [".*", "*.o"], ignoreFiles: false, excludeCaches: true, oneFileSystem: true }
    const sources = [
      { path: "/etc/docs", shown: "docs", selection },
      { path: "/srv/more", shown: "/srv/more", selection }
    ]
    const backup = { _tag: "Backup", vault: "kept", folder: "", sources, attended: true, reread: false, dryRun: false }
    expect(specOf("nightly")).toEqual(backup)
    expect(Either.getOrThrow(submission("nightly", false)).spec).toEqual({ ...backup, attended: false })
    expect(specOf("all")).toEqual({ ...backup, sources: [] })
    expect(specOf("half")).toEqual({ _tag: "Ingest", vault: "kept", folder: "", sources, attended: true })
    expect(specOf("rest")).toEqual({ _tag: "Publish", vault: "kept" })
    expect(specOf("check")).toEqual({ _tag: "Verify", share: 1 })
    expect(specOf("copy")).toMatchObject({
      _tag: "Restore",
      path: "docs/a",
      directory: { path: "/etc/out", shown: "out" },
      snapshot: { _tag: "At", year: 2026, month: 6, day: 1, until: 1000 }
    })
    expect(specOf("far")).toMatchObject({ _tag: "RemoteRestore", vault: "kept", directory: { path: "/etc/out" } })
  })

  it("goes over a wire and comes back as it was, without a secret", () => {
    const encode = Schema.encodeSync(Schema.parseJson(TaskSpec.TaskSpec))
    const decode = Schema.decodeSync(Schema.parseJson(TaskSpec.TaskSpec))
    for (const name of ["nightly", "half", "rest", "check", "copy", "far"]) {
      expect(decode(encode(specOf(name)))).toEqual(specOf(name))
      expect(encode(specOf(name))).not.toContain("age_secret_key")
    }
  })

  it("brings along what its success starts, each with what follows that", () => {
    const { followers } = Either.getOrThrow(submission("nightly"))
    expect(followers?.map(({ name }) => name)).toEqual(["check", "copy"])
    expect(followers?.[0]?.followers?.map(({ name }) => name)).toEqual(["copy"])
  })

  it("that is not there is named with the nearest; one that cannot be done refuses what leads to it too", () => {
    const messageOf = (name: string) => {
      const made = submission(name)
      return Either.isLeft(made) ? made.left.message : ""
    }
    expect(messageOf("nightyl")).toBe("task nightyl: no task is called that: did you mean nightly?")
    expect(messageOf("toString")).toMatch(/^task toString: no task is called that: there is nightly, /)
    expect(messageOf("wrong")).toMatch(/^task wrong: .*expected latest/)
    expect(messageOf("after")).toBe(messageOf("wrong"))
  })
})

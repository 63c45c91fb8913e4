import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as SourceFilter from "../../src/programs/SourceFilter.ts"

const ignoreFile = (text: string): SourceFilter.IgnoreFile => ({ name: ".gitignore", text })

const asked = (filesByDirectory: Record<string, string>) => (directory: string) =>
  filesByDirectory[directory] === undefined ? [] : [ignoreFile(filesByDirectory[directory])]

describe("SourceFilter", () => {
  it("an exclude that matches a directory leaves out everything below it", () => {
    const includes = (p: string) => SourceFilter.includesPath({ excludes: ["node_modules/"] }, () => [], p, false)
    assert.deepStrictEqual(["a", "node_modules", "x/node_modules/y/z"].map(includes), [true, true, false])
  })

  it("the deeper ignore file wins and can let a directory back in with all that is in it", () => {
    const files = asked({ "": "bar\n", sub: "!bar\n" })
    const includes = (p: string) => SourceFilter.includesPath({}, files, p, false)
    assert.deepStrictEqual(["bar", "bar/x", "sub/bar/x", "sub/bar/bar"].map(includes), [false, false, true, true])
  })

  it("excludes of the run win over ignore files in both directions", () => {
    const files = asked({ "": "*.log\n!keep.txt\n" })
    const options = { excludes: ["!a.log", "keep.txt"] }
    const includes = (p: string) => SourceFilter.includesPath(options, files, p, false)
    assert.deepStrictEqual(["a.log", "b.log", "keep.txt"].map(includes), [true, false, false])
  })

  it(".cairnignore wins over .ignore, and .ignore over .gitignore", () => {
    const filter = SourceFilter.make({}, [
      { name: ".cairnignore", text: "!a" },
      { name: ".gitignore", text: "a\nb\nc" },
      { name: ".ignore", text: "!b\na" }
    ])
    assert.deepStrictEqual(
      ["a", "b", "c"].map((name) => filter.includes(name, false)),
      [true, true, false]
    )
  })

  it("hidden names are left out only when asked, and a negated pattern brings one back", () => {
    const files = () => [".env", ".git", "a"]
    const shown = (options: SourceFilter.Options) =>
      files().filter((name) => SourceFilter.make(options).includes(name, false))
    assert.deepStrictEqual(shown({}), [".env", ".git", "a"])
    assert.deepStrictEqual(shown({ skipHidden: true }), ["a"])
    assert.deepStrictEqual(shown({ skipHidden: true, excludes: ["!.env"] }), [".env", "a"])
  })

  it("only the exact signature marks a cache", () => {
    const tag = "Signature: 8a477f597d28d172789f06886806bc55"
    const is = (text: string) => SourceFilter.isCacheDirTag(new TextEncoder().encode(text))
    assert.strictEqual(tag.length, 43)
    assert.deepStrictEqual([tag, `${tag}\n# by x`, tag.slice(0, 42), `x${tag}`, ""].map(is), [
      true,
      true,
      false,
      false,
      false
    ])
  })

  it("asking about more paths than are remembered changes no answer", () => {
    const filter = SourceFilter.make({ excludes: ["*7"] })
    for (let i = 0; i < 10_000; i++) assert.strictEqual(filter.includes(`f${i}`, false), i % 10 !== 7)
  })

  it("decides as git does on generated trees", () => {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), "cairn-filter-"))
    const git = (...args: ReadonlyArray<string>) =>
      execFileSync("git", ["-c", "core.excludesFile=/dev/null", ...args], {
        cwd: root,
        env: { PATH: process.env.PATH, HOME: root, GIT_CONFIG_NOSYSTEM: "1" },
        stdio: ["pipe", "pipe", "pipe"]
      })
    const names = ["a", "b", "ab", "a.b", "foo", "bar", ".h", "A", "#x", "!y", "a b", "[z]"]
    const segment = FastCheck.constantFrom(
      ...names,
      "*",
      "**",
      "a*",
      "*b",
      "?",
      "[ab]",
      "[!a]",
      "*.b",
      "\\#x",
      "\\!y",
      "\\[z\\]"
    )
    const pattern = FastCheck.tuple(
      FastCheck.constantFrom("", "", "!"),
      FastCheck.constantFrom("", "", "/"),
      FastCheck.array(segment, { minLength: 1, maxLength: 3 }),
      FastCheck.constantFrom("", "", "/"),
      FastCheck.constantFrom("", "", " ", "\r")
    ).map(([negation, lead, parts, tail, end]) => negation + lead + parts.join("/") + tail + end)
    const file = FastCheck.array(
      FastCheck.oneof({ weight: 8, arbitrary: pattern }, FastCheck.constantFrom("", "# c")),
      {
        maxLength: 5
      }
    ).map((lines) => lines.join("\n"))
    const entry = FastCheck.array(FastCheck.constantFrom(...names), { minLength: 1, maxLength: 4 })
    const tree = FastCheck.record({
      files: FastCheck.array(entry, { minLength: 1, maxLength: 14 }),
      rules: FastCheck.dictionary(FastCheck.constantFrom("", "a", "b", "foo", "a/b", "a/foo", "foo/bar"), file, {
        maxKeys: 4
      }),
      excludes: file
    })
    try {
      git("init", "-q")
      let compared = 0
      let excluded = 0
      FastCheck.assert(
        FastCheck.property(tree, ({ excludes, files, rules }) => {
          for (const old of fs.readdirSync(root))
            if (old !== ".git") fs.rmSync(path.join(root, old), { recursive: true })
          const make = (relative: string, text: string) => {
            try {
              fs.mkdirSync(path.dirname(path.join(root, relative)), { recursive: true })
              fs.writeFileSync(path.join(root, relative), text)
            } catch {
              // a file and a directory drew the same name: the first one stays
            }
          }
          for (const parts of files) make(parts.join("/"), "")
          for (const [directory, text] of Object.entries(rules)) make(path.join(directory, ".gitignore"), text)
          // the weakest rules that git has: info/exclude, which ours are when they stand alone
          fs.writeFileSync(path.join(root, ".git/info/exclude"), "")
          const all: Array<readonly [string, boolean]> = []
          const walk = (directory: string) => {
            for (const found of fs.readdirSync(path.join(root, directory), { withFileTypes: true })) {
              const relative = path.posix.join(directory, found.name)
              if (relative === ".git") continue
              all.push([relative, found.isDirectory()])
              if (found.isDirectory()) walk(relative)
            }
          }
          const verdict = () => {
            const input = `${all.map(([relative]) => relative).join("\0")}\0`
            try {
              return new Set(
                execFileSync(
                  "git",
                  ["-c", "core.excludesFile=/dev/null", "check-ignore", "--no-index", "-z", "--stdin"],
                  {
                    cwd: root,
                    env: { PATH: process.env.PATH, HOME: root, GIT_CONFIG_NOSYSTEM: "1" },
                    input,
                    stdio: ["pipe", "pipe", "pipe"]
                  }
                )
                  .toString()
                  .split("\0")
              )
            } catch {
              return new Set<string>() // exit 1: nothing is ignored
            }
          }
          walk("")
          const compare = (options: SourceFilter.Options, expected: ReadonlySet<string>, withFiles: boolean) => {
            for (const [relative, isDirectory] of all) {
              const filesOf = (directory: string) => {
                const at = path.join(root, directory, ".gitignore")
                return withFiles && fs.existsSync(at) && fs.statSync(at).isFile()
                  ? [ignoreFile(fs.readFileSync(at, "utf8"))]
                  : []
              }
              const included = SourceFilter.includesPath(options, filesOf, relative, isDirectory)
              assert.strictEqual(included, !expected.has(relative), `${relative}${isDirectory ? "/" : ""}`)
              compared++
              if (!included) excluded++
            }
          }
          compare({}, verdict(), true)
          // the excludes of a run, on their own, are an ignore file at the root
          for (const [relative] of all.filter(([found]) => path.basename(found) === ".gitignore"))
            fs.rmSync(path.join(root, relative))
          fs.writeFileSync(path.join(root, ".git/info/exclude"), excludes)
          compare({ excludes: [excludes] }, verdict(), false)
        }),
        { numRuns: 50 }
      )
      // enough of both kinds to mean something; the draw decides how many
      assert.isAbove(compared, 300)
      assert.isAbove(excluded, 10)
    } finally {
      fs.rmSync(root, { recursive: true, force: true })
    }
  })
})

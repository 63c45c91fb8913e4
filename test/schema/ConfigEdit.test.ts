import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import * as ConfigEdit from "../../src/schema/ConfigEdit.ts"
import * as ConfigText from "../../src/schema/ConfigText.ts"

const text = `# top
default_store = "main" # why

[store.main] # the disk
type = "local"
# the path
base_path = "/srv"   # here

# before other
[store.other]
type = "memory"

[vault]
docs = { blob_stores = ["main"], watch = true }
[[registry.default.backends]]
type = "memory"
`

const apply = (edit: ConfigEdit.Edit, to = text) => Either.getOrThrow(edit(to))
const refusal = (edit: ConfigEdit.Edit, to = text) => {
  const result = edit(to)
  return Either.isLeft(result) ? result.left.reason : undefined
}

describe("edits of the text", () => {
  it("add a table after everything else", () => {
    expect(apply(ConfigEdit.addTable(["key", "a b"], { public_key: 'q"', list: ["x", 1], inner: { env: "E" } }))).toBe(
      `${text}\n[key."a b"]\npublic_key = "q\\""\nlist = ["x", 1]\ninner = { env = "E" }\n`
    )
    expect(apply(ConfigEdit.addTable(["key", "k"], {}), "")).toBe("[key.k]\n")
    expect(apply(ConfigEdit.addTable(["key", "k"], {}), "a = 1")).toBe("a = 1\n\n[key.k]\n")
    expect(apply(ConfigEdit.addTable(["key", "k"], { a: 1 }), "a = 1\r\n")).toBe("a = 1\r\n\r\n[key.k]\r\na = 1\r\n")
    expect(refusal(ConfigEdit.addTable(["store", "main"], {}))).toBe("Exists")
  })

  it("set a field where it stands, keeping what is beside it", () => {
    expect(apply(ConfigEdit.setField(["store", "main"], "base_path", "/mnt"))).toBe(text.replace('"/srv"', '"/mnt"'))
    expect(apply(ConfigEdit.setField([], "default_store", "other"))).toBe(text.replace('"main" # why', '"other" # why'))
    expect(apply(ConfigEdit.setField(["vault", "docs"], "watch", false))).toBe(text.replace("true", "false"))
  })

  it("add a field to the table that lacks it", () => {
    expect(apply(ConfigEdit.setField(["store", "main"], "layout", "packed"))).toBe(
      text.replace("# here\n", '# here\nlayout = "packed"\n')
    )
    expect(apply(ConfigEdit.setField(["vault", "docs"], "sources", ["s"]))).toBe(
      text.replace("watch = true", 'watch = true, sources = ["s"]')
    )
    expect(apply(ConfigEdit.setField([], "x", 1), "[a]\n")).toBe("x = 1\n[a]\n")
    expect(apply(ConfigEdit.setField(["a"], "x", 1), "[a]")).toBe("[a]\nx = 1")
    expect(apply(ConfigEdit.setField(["a"], "x", 1), "a = {}\n")).toBe("a = { x = 1 }\n")
    expect(refusal(ConfigEdit.setField(["store", "none"], "x", 1))).toBe("Absent")
  })

  it("remove a table with what is in it, and no comment before or after it", () => {
    expect(apply(ConfigEdit.remove(["store", "main"]))).toBe(text.replace(/\[store\.main\][\s\S]*# here\n\n/, ""))
    expect(apply(ConfigEdit.remove(["registry"]))).toBe(text.replace(/\[\[registry[\s\S]*/, ""))
    expect(apply(ConfigEdit.remove(["a"]), "[a]\nx = 1\n[b]\ny = 1\n[a.c]\nz = 1\n")).toBe("[b]\ny = 1\n")
    expect(apply(ConfigEdit.remove(["vault", "docs"]))).toBe(text.replace(/docs = .*\n/, ""))
    expect(refusal(ConfigEdit.remove(["store", "none"]))).toBe("Absent")
    // what shares its line with something else is left to people
    expect(refusal(ConfigEdit.remove(["vault", "docs", "watch"]))).toBe("Unsupported")
  })

  it("refuse a text that is no TOML", () => {
    expect(refusal(ConfigEdit.addTable(["a"], {}), "a = \n")).toBe("Unsupported")
  })

  it("say what they should, whatever the names and values, and keep every comment of what stays", () => {
    const name = FastCheck.oneof(
      FastCheck.constantFrom("main", "other", "a b", 'q"\\', "é", "#x", ""),
      FastCheck.fullUnicodeString()
    )
    const value: FastCheck.Arbitrary<ConfigEdit.Value> = FastCheck.oneof(
      FastCheck.fullUnicodeString(),
      FastCheck.boolean(),
      FastCheck.integer(),
      FastCheck.array(FastCheck.fullUnicodeString(), { maxLength: 3 })
    )
    FastCheck.assert(
      FastCheck.property(name, name, value, (table, field, given) => {
        FastCheck.pre(![table, field].some((one) => ["__proto__", "constructor", "prototype"].includes(one)))
        const added = ConfigEdit.addTable(["key", table], { [field]: given })(text)
        if (Either.isLeft(added)) return false
        const parsed = Either.getOrThrow(ConfigText.parse(added.right))
        expect(parsed.key).toEqual({ [table]: { [field]: given } })
        const changed = Either.getOrThrow(ConfigEdit.setField(["key", table], field, "now")(added.right))
        expect(Either.getOrThrow(ConfigText.parse(changed)).key).toEqual({ [table]: { [field]: "now" } })
        expect(Either.getOrThrow(ConfigEdit.remove(["key", table])(changed))).toBe(text)
        return true
      }),
      { numRuns: 300 }
    )
  })
})

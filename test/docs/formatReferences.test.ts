import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))
const here = fileURLToPath(import.meta.url)
const documents = ["core.md", "fs5.md", "node.md"]

interface Reference {
  readonly document: string
  /** Nothing where the whole document is meant. */
  readonly section: string | undefined
}

/** Every document and section that `text` names, also when comments break the line between them. */
const referencesIn = (text: string): ReadonlyArray<Reference> => {
  const unbroken = text.replace(/\s*\n[ \t]*(?:\*|\/\/)?[ \t]*/g, " ")
  // "§7 and §8" and "§0.3, §0.4" name two sections, "§2 to §4" at least these two
  const named = /docs\/format\/([\w.-]+\.md)((?:(?:,| and| to| or)? §\d+(?:\.\d+)*)*)/g
  return [...unbroken.matchAll(named)].flatMap(([, document = "", sections = ""]) => {
    const numbers = [...sections.matchAll(/§(\d+(?:\.\d+)*)/g)].map(([, number]) => number)
    return (numbers.length === 0 ? [undefined] : numbers).map((section) => ({ document, section }))
  })
}

const headingsOf = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/^#{2,} (\d+(?:\.\d+)*)[. ]/gm)].map(([, number = ""]) => number)

const read = (path: string) => readFileSync(root + path, "utf8")
const headings = new Map(documents.map((name) => [name, headingsOf(read(`docs/format/${name}`))]))

const exists = ({ document, section }: Reference): boolean =>
  (section === undefined && document === "README.md") ||
  (section === undefined ? headings.has(document) : headings.get(document)?.includes(section) === true)

const sources = ["src", "test"].flatMap((folder) =>
  readdirSync(root + folder, { recursive: true, encoding: "utf8" })
    .map((path) => `${folder}/${path}`)
    // this file names sections that are not there
    .filter((path) => /\.(?:ts|mjs)$/.test(path) && root + path !== here)
)

describe("references to docs/format", () => {
  const named = sources.flatMap((path) => referencesIn(read(path)).map((reference) => ({ path, ...reference })))

  it("are found in lists, over line breaks and without a section", () => {
    const text =
      "(docs/format/core.md §7 and §8.1, §9)\n/** docs/format/fs5.md §2\n * to §4. docs/format/core.md\n * §13. docs/format/node.md) */"
    assert.deepStrictEqual(
      referencesIn(text).map(({ document, section }) => `${document} ${section}`),
      ["core.md 7", "core.md 8.1", "core.md 9", "fs5.md 2", "fs5.md 4", "core.md 13", "node.md undefined"]
    )
  })

  it("to sections that do not exist are told from others", () => {
    for (const section of ["7", "7.3", "11.5"]) assert.isTrue(exists({ document: "core.md", section }), section)
    for (const section of ["0", "7.33", "99", "7.3.1"])
      assert.isFalse(exists({ document: "core.md", section }), section)
    assert.isFalse(exists({ document: "other.md", section: undefined }))
  })

  for (const document of documents) {
    it(`to ${document} in comments all lead to a heading`, () => {
      const ours = named.filter((reference) => reference.document === document)
      assert.isNotEmpty(ours)
      assert.deepStrictEqual(
        ours
          .filter((reference) => !exists(reference))
          .map(({ path, section }) => `${path}: docs/format/${document} §${section}`),
        []
      )
    })
  }

  it("name no other document", () => {
    assert.deepStrictEqual(
      named.filter(({ document }) => document !== "README.md" && !headings.has(document)),
      []
    )
  })

  it("in docs/format/README.md all lead to a heading", () => {
    const index = read("docs/format/README.md").replace(/\b(core|fs5|node)\.md(?= §)/g, "docs/format/$1.md")
    const references = referencesIn(index)
    assert.isAbove(references.length, 20)
    assert.deepStrictEqual(
      references.filter((reference) => !exists(reference)),
      []
    )
  })

  it("are never ambiguous: no number stands over two sections", () => {
    for (const [document, numbers] of headings) assert.strictEqual(new Set(numbers).size, numbers.length, document)
  })
})

describe("docs/format/README.md", () => {
  it("names only modules that there are", () => {
    const modules = [
      ...read("docs/format/README.md").matchAll(/`((?:schema|services|layers|fs5|programs)\/[\w/]+\.ts)`/g)
    ]
    assert.isNotEmpty(modules)
    assert.deepStrictEqual(
      modules.map(([, path = ""]) => `src/${path}`).filter((path) => !sources.includes(path)),
      []
    )
  })
})

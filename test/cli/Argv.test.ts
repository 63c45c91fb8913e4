import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { describe, expect, it } from "vitest"
import * as Argv from "../../src/cli/Argv.ts"

const flags: ReadonlyArray<Argv.Flag> = [
  { names: ["--exclude", "-e"], takesValue: true, repeats: true },
  { names: ["--sample"], takesValue: true, repeats: false },
  { names: ["--recursive", "-r"], takesValue: false, repeats: false },
  { names: ["--long", "-l"], takesValue: false, repeats: false },
  { names: ["--dry-run", "-n"], takesValue: false, repeats: false }
]
const known = flags.flatMap(({ names }) => names)
const canonical = (...words: ReadonlyArray<string>) => Argv.canonical(words, flags)
const problem = (...words: ReadonlyArray<string>) =>
  Either.match(canonical(...words), { onLeft: (usage) => usage.message, onRight: () => undefined })

describe("canonical", () => {
  it("brings every spelling into one", () => {
    expect(canonical("a", "-e", "*.o", "--exclude=x=y", "b", "-rl", "--recursive", "-n")).toEqual(
      Either.right({
        options: ["--exclude", "*.o", "--exclude", "x=y", "--recursive", "--long", "--dry-run"],
        operands: ["a", "b"]
      })
    )
  })

  it("takes what follows -- as operands, and - as one", () => {
    expect(canonical("-", "--", "-r", "--", "--nope")).toEqual(
      Either.right({ options: [], operands: ["-", "-r", "--", "--nope"] })
    )
  })

  it("gives an option the next word as its value, whatever that looks like", () => {
    expect(canonical("-e", "--recursive", "-e", "--")).toEqual(
      Either.right({ options: ["--exclude", "--recursive", "--exclude", "--"], operands: [] })
    )
  })

  it("refuses values that are missing, unwanted or doubled", () => {
    expect(problem("--exclude")).toBe("option --exclude needs a value")
    expect(problem("--recursive=yes")).toBe("option --recursive takes no value")
    expect(problem("--sample", "5%", "--sample=6%")).toBe("option --sample is given twice")
    expect(problem("-re", "x")).toContain("unknown option -re")
  })

  it("suggests the nearest option and how to write a path", () => {
    expect(problem("--dry-rnu")).toBe(
      'unknown option --dry-rnu: did you mean --dry-run? (a path that begins with "-" is written ./--dry-rnu)'
    )
  })

  it("refuses every word that begins with a dash and is no option", () => {
    const letters = FastCheck.constantFrom("-", ..."abcdelnrsuxyEXR_.:/0 é")
    const edited = FastCheck.tuple(
      FastCheck.constantFrom(...known),
      FastCheck.nat(),
      FastCheck.nat(2),
      FastCheck.string({ unit: letters, minLength: 1, maxLength: 2 })
    ).map(([name, at, cut, more]) => {
      const place = 1 + (at % name.length)
      return name.slice(0, place) + more + name.slice(place + cut)
    })
    const switches = new Set(["r", "l", "n"])
    const isTaken = (word: string) =>
      known.includes(word) ||
      word === "--" ||
      word.startsWith("--exclude=") ||
      word.startsWith("--sample=") ||
      (/^-[a-z]+$/.test(word) && [...word.slice(1)].every((letter) => switches.has(letter)))
    FastCheck.assert(
      FastCheck.property(edited, (word) => {
        FastCheck.pre(word.startsWith("-") && word !== "-" && !isTaken(word))
        // a value stands ready for an option that would wrongly be taken for one with a value
        expect(problem(word, "value"), word).toMatch(/^(unknown option|option --[a-z-]+ takes no value)/)
      }),
      { numRuns: 2000 }
    )
  })

  it("loses no operand", () => {
    const operand = FastCheck.string().filter((word) => !word.startsWith("-"))
    FastCheck.assert(
      FastCheck.property(FastCheck.array(operand), FastCheck.array(FastCheck.string()), (before, after) => {
        expect(canonical(...before, "-r", "--", ...after)).toEqual(
          Either.right({ options: ["--recursive"], operands: [...before, ...after] })
        )
      })
    )
  })
})

describe("words around the verb", () => {
  it("the verb is the first word that is no option", () => {
    expect(Argv.splitVerb(["--json", "list", "-r", "docs:"])).toEqual({ verb: "list", rest: ["--json", "-r", "docs:"] })
    expect(Argv.splitVerb(["--config", "c.toml", "list", "docs:"])).toEqual({
      verb: "list",
      rest: ["--config", "c.toml", "docs:"]
    })
    expect(Argv.splitVerb(["--config=c.toml", "list"])).toEqual({ verb: "list", rest: ["--config=c.toml"] })
    expect(Argv.splitVerb(["--version"])).toEqual({ verb: undefined, rest: ["--version"] })
  })

  it("JSON is asked for before -- alone", () => {
    expect(Argv.wantsJson(["list", "--json"])).toBe(true)
    expect(Argv.wantsJson(["backup", "--", "--json"])).toBe(false)
  })

  it("a word far from all others is near none", () => {
    expect(Argv.nearest("bakcup", ["backup", "list"])).toBe("backup")
    expect(Argv.nearest("teleport", ["backup", "list"])).toBeUndefined()
    expect(Argv.nearest("x", [])).toBeUndefined()
  })
})

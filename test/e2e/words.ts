/** `cairn init` as a person at a terminal goes through it. */
import { spawn } from "node:child_process"
import { stripVTControlCharacters } from "node:util"
import * as Cairn from "./cairn.ts"

export interface Shown {
  readonly code: number | null
  readonly text: string
  readonly words: ReadonlyArray<string>
  readonly asked: ReadonlyArray<number>
}

/** Runs `cairn init` on a terminal of its own (util-linux's `script` makes it) and answers each question, also that for a phrase that is known. */
export const init = (
  home: string,
  answer: (words: ReadonlyArray<string>, place: number) => string = (words, place) => words[place - 1]!,
  more: ReadonlyArray<string> = [],
  known = ""
): Promise<Shown> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      "script",
      ["-qefc", `"${process.execPath}" "${Cairn.binary}" ${["init", ...more].join(" ")}`, "/dev/null"],
      {
        env: { PATH: process.env.PATH, HOME: "/nonexistent", TERM: "xterm", SHELL: "/bin/sh", CAIRN_HOME: home },
        stdio: ["pipe", "pipe", "pipe"]
      }
    )
    let text = ""
    const asked: Array<number> = []
    const words = () =>
      [...text.matchAll(/(\d+)\. ([a-z]+)/g)]
        .map(([, place, word]) => [Number(place), word!] as const)
        .sort(([a], [b]) => a - b)
        .map(([, word]) => word)
    let isTold = false
    child.stdout.on("data", (chunk: Buffer) => {
      text = stripVTControlCharacters(text + chunk.toString())
      if (!isTold && text.includes("The twelve words, in order:")) {
        isTold = true
        child.stdin.write(`${known}\r`)
      }
      for (const [, place] of text.matchAll(/Word number (\d+)\?/g)) {
        if (asked.includes(Number(place))) continue
        asked.push(Number(place))
        child.stdin.write(`${answer(words(), Number(place))}\r`)
      }
    })
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, text, words: words(), asked }))
  })

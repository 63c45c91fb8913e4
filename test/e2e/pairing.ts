/** `cairn invite` and `cairn join`, each a process of its own, and the person who goes from one to the other. */
import { spawn } from "node:child_process"
import { tmpdir } from "node:os"
import type { Line } from "../../src/schema/Output.ts"
import * as Cairn from "./cairn.ts"

export interface Conversation {
  readonly say: (line: string) => void
  /** The first line of that type that it prints. */
  readonly heard: <T extends Line["type"]>(type: T) => Promise<Extract<Line, { type: T }>>
  readonly ended: Promise<Cairn.Ended>
  readonly kill: (signal: NodeJS.Signals) => void
}

/** A run that talks while it runs. */
export const converse = (home: string, words: ReadonlyArray<string>): Conversation => {
  const child = spawn(process.execPath, [Cairn.binary, ...words, "--json"], {
    cwd: tmpdir(),
    env: { PATH: process.env.PATH, HOME: "/nonexistent", TZ: "UTC", CAIRN_HOME: home },
    stdio: ["pipe", "pipe", "pipe"]
  })
  let [out, err] = ["", ""]
  const waiting: Array<() => void> = []
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString()
    for (const look of waiting) look()
  })
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString()
  })
  const ended = new Promise<Cairn.Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => resolve({ code, signal, bytes: Buffer.from(out), stdout: out, stderr: err }))
  })
  const heard = <T extends Line["type"]>(type: T) =>
    new Promise<Extract<Line, { type: T }>>((resolve, reject) => {
      const isIt = (line: Line): line is Extract<Line, { type: T }> => line.type === type
      const look = () => {
        for (const text of out.split("\n").slice(0, -1)) {
          const line: Line = JSON.parse(text)
          if (isIt(line)) resolve(line)
        }
      }
      waiting.push(look)
      look()
      void ended.then(({ stderr, stdout }) => reject(new Error(`it ended without ${type}: ${stdout}${stderr}`)))
    })
  return { say: (line) => child.stdin.write(`${line}\n`), heard, ended, kill: (signal) => child.kill(signal) }
}

/** Lets `joiner` in from `inviter`; the person tells each device what the other shows. */
export const pair = async (
  inviter: string,
  joiner: string,
  options: { readonly invite?: ReadonlyArray<string>; readonly join?: ReadonlyArray<string> } = {}
) => {
  const inviting = converse(inviter, ["invite", ...(options.invite ?? [])])
  const { code } = await inviting.heard("invitation")
  const joining = converse(joiner, ["join", ...(options.join ?? [])])
  joining.say(code)
  const [here, there] = await Promise.all([inviting.heard("words"), joining.heard("words")])
  inviting.say(there.words)
  joining.say(here.words)
  const [invited, joined] = await Promise.all([inviting.ended, joining.ended])
  return { code, words: [here.words, there.words] as const, invited, joined }
}

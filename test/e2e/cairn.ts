/** The real binary, run as a user runs it, each test on a home of its own. */
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import { Line } from "../../src/schema/Output.ts"
import { entriesBelow, filesBelow } from "../support/folders.ts"

export const repository = join(dirname(fileURLToPath(import.meta.url)), "../..")
export const binary = join(repository, "bin/cairn.js")

/** Whether everything is run: `npm run test:long`, which takes its time. */
export const isLong = process.env.CAIRN_TEST_LONG === "1"

/** What the short run leaves out, because something else there comes close to it; shown as skipped. */
export const itLong = it.runIf(isLong)

/** Builds the binary from the sources as they are now, unless `npm test` just did; other test files may do the same at the same time. */
export const build = (): void => {
  if (process.env.CAIRN_TEST_BUILT === "1") return
  const { status, stderr } = spawnSync(process.execPath, [join(repository, "scripts/build.mjs"), "--binary"])
  if (status !== 0) throw new Error(`the build failed: ${stderr}`)
}

const folders: Array<string> = []

/** A folder that `removeFolders` takes away. */
export const folder = (): string => {
  const made = fs.mkdtempSync(join(tmpdir(), "cairn-e2e-"))
  folders.push(made)
  return made
}

export const removeFolders = (): void => {
  for (const made of folders.splice(0)) fs.rmSync(made, { recursive: true, force: true })
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly bytes: Buffer
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly kill: (signal: NodeJS.Signals) => void
  readonly ended: Promise<Ended>
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly uid?: number
  /** What it reads from standard input. */
  readonly input?: string
  /** In place of node and the binary. */
  readonly command?: ReadonlyArray<string>
}

const environment = (home: string | undefined, more: RunOptions["env"] = {}): NodeJS.ProcessEnv => {
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: "/nonexistent", TZ: "UTC", CAIRN_HOME: home, ...more }
  // an undefined value would arrive as the word "undefined"
  for (const key of Object.keys(env)) if (env[key] === undefined) delete env[key]
  return env
}

/** Starts `cairn words…` with its files below `home`. */
export const start = (home: string | undefined, words: ReadonlyArray<string>, options: RunOptions = {}): Running => {
  const [program = "", ...before] = options.command ?? [process.execPath, binary]
  const child = spawn(program, [...before, ...words], {
    cwd: options.cwd ?? tmpdir(),
    env: environment(home, options.env),
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid })
  })
  child.stdin?.end(options.input)
  const out: Array<Buffer> = []
  const err: Array<Buffer> = []
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk))
  child.stderr?.on("data", (chunk: Buffer) => err.push(chunk))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", (code, signal) => {
      const bytes = Buffer.concat(out)
      resolve({ code, signal, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() })
    })
  })
  return { kill: (signal) => child.kill(signal), ended }
}

/** Every line on standard error is a complaint, a hint or progress: no stack, no secret, no escape sequence. */
const checkVoice = (ended: Ended): void => {
  const all = ended.stdout + ended.stderr
  expect(all).not.toMatch(/AGE-SECRET-KEY/)
  expect(ended.stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m)
  expect(ended.stderr).not.toMatch(/this is a bug/)
  expect(ended.stderr).not.toContain("\x1b")
}

/** Runs `cairn words…` to its end. */
export const run = async (
  home: string | undefined,
  words: ReadonlyArray<string>,
  options: RunOptions = {}
): Promise<Ended> => {
  const ended = await start(home, words, options).ended
  checkVoice(ended)
  return ended
}

/** Runs it and expects `code`. */
export const expectCode = async (
  code: number,
  home: string | undefined,
  words: ReadonlyArray<string>,
  options: RunOptions = {}
): Promise<Ended> => {
  const ended = await run(home, words, options)
  expect(ended.code, `cairn ${words.join(" ")}\n${ended.stdout}${ended.stderr}`).toBe(code)
  return ended
}

/** The reminder that comes until there is a recovery phrase. */
export const reminder =
  "cairn: no recovery phrase yet: if this device is lost, so are its vaults; `cairn init` makes one\n"

/** What standard error says besides the reminder. */
export const complaints = (ended: Ended): ReadonlyArray<string> =>
  ended.stderr.replace(reminder, "").split("\n").slice(0, -1)

const decodeLine = Schema.decodeUnknownSync(Schema.parseJson(Line), { onExcessProperty: "error", errors: "all" })

/** The lines of `--json`, each decoded; the last one is the result and says the exit code. */
export const jsonLines = (ended: Ended): ReadonlyArray<Line> => {
  expect(ended.stdout.endsWith("\n"), ended.stdout).toBe(true)
  const lines = ended.stdout
    .slice(0, -1)
    .split("\n")
    .map((line) => decodeLine(line))
  expect(lines.filter((line) => line.type === "result")).toHaveLength(1)
  expect(lines[lines.length - 1]).toMatchObject({ type: "result", code: ended.code })
  return lines
}

/** The lines of one type. */
export const linesOf = <T extends Line["type"]>(ended: Ended, type: T): ReadonlyArray<Extract<Line, { type: T }>> =>
  jsonLines(ended).filter((line): line is Extract<Line, { type: T }> => line.type === type)

/** Bytes that no compressor shrinks, the same for the same seed. */
export const noise = (seed: string | number, length: number): Buffer => {
  const parts: Array<Buffer> = []
  for (let made = 0, block = 0; made < length; made += 64, block++)
    parts.push(createHash("sha512").update(`${seed}/${block}`).digest())
  return Buffer.concat(parts, Math.ceil(length / 64) * 64).subarray(0, length)
}

/** Numbers from 0 up to 1, the same for the same seed. */
export const chance = (seed: string): (() => number) => {
  let drawn = 0
  return () => createHash("sha256").update(`${seed}/${drawn++}`).digest().readUInt32BE() / 2 ** 32
}

export const write = (path: string, content: string | Uint8Array): void => {
  fs.mkdirSync(dirname(path), { recursive: true })
  fs.writeFileSync(path, content)
}

/** A folder with files of several kinds below `parent`. */
export const smallTree = (parent: string, name = "docs"): string => {
  const top = join(parent, name)
  write(join(top, "letter.txt"), "Dear Ada,\n")
  write(join(top, "empty"), "")
  write(join(top, "deep/er/photo.bin"), noise(name, 300_000))
  write(join(top, "deep/a#b é.md"), "# odd name\n")
  fs.symlinkSync("letter.txt", join(top, "link"))
  return top
}

/** What differs between two folders, by a program that is not ours. */
export const difference = (a: string, b: string): string => {
  const { status, stderr, stdout } = spawnSync("diff", ["-r", "--no-dereference", a, b])
  return status === 0 ? "" : `${stdout}${stderr}` || `diff ended with ${status}`
}

/** Everything below a folder that a run could have changed. */
export const fingerprint = (top: string): ReadonlyArray<string> =>
  !fs.existsSync(top)
    ? ["nothing"]
    : entriesBelow(top)
        .map(({ entry, path }) => {
          const status = fs.lstatSync(path)
          const bytes = entry.isFile() ? createHash("sha256").update(fs.readFileSync(path)).digest("hex") : ""
          return `${path} ${status.mode.toString(8)} ${status.mtimeMs} ${bytes}`
        })
        .sort()

/** Every file below a folder. */
export const files = filesBelow

/** The content blobs of a home, the largest first. */
export const blobs = (home: string): ReadonlyArray<string> =>
  [...files(join(home, "data/store/blob3"))].sort((a, b) => fs.statSync(b).size - fs.statSync(a).size)

/** Turns one bit of a file over. */
export const flip = (path: string): void => {
  const bytes = fs.readFileSync(path)
  const middle = bytes.length >> 1
  bytes[middle] = bytes[middle]! ^ 1
  fs.chmodSync(path, 0o600)
  fs.writeFileSync(path, bytes)
}

/** Runs all, `width` at a time. */
export const inParallel = async <A>(width: number, work: ReadonlyArray<() => Promise<A>>): Promise<Array<A>> => {
  const results: Array<A> = []
  let next = 0
  const worker = async () => {
    for (let at = next++; at < work.length; at = next++) results[at] = await work[at]!()
  }
  await Promise.all(Array.from({ length: width }, worker))
  return results
}

/**
 * A page to be printed and put away: the words of the recovery phrase and where the vaults are.
 *
 * @since 0.1.0
 */
import { constants } from "node:fs"
import { access, open, rm } from "node:fs/promises"
import { resolve } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { renderSVG } from "uqr"
import * as PortableStore from "../schema/PortableStore.ts"

/** The page cannot be written. @since 0.1.0 @category errors */
export class PageProblem extends Data.TaggedError("PageProblem")<{ readonly file: string; readonly problem: string }> {
  override get message() {
    return `page ${this.file}: ${this.problem}`
  }
}

/** A store as the page names it. @since 0.1.0 @category models */
export interface Store {
  readonly name: string
  readonly address: string
  /** What is typed on an empty computer to recover from it. */
  readonly commands: ReadonlyArray<string>
}

/** What the page says. @since 0.1.0 @category models */
export interface Page {
  readonly words: Redacted.Redacted<string>
  readonly did: string
  /** Without their secrets. */
  readonly stores: ReadonlyArray<Store>
  /** Milliseconds since 1970. */
  readonly madeAt: number
}

/** Where a store is, for people and without its secrets. @since 0.1.0 @category conversions */
export const addressOf = (json: Redacted.Redacted<string>): string => {
  const store = PortableStore.fromJson(json)
  if (Either.isLeft(store)) return "(of a kind that this version does not know)"
  switch (store.right.type) {
    case "local":
      return store.right.base_path
    case "relay":
      return store.right.url
    case "s3":
      return `${store.right.endpoint ?? "s3://"}${store.right.endpoint === undefined ? "" : "/"}${store.right.bucket_name}${store.right.prefix === "" ? "" : `/${store.right.prefix}`}`
  }
}

/** A word as a shell takes it. */
const quoted = (word: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

/** A store of the identity for the page. @since 0.1.0 @category conversions */
export const storeOf = (name: string, json: Redacted.Redacted<string>): Store => {
  const address = addressOf(json)
  const store = PortableStore.fromJson(json)
  if (Either.isLeft(store)) return { name, address, commands: [] }
  if (store.right.type !== "s3") return { name, address, commands: [`cairn recover ${quoted(address)}`] }
  const { bucket_name, endpoint, prefix, region } = store.right
  const options = { endpoint, region, bucket: bucket_name, prefix: prefix === "" ? undefined : prefix }
  const given = Object.entries(options).flatMap(([option, value]) =>
    value === undefined ? [] : [` --${option} ${quoted(value)}`]
  )
  return {
    name,
    address,
    commands: [
      `cairn store add ${quoted(name)} --type s3${given.join("")} --access-key env:ACCESS_KEY --secret-key env:SECRET_KEY`,
      `cairn recover --store ${quoted(name)}`
    ]
  }
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => escapes[character] ?? "")

const style = `
  body { font: 12pt/1.45 system-ui, sans-serif; color: #000; background: #fff; max-width: 42rem; margin: 2rem auto; padding: 0 1rem }
  h1 { font-size: 20pt; margin: 0 0 .5rem }
  ol { columns: 3; padding-left: 2.2rem; font: 15pt/1.9 ui-monospace, monospace }
  code { font: 11pt ui-monospace, monospace; overflow-wrap: anywhere }
  svg { width: 5.5cm; height: 5.5cm }
  .side { display: flex; gap: 1.5rem; align-items: flex-start }
  @page { margin: 2cm }
`

/** The page as HTML that needs nothing else: no script, nothing from the network. @since 0.1.0 @category conversions */
export const render = ({ did, madeAt, stores, words }: Page): string => {
  const list = Redacted.value(words).trim().split(/\s+/)
  // what a camera reads is what `cairn recover` takes on standard input
  const code = renderSVG(list.join(" "), { ecc: "M", border: 4 })
  const date = new Date(madeAt).toISOString().slice(0, 10)
  const where =
    stores.length === 0
      ? "<p>No store of another place is configured: what is on this computer's disk alone is lost with it.</p>"
      : `<ul>${stores.map(({ address, name }) => `<li>${escape(name)}: <code>${escape(address)}</code></li>`).join("")}</ul>`
  const commands = stores.find((store) => store.commands.length > 0)?.commands ?? ["cairn recover FOLDER or URL"]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<title>Cairn: recovery phrase</title>
<style>${style}</style>
</head>
<body>
<h1>Cairn: recovery phrase</h1>
<p>Whoever has these twelve words and one of the stores below can read every vault. Print this page, delete the file, and
keep the paper where you keep what must not be lost.</p>
<ol>${list.map((word) => `<li>${escape(word)}</li>`).join("")}</ol>
<div class="side">
${code}
<div>
<p>Stores that hold the vaults, as of ${date}:</p>
${where}
<p>On an empty computer, with one of them connected:</p>
${commands.map((command) => `<p><code>${escape(command)}</code></p>`).join("\n")}
<p>and type the words, or give what the square code reads as on standard input.</p>
<p>Identity: <code>${escape(did)}</code></p>
</div>
</div>
</body>
</html>
`
}

const codeOf = (cause: unknown): unknown => (cause instanceof Error && "code" in cause ? cause.code : undefined)

const taken = (file: string) =>
  new PageProblem({ file, problem: "something is there already, and is left as it is; name another file" })

/** Refuses a file that is there, before anything is asked or made. @since 0.1.0 @category programs */
export const refuseTaken = (file: string): Effect.Effect<void, PageProblem> =>
  Effect.flatMap(
    Effect.promise(() =>
      access(resolve(file), constants.F_OK).then(
        () => true,
        () => false
      )
    ),
    (isThere) => (isThere ? taken(file) : Effect.void)
  )

/** Writes the page to a file that only its owner reads; one that is there is never overwritten. @since 0.1.0 @category programs */
export const write = Effect.fn("RecoveryPage.write")(function* (file: string, page: Page) {
  yield* Effect.tryPromise({
    try: async () => {
      const handle = await open(resolve(file), "wx", 0o600)
      try {
        await handle.writeFile(render(page))
        await handle.sync()
      } catch (cause) {
        // a part of the words is of no use to anybody who should have them
        await rm(resolve(file), { force: true })
        throw cause
      } finally {
        await handle.close()
      }
    },
    catch: (cause) =>
      codeOf(cause) === "EEXIST"
        ? taken(file)
        : new PageProblem({ file, problem: cause instanceof Error ? cause.message : "it cannot be written" })
  })
})

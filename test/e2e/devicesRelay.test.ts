/** Two devices and a relay between them that neither trusts; then one of them is removed. */
import * as fs from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it, vi } from "vitest"
import * as Relay from "../support/relayProcess.ts"
import * as Cairn from "./cairn.ts"
import { converse, pair } from "./pairing.ts"
import { init } from "./words.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

it("a device joins over a relay with nothing but the code, goes on when the other is gone, and can be removed", async () => {
  const place = Cairn.folder()
  const [a, b, relayHome] = [join(place, "a"), join(place, "b"), join(place, "relay")]
  const token = Relay.token(relayHome, "laptop", ["--may-invite"])
  Cairn.write(join(place, "token"), token)
  const relay = await Relay.start(relayHome)
  try {
    Cairn.write(
      join(a, "config/config.toml"),
      `default_store = "meeting"\n\n[store.meeting]\ntype = "relay"\nurl = "${relay.url}"\ntoken = { file = "${join(place, "token")}" }\n`
    )
    const docs = Cairn.smallTree(place)
    await Cairn.expectCode(0, a, ["backup", docs, "docs:"])
    const shown = await init(a)
    expect(shown.code, shown.text).toBe(0)

    const paired = await pair(a, b)
    expect(paired.invited.code, paired.invited.stderr).toBe(0)
    expect(paired.joined.code, paired.joined.stderr).toBe(0)
    expect(paired.code).toMatch(/^http:\/\/[^#]+#pair-[0-9a-z-]+~cairn_[0-9a-f]{64}$/)
    // it has a token of its own
    const own = fs.readFileSync(join(b, "config/keys/stores/meeting.token"), "utf8").trim()
    expect(own).toMatch(/^cairn_/)
    expect([token, paired.code.split("~")[1]]).not.toContain(own)

    // the code is good once
    const second = converse(join(place, "c"), ["join"])
    second.say(paired.code)
    const refused = await second.ended
    expect(refused.code, refused.stderr).toBe(12)

    const work = join(place, "work")
    Cairn.write(join(work, "of-b.txt"), "b\n")
    await Cairn.expectCode(0, b, ["backup", work, "docs:"])
    const [pulled] = Cairn.linesOf(await Cairn.expectCode(0, a, ["pull", "--json"]), "pull")
    expect(pulled).toMatchObject({ outcome: "published", missing: 0, baseless: 0, conflicts: [] })
    await Cairn.expectCode(0, b, ["restore", "docs:docs", join(place, "back")])
    expect(Cairn.difference(docs, join(place, "back"))).toBe("")

    const listed = Cairn.linesOf(await Cairn.expectCode(0, a, ["device", "list", "--json"]), "listed-device")
    const other = listed.find(({ state }) => state === "listed")!
    await Cairn.expectCode(4, a, ["device", "remove", other.name])
    const write = async () => {
      const request = { method: "DELETE", headers: { authorization: `Bearer ${own}` } }
      return (await fetch(`${relay.url}/blobs/${"0".repeat(64)}`, request)).status
    }
    expect(await write()).toBe(204)
    const gone = await Cairn.run(a, ["device", "remove", other.name, "--yes"])
    expect(gone.code, gone.stderr).toBe(0)
    // its own token is gone at once; what else it has read is told
    expect(await write()).toBe(401)
    expect(gone.stderr).toContain(`store meeting: ${other.name} has read the token that the list of stores names`)
    const after = Cairn.linesOf(await Cairn.expectCode(0, a, ["device", "list", "--json"]), "listed-device")
    expect(after.map(({ state }) => state)).toEqual(["this", "incomplete"])
    Cairn.write(join(docs, "secret.txt"), "not for b\n")
    await Cairn.expectCode(0, a, ["backup", "docs:"])
    await Cairn.expectCode(0, a, ["verify"])
    // it publishes nothing more, and does not see what came since
    Cairn.write(join(work, "of-b.txt"), "b, changed\n")
    const late = await Cairn.run(b, ["backup", "docs:"])
    expect(late.code).not.toBe(0)
    expect(late.stderr).toContain("this relay does not know the token, or no longer")
    await Cairn.run(b, ["pull"])
    const seen = await Cairn.run(b, ["list", "-r", "docs:"])
    expect(seen.stdout).not.toContain("secret.txt")
  } finally {
    await relay.stop("SIGTERM")
  }
})

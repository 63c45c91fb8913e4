import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as LocalTreeNode from "../../src/layers/LocalTreeNode.ts"
import * as Backup from "../../src/programs/Backup.ts"
import * as Vault from "../../src/programs/Vault.ts"
import { LocalTree } from "../../src/services/LocalTree.ts"
import { later, latest, make, mapping } from "../support/programs.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cairn-own-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** A home with a file, Cairn's folder in it, and a link beside that leads there. */
const home = Effect.map(folder, (place) => {
  mkdirSync(join(place, "home/.cairn/keys"), { recursive: true })
  writeFileSync(join(place, "home/letter"), "dear")
  writeFileSync(join(place, "home/.cairn/keys/identity.txt"), "secret")
  symlinkSync(".cairn", join(place, "home/shortcut"))
  return join(place, "home")
})

const withNode = <A, E, R>(run: (home: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const world = yield* make()
    const tree = yield* LocalTreeNode.make
    const at = yield* home
    yield* later
    return yield* run(at).pipe(Effect.provideService(LocalTree, tree), Effect.provide(world.layer))
  })

it.scoped("a source around Cairn's own folder is kept without it, however that folder is named", () =>
  withNode((at) =>
    Effect.gen(function* () {
      const vault = yield* Vault.ensure("docs")
      const own = [join(at, "shortcut/../.cairn"), join(at, "not there")]
      const { scan } = yield* Backup.backup(vault, mapping(at, "home"), { own })
      assert.strictEqual(scan.problems, 0)
      assert.deepStrictEqual(yield* latest, { "home/": "", "home/letter": "dear", "home/shortcut": ".cairn" })
    })
  )
)

it.scoped("what was kept of it before is gone from the next snapshot", () =>
  withNode((at) =>
    Effect.gen(function* () {
      const vault = yield* Vault.ensure("docs")
      yield* Backup.backup(vault, mapping(at, "home"))
      assert.property(yield* latest, "home/.cairn/keys/identity.txt")
      yield* Backup.backup(vault, mapping(at, "home"), { own: [join(at, ".cairn")] })
      assert.notProperty(yield* latest, "home/.cairn/keys/identity.txt")
    })
  )
)

it.scoped("a source in Cairn's own folder is refused", () =>
  withNode((at) =>
    Effect.gen(function* () {
      const vault = yield* Vault.ensure("docs")
      const own = [join(at, ".cairn")]
      for (const path of [".cairn", ".cairn/keys", ".cairn/keys/identity.txt", "shortcut"]) {
        const error = yield* Effect.flip(Backup.backup(vault, mapping(join(at, path), "home"), { own }))
        assert.strictEqual(error._tag, "SourceUnreadable")
        assert.include(error.message, ".cairn, where Cairn keeps its own files")
      }
    })
  )
)

import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as Backup from "../../src/programs/Backup.ts"
import * as Restore from "../../src/programs/Restore.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Verify from "../../src/programs/Verify.ts"
import * as StorePath from "../../src/schema/StorePath.ts"
import { BlobStore } from "../../src/services/BlobStore.ts"
import { ObjectStoreError, type Service } from "../../src/services/ObjectStore.ts"
import { backup, entriesOf, head, later, make, mapping, primitives } from "../support/programs.ts"

const docs = mapping("/docs")
const files = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`/docs/${index}.txt`, `text ${index}`]))

/** `objects`, one of which lies on a bad place of the disk until it is written anew. */
const withBadSector = (objects: Service, path: string): Service => {
  let isBad = true
  const error = new ObjectStoreError({ reason: "Unreadable", store: "disk", operation: "get", path, detail: "EIO" })
  return {
    ...objects,
    get: (wanted, range) => (isBad && wanted === path ? error : objects.get(wanted, range)),
    // what is put anew lies elsewhere on the disk
    put: (wanted, bytes) => {
      if (wanted === path) isBad = false
      return objects.put(wanted, bytes)
    },
    remove: (wanted) => {
      if (wanted === path) isBad = false
      return objects.remove(wanted)
    }
  }
}

it.effect(
  "one blob that the disk cannot read costs the one file, in restore and verify, until everything is read again",
  () =>
    Effect.flatMap(make(files), (world) =>
      Effect.gen(function* () {
        yield* later
        yield* backup(docs)
        const entry = (yield* entriesOf(yield* head)).get("docs/7.txt")
        const path = StorePath.blob(world.objects.features, entry!.content!.hash)
        const bad = BlobStoreObjects.fromObjects(withBadSector(world.objects, path), primitives)
        yield* Effect.gen(function* () {
          const vault = yield* Vault.open("docs")
          const told: Array<string> = []
          const result = yield* Restore.restore(Vault.snapshot(vault, (yield* head).root), {
            vault: "docs",
            path: "docs",
            directory: "/out",
            overwrite: false,
            owner: false,
            allowSetuid: false,
            dryRun: false,
            onProblem: (problem) => Effect.sync(() => told.push(`${problem.kind} ${problem.path}`))
          })
          assert.deepStrictEqual(told, ["damaged docs/7.txt"])
          assert.strictEqual(result.files, 39)
          assert.strictEqual((yield* Verify.verify(vault)).damaged, 1)

          yield* later
          yield* Backup.backup(vault, docs, { reread: true })
          assert.strictEqual((yield* Verify.verify(vault)).damaged, 0)
        }).pipe(Effect.provideService(BlobStore, bad))
      }).pipe(Effect.provide(world.layer))
    )
)

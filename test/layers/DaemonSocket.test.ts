import * as fs from "node:fs"
import * as net from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as DaemonSocket from "../../src/layers/DaemonSocket.ts"
import { temporaryFolder } from "../support/folders.ts"

/** A server that listens at `path`; closing it takes that name away, and no other. */
const listen = (path: string) =>
  Effect.acquireRelease(
    Effect.async<net.Server>((resume) => {
      const server = net.createServer((connection) => connection.destroy())
      server.listen({ path }, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
      })
  )

const serve = Effect.fnUntraced(function* (data: string) {
  const { folder, unclaimed } = yield* DaemonSocket.prepare(data)
  yield* listen(unclaimed)
  return yield* DaemonSocket.claim(folder, unclaimed)
})

/** What a daemon that was killed leaves: a name at which nobody answers. */
const killed = (data: string, number: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { folder, unclaimed } = yield* DaemonSocket.prepare(data)
      yield* listen(unclaimed)
      yield* Effect.sync(() => fs.linkSync(unclaimed, join(folder, `daemon.${number}.sock`)))
    })
  )

const names = (data: string) => fs.readdirSync(DaemonSocket.folderOf(data)).sort()

describe("the daemon's socket", () => {
  it.scopedLive("is there while a daemon serves, for its user alone, and nobody is asked before and after", () =>
    Effect.gen(function* () {
      const data = join(yield* temporaryFolder, "data")
      assert.strictEqual(yield* DaemonSocket.answering(data), undefined)
      const scope = yield* Scope.make()
      const path = yield* Scope.extend(serve(data), scope)
      assert.strictEqual(yield* DaemonSocket.answering(data), path)
      assert.deepStrictEqual(names(data), ["daemon.1.sock"])
      assert.strictEqual(fs.statSync(path).mode & 0o777, 0o600)
      assert.strictEqual(fs.statSync(DaemonSocket.folderOf(data)).mode & 0o777, 0o700)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* DaemonSocket.answering(data), undefined)
      assert.deepStrictEqual(names(data), ["daemon.1.ended"])
      assert.strictEqual(yield* serve(data), join(DaemonSocket.folderOf(data), "daemon.2.sock"))
      assert.deepStrictEqual(names(data), ["daemon.2.sock"])
    })
  )

  it.scopedLive("a daemon that was killed is in nobody's way", () =>
    Effect.gen(function* () {
      const data = yield* temporaryFolder
      yield* killed(data, 7)
      assert.strictEqual(yield* DaemonSocket.answering(data), undefined)
      assert.strictEqual(yield* serve(data), join(DaemonSocket.folderOf(data), "daemon.8.sock"))
      assert.deepStrictEqual(names(data), ["daemon.8.sock"])
    })
  )

  it.scopedLive("a low name that stands beside the one that counts misleads nobody", () =>
    Effect.gen(function* () {
      const data = yield* temporaryFolder
      yield* killed(data, 7)
      const path = yield* serve(data)
      // somebody who saw an empty folder long ago
      yield* killed(data, 1)
      assert.strictEqual(yield* DaemonSocket.answering(data), path)
      const second = yield* Effect.flip(Effect.scoped(serve(data)))
      assert.strictEqual(second.reason, "Running")
    })
  )

  it.scopedLive("of many that start at once, after one was killed, one serves and the others say so", () =>
    Effect.gen(function* () {
      const data = yield* temporaryFolder
      for (let round = 0; round < 20; round++) {
        const scope = yield* Scope.make()
        const all = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => Effect.either(Scope.extend(serve(data), scope)),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(all.filter(Either.isRight).length, 1)
        for (const one of all) if (Either.isLeft(one)) assert.strictEqual(one.left.reason, "Running")
        yield* Scope.close(scope, Exit.void)
        if (round % 2 === 0) yield* killed(data, 1000 + round)
      }
    })
  )

  it.scopedLive("two that start, stop and start again never serve together", () =>
    Effect.gen(function* () {
      const data = yield* temporaryFolder
      let serving = 0
      let served = 0
      const one = Effect.scoped(
        Effect.gen(function* () {
          yield* serve(data)
          serving += 1
          served += 1
          assert.strictEqual(serving, 1)
          yield* Effect.yieldNow()
          assert.strictEqual(serving, 1)
          serving -= 1
        })
      ).pipe(Effect.catchTag("DaemonSocketError", () => Effect.void))
      yield* Effect.forEach(Array.from({ length: 6 }), () => Effect.repeatN(one, 15), {
        concurrency: "unbounded",
        discard: true
      })
      assert.isTrue(served > 6, `${served}`)
    })
  )

  it.scopedLive("a folder that others can open is closed; one that is a link, or no folder, is refused", () =>
    Effect.gen(function* () {
      const top = yield* temporaryFolder
      const open = join(top, "open")
      fs.mkdirSync(join(open, "run"), { recursive: true, mode: 0o777 })
      fs.chmodSync(join(open, "run"), 0o777)
      assert.strictEqual(yield* DaemonSocket.answering(open), undefined)
      yield* serve(open)
      assert.strictEqual(fs.statSync(join(open, "run")).mode & 0o777, 0o700)

      const linked = join(top, "linked")
      fs.mkdirSync(linked)
      fs.symlinkSync(join(open, "run"), join(linked, "run"))
      assert.strictEqual(yield* DaemonSocket.answering(linked), undefined)
      assert.strictEqual((yield* Effect.flip(Effect.scoped(serve(linked)))).reason, "Unusable")

      const file = join(top, "file")
      fs.mkdirSync(file)
      fs.writeFileSync(join(file, "run"), "")
      assert.strictEqual(yield* DaemonSocket.answering(file), undefined)
      assert.strictEqual((yield* Effect.flip(Effect.scoped(serve(file)))).reason, "Unusable")
    })
  )

  it.scopedLive("a path that is too long for a socket gets a folder of its own, another for each", () =>
    Effect.gen(function* () {
      const data = join(yield* temporaryFolder, "long".repeat(30), "data")
      const folder = DaemonSocket.folderOf(data)
      assert.notStrictEqual(folder, DaemonSocket.folderOf(`${data}2`))
      yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true })))
      const path = yield* serve(data)
      assert.isTrue(Buffer.byteLength(path) < 104)
      assert.strictEqual(yield* DaemonSocket.answering(data), path)
    })
  )
})

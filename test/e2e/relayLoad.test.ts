// `cairn serve` as a process of its own: killed in the middle of writes, and asked what nobody should ask
import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import * as BlobStoreRelay from "../../src/layers/BlobStoreRelay.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as RegistryRelay from "../../src/layers/RegistryRelay.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import type * as Hash from "../../src/schema/Hash.ts"
import type { RegistryEntry } from "../../src/schema/RegistryEntry.ts"
import { primitives } from "../support/programs.ts"
import { entryOf, wire } from "../support/registry.ts"
import { http } from "../support/relay.ts"
import * as Relay from "../support/relayProcess.ts"
import * as Cairn from "./cairn.ts"

// a busy machine must not make these fail
vi.setConfig({ testTimeout: 600_000 })

/** `CAIRN_TEST_ROUNDS=20` is the long run. */
const rounds = Number(process.env.CAIRN_TEST_ROUNDS ?? 1)
const seed = process.env.CAIRN_TEST_SEED ?? String(Date.now())

beforeAll(Cairn.build)
afterAll(Cairn.removeFolders)

const clients = (url: string, token: string) =>
  Effect.all([
    BlobStoreRelay.make({ url, token: Redacted.make(token), attempts: 1 }),
    RegistryRelay.make({ url, token: Redacted.make(token), attempts: 1 })
  ]).pipe(Effect.provide(http), Effect.provide(CryptoAuto.layer()))

describe("a relay that is killed in the middle of writes", () => {
  it(`loses no blob and no entry that it acknowledged, in ${rounds} rounds (seed ${seed})`, async () => {
    const home = join(Cairn.folder(), "relay")
    const token = Relay.token(home, "laptop")
    const draw = Cairn.chance(seed)
    const blobs: Array<Hash.Hash> = []
    const entries = new Map<number, RegistryEntry>()
    let port = 0
    for (let round = 0; round < rounds; round++) {
      const relay = await Relay.start(home, port)
      port = Number(new URL(relay.url).port)
      const [store, registry] = await Effect.runPromise(clients(relay.url, token))
      let isAlive = true
      const writer = (number: number) =>
        Effect.gen(function* () {
          for (let write = 0; isAlive; write++) {
            const bytes = new Uint8Array(Cairn.noise(`${round}/${number}/${write}`, 100 + Math.floor(draw() * 60_000)))
            const hash = primitives.blake3(bytes)
            yield* store.put(hash, bytes)
            blobs.push(hash)
            const before = entries.get(number)
            const entry = entryOf((before?.revision ?? 0n) + 1n, `${round}/${write}`, 7, number)
            // what was there before a kill may be newer than what was acknowledged
            const held = yield* registry.entries(entry.key)
            const next = entryOf((held[0]?.revision ?? 0n) + 1n, `${round}/${write}`, 7, number)
            if ((yield* registry.set(next, held))._tag === "Stored") entries.set(number, next)
          }
        }).pipe(Effect.either)
      const writing = Effect.runPromise(Effect.forEach([1, 2, 3, 4, 5, 6], writer, { concurrency: "unbounded" }))
      const enough = blobs.length + 20 + Math.floor(draw() * 40)
      while (blobs.length < enough) await new Promise((done) => setTimeout(done, 5))
      await relay.stop("SIGKILL")
      isAlive = false
      await writing
    }
    const relay = await Relay.start(home, port)
    const [store, registry] = await Effect.runPromise(clients(relay.url, token))
    const lost = await Effect.runPromise(
      Effect.forEach(blobs, (hash) => Effect.either(store.get(hash)), { concurrency: 8 })
    )
    expect(lost.filter(Either.isLeft)).toEqual([])
    expect(entries.size).toBe(6)
    for (const entry of entries.values()) {
      const [held] = await Effect.runPromise(registry.entries(entry.key))
      expect(held !== undefined && held.revision >= entry.revision).toBe(true)
      if (held?.revision === entry.revision) expect(wire(held)).toBe(wire(entry))
    }
    await relay.stop("SIGTERM")
  })
})

const mebibyte = 1024 * 1024

describe("a relay that is asked what nobody should ask", () => {
  const requests = Number(process.env.CAIRN_TEST_REQUESTS ?? 800)

  /** What the process has in memory in MiB: now, and at its peak. */
  const memory = (pid: number | undefined) => {
    const status = readFileSync(`/proc/${pid}/status`, "utf8")
    const of = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) / 1024
    return { now: of("VmRSS"), peak: of("VmHWM") }
  }

  const setUp = async () => {
    const home = join(Cairn.folder(), "relay")
    const token = Relay.token(home, "laptop")
    return { token, relay: await Relay.start(home) }
  }

  it(`answers ${requests} malformed and oversized requests with 4xx, and its memory stays flat`, async () => {
    const { relay, token } = await setUp()
    const authorization = `Bearer ${token}`
    const hash = (bytes: Uint8Array) => Bytes.toHex(primitives.blake3(bytes))
    const body = (length: number) => new Uint8Array(length)
    const signed = wire(entryOf(1n, "a"))
    const ask = (path: string, init: RequestInit = {}) =>
      fetch(`${relay.url}${path}`, { ...init, headers: { authorization, ...init.headers } }).then(async (response) => {
        await response.arrayBuffer()
        return response.status
      })
    const put = (path: string, bytes: Uint8Array<ArrayBuffer> | string) => ask(path, { method: "PUT", body: bytes })
    const odd: ReadonlyArray<(index: number) => Promise<number>> = [
      () => ask("/blobs/zz"),
      () => ask("/blobs/..%2f..%2fetc"),
      () => ask("/blobs/%00"),
      () => ask(`/registry/${"f".repeat(4000)}`),
      () => ask("/nothing", { method: "POST", body: "{" }),
      () => ask(`/blobs/${hash(body(7))}`, { headers: { range: "bytes=9999999999999999999-" } }),
      (index) => put(`/blobs/${hash(body(index % 50))}`, body((index % 50) + 1)),
      (index) => put(`/blobs/${"0".repeat(64)}`, body((index % 3) * mebibyte)),
      () => put(`/blobs/${hash(body(9))}`, "[".repeat(100_000)),
      () => put(`/registry/${"0".repeat(98)}`, body(2 * mebibyte)),
      () => put(`/registry/${signed.slice(0, 66)}`, Buffer.from(`${signed}00`, "hex")),
      () => ask("/tokens", { method: "POST", body: "[".repeat(4000) }),
      () => ask("/tokens", { method: "POST", body: JSON.stringify({ name: "../x" }) }),
      () => ask("/tokens", { method: "POST", body: " ".repeat(5000) }),
      () => ask("/blobs", { method: "DELETE" }),
      () => ask(`/blobs/${hash(body(9))}`, { method: "PUT", headers: { authorization: "Bearer x" }, body: body(9) })
    ]
    const run = async (from: number, to: number) => {
      let next = from
      const statuses: Array<number> = []
      const worker = async () => {
        for (let index = next++; index < to; index = next++) statuses.push(await odd[index % odd.length]!(index))
      }
      await Promise.all(Array.from({ length: 24 }, worker))
      return statuses.filter((status) => status < 400 || status >= 500)
    }
    // Node 24 takes that many until its space for new objects has its size
    expect(await run(0, requests)).toEqual([])
    const warm = memory(relay.child.pid)
    expect(await run(0, requests)).toEqual([])
    const end = memory(relay.child.pid)
    expect(end.now - warm.now, JSON.stringify({ warm, end })).toBeLessThan(96)
    expect(await ask("/health")).toBe(200)
    await relay.stop("SIGKILL")
  })

  Cairn.itLong(
    "keeps to its memory when many ask for large blobs and do not read them, and serves others meanwhile",
    async () => {
      const { relay, token } = await setUp()
      const [store] = await Effect.runPromise(clients(relay.url, token))
      const large = new Uint8Array(24 * mebibyte)
      large.set(Cairn.noise(seed, 64))
      const small = new Uint8Array(Cairn.noise("small", 1000))
      const name = Bytes.toHex(primitives.blake3(large))
      await Effect.runPromise(store.put(primitives.blake3(large), large))
      await Effect.runPromise(store.put(primitives.blake3(small), small))
      const before = memory(relay.child.pid)
      const port = Number(new URL(relay.url).port)
      const sockets = await Promise.all(
        Array.from(
          { length: 60 },
          () =>
            new Promise<ReturnType<typeof connect>>((resolve) => {
              const socket = connect(port, "127.0.0.1", () => {
                socket.write(`GET /blobs/${name} HTTP/1.1\r\nhost: x\r\n\r\n`)
                socket.pause()
                resolve(socket)
              })
            })
        )
      )
      // time for all of them to be let in or to wait
      for (let look = 0; look < 20; look++) await fetch(`${relay.url}/health`).then((response) => response.text())
      expect(Bytes.equals(await Effect.runPromise(store.get(primitives.blake3(small))), small)).toBe(true)
      const other = new Uint8Array(Cairn.noise("other", 300_000))
      await Effect.runPromise(store.put(primitives.blake3(other), other))
      const { peak } = memory(relay.child.pid)
      // room for five of sixty, and what a runtime needs to turn them over
      expect(peak - before.now, JSON.stringify({ before, peak })).toBeLessThan(400)
      for (const socket of sockets) socket.destroy()
      // whoever left gives back the room
      expect(Bytes.equals(await Effect.runPromise(store.get(primitives.blake3(large))), large)).toBe(true)
      await relay.stop("SIGKILL")
    }
  )
})

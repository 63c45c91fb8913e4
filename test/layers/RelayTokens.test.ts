/** A relay's tokens: one whose record is damaged, and one that is taken away at another relay over the same store. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as BlobStoreObjects from "../../src/layers/BlobStoreObjects.ts"
import * as CryptoAuto from "../../src/layers/CryptoAuto.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as PlaceFromAddress from "../../src/layers/PlaceFromAddress.ts"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import type * as RelayClient from "../../src/layers/RelayClient.ts"
import * as RelayDelegation from "../../src/layers/RelayDelegation.ts"
import * as RelayTokensObjectStore from "../../src/layers/RelayTokensObjectStore.ts"
import * as RelayAccess from "../../src/programs/RelayAccess.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { Crypto } from "../../src/services/Crypto.ts"
import { ObjectStoreError } from "../../src/services/ObjectStore.ts"
import type * as Places from "../../src/services/Places.ts"
import * as RelayTokens from "../../src/services/RelayTokens.ts"
import * as Relay from "../support/relay.ts"

const fact = <E>(text: string, effect: Effect.Effect<void, E, Crypto | import("effect/Scope").Scope>) =>
  it.scoped(text, () => Effect.provide(effect, CryptoAuto.layer()))

const keyOf = (device: string) => device.repeat(64).slice(0, 64)
const [phoneKey, otherKey] = [keyOf("a"), keyOf("b")]

let written = 0
/** Writes a blob that nobody wrote before. */
const write = (place: Places.Place) =>
  Effect.gen(function* () {
    const { primitives } = yield* Crypto
    written += 1
    const bytes = Bytes.fromUtf8(`blob ${written}`)
    return yield* Effect.either(place.blobs.put(primitives.blake3(bytes), bytes))
  })
const canWrite = (place: Places.Place) => Effect.map(write(place), Either.isRight)
const denied = Effect.fnUntraced(function* (place: Places.Place) {
  const outcome = yield* write(place)
  assert.strictEqual(Either.isLeft(outcome) ? outcome.left.reason : "written", "Denied")
})

/** A relay over these objects, tokens and all. */
const over = Effect.fnUntraced(function* (
  objects: Effect.Effect.Success<ReturnType<typeof ObjectStoreMemory.make>>,
  options: Relay.Options = {}
) {
  const { primitives } = yield* Crypto
  const relay = yield* Relay.start(yield* RegistryMemory.make(), {
    blobs: BlobStoreObjects.fromObjects(objects, primitives),
    tokens: yield* RelayTokensObjectStore.make(objects, { prefix: "relay/", freshFor: "5 seconds" }),
    ...options
  })
  const at = (secret: typeof relay.secret) => PlaceFromAddress.open(PlaceFromAddress.parse(relay.url, secret))
  return { relay, at, own: yield* at(relay.secret) }
})

const names = (relay: Relay.Running) => Effect.map(relay.tokens.list, (all) => all.map(({ name }) => name))

describe("a token that is taken away from afar", () => {
  fact(
    "writes nothing any more at once, at no relay over the same store, nor does what it let in",
    Effect.gen(function* () {
      const objects = yield* ObjectStoreMemory.make()
      const { at, own, relay } = yield* over(objects, { token: { mayDelegate: true } })
      const second = yield* over(objects, { token: { name: "second" } })
      const phone = yield* own.delegate!({ name: "phone", mayDelegate: true, device: phoneKey })
      const again = yield* own.delegate!({ name: "phone", device: phoneKey })
      const guest = yield* (yield* at(phone)).delegate!({ name: "guest", device: otherKey })
      const stays = yield* own.delegate!({ name: "stays", device: otherKey })
      const theirs = yield* Effect.forEach([phone, again, guest], (secret) =>
        Effect.all([at(secret), second.at(secret)])
      )
      // both relays know them
      for (const each of theirs.flat()) assert.isTrue(yield* canWrite(each))

      const ended = yield* own.withdraw!(phoneKey)
      assert.deepStrictEqual([[...ended.tokens].sort(), ended.others], [["phone", "phone-2"], ["guest"]])
      for (const each of theirs.flat()) yield* denied(each)
      assert.isTrue(yield* canWrite(yield* second.at(stays)))
      assert.isTrue(yield* canWrite(own))
      assert.deepStrictEqual(yield* names(relay), ["laptop", "second", "stays"])
      assert.deepStrictEqual(yield* own.withdraw!(phoneKey), { tokens: [], others: [] })
    })
  )

  fact(
    "is one that it let in itself, or that came from that; a plain token takes away none, and nobody his own",
    Effect.gen(function* () {
      const objects = yield* ObjectStoreMemory.make()
      const { at, own, relay } = yield* over(objects, { token: { mayDelegate: true } })
      const phone = yield* at(yield* own.delegate!({ name: "phone", mayDelegate: true, device: phoneKey }))
      const guest = yield* at(yield* phone.delegate!({ name: "guest", device: otherKey }))
      const plain = yield* own.delegate!({ name: "plain", device: keyOf("c") })
      const end = (secret: typeof relay.secret, hash: string) =>
        Effect.promise(async () => {
          const response = await fetch(`${relay.url}/tokens/${hash}`, {
            method: "DELETE",
            headers: { authorization: `Bearer ${Redacted.value(secret)}` }
          })
          return response.status
        })
      const hashOf = (wanted: string) =>
        Effect.map(relay.tokens.list, (all) => all.find(({ name }) => name === wanted)?.hash ?? "none")
      for (const [secret, name, status] of [
        [plain, "guest", 403],
        [plain, "laptop", 403],
        [plain, "plain", 403],
        [relay.secret, "laptop", 403],
        [relay.secret, "nobody", 400],
        [Redacted.make("cairn_unknown"), "guest", 401]
      ] as const)
        assert.strictEqual(yield* end(secret, yield* hashOf(name)), status, name)
      assert.strictEqual(yield* end(relay.secret, keyOf("d")), 404)
      // a phone does not see who let it in
      assert.deepStrictEqual(yield* phone.withdraw!(keyOf("c")), { tokens: [], others: [] })
      assert.isTrue(yield* canWrite(guest))
      assert.deepStrictEqual(yield* own.withdraw!(otherKey), { tokens: ["guest"], others: [] })
      yield* denied(guest)
      assert.isTrue(yield* canWrite(phone))
    })
  )

  fact(
    "stays at a relay that never removes anything, which says who can take it away",
    Effect.gen(function* () {
      const objects = yield* ObjectStoreMemory.make()
      const { at, own } = yield* over(objects, { token: { mayDelegate: true }, appendOnly: true })
      const phone = yield* at(yield* own.delegate!({ name: "phone", device: phoneKey }))
      const refused = yield* Effect.flip(own.withdraw!(phoneKey))
      assert.strictEqual(refused.reason, "Refused")
      assert.include(refused.message, "cairn serve token remove")
      assert.isTrue(yield* canWrite(phone))
    })
  )

  fact(
    "is gone at once also when the operator took it away, and one that was just made serves at once",
    Effect.gen(function* () {
      const objects = yield* ObjectStoreMemory.make()
      const { own, at, relay } = yield* over(objects)
      assert.isTrue(yield* canWrite(own))
      const operator = yield* RelayTokensObjectStore.make(objects, { prefix: "relay/" })
      const issue = RelayAccess.issue({ name: "new" }).pipe(Effect.provideService(RelayTokens.RelayTokens, operator))
      const secret = (yield* issue) ?? relay.secret
      assert.isTrue(yield* canWrite(yield* at(secret)))
      assert.deepStrictEqual(yield* operator.remove("laptop"), ["laptop"])
      yield* denied(own)
    })
  )
})

describe("a token whose record is damaged", () => {
  const damage = {
    "is no JSON": Bytes.fromUtf8("{"),
    "says that it is another": undefined,
    "cannot be read from the disk": "unreadable"
  } as const
  for (const [how, bytes] of Object.entries(damage))
    fact(
      `(it ${how}) fails alone, with what it let in; the log names it, and it can be removed`,
      Effect.gen(function* () {
        const objects = yield* ObjectStoreMemory.make()
        const path = "relay/tokens/phone.json"
        const lines: Array<string> = []
        const faults = { isBroken: false }
        const faulty: typeof objects = {
          ...objects,
          get: (asked, range) =>
            faults.isBroken && asked === path
              ? new ObjectStoreError({
                  reason: "Unreadable",
                  store: "memory",
                  operation: "get",
                  path: asked,
                  detail: "the medium does not give it back"
                })
              : objects.get(asked, range)
        }
        const { at, own, relay } = yield* over(faulty, {
          token: { mayDelegate: true },
          log: (line) => lines.push(line)
        })
        const phone = yield* at(yield* own.delegate!({ name: "phone", mayDelegate: true, device: phoneKey }))
        const guest = yield* at(yield* phone.delegate!({ name: "guest" }))
        const other = yield* at(yield* own.delegate!({ name: "other" }))
        if (bytes === "unreadable") faults.isBroken = true
        else yield* objects.put(path, bytes ?? (yield* objects.get("relay/tokens/other.json")))
        // what was read of it before counts for no longer than a moment
        yield* objects.put("relay/tokens.changed", Bytes.fromUtf8("another"))
        for (const gone of [phone, guest]) yield* denied(gone)
        for (const one of [own, other]) assert.isTrue(yield* canWrite(one))
        assert.deepStrictEqual(yield* relay.tokens.damaged, ["phone"])
        const told = lines.filter((line) => line.includes("does not count"))
        assert.lengthOf(told, 1)
        assert.include(told[0], path)
        // letting in another one clears away nothing that hangs on it
        yield* own.delegate!({ name: "more" })
        assert.include(yield* names(relay), "guest")
        faults.isBroken = false
        yield* relay.tokens.remove("phone")
        assert.deepStrictEqual(yield* relay.tokens.damaged, [])
      })
    )
})

describe("a relay's tokens", () => {
  for (const reason of ["Unreadable", "Denied"] as const)
    fact(
      `are made, listed and taken away where what tells of changes is ${reason}`,
      Effect.gen(function* () {
        const objects = yield* ObjectStoreMemory.make()
        const failed = (path: string) =>
          new ObjectStoreError({ reason, store: "memory", operation: "any", path, detail: "no" })
        const isMark = (path: string) => path === "tokens.changed"
        const tokens = yield* RelayTokensObjectStore.make({
          ...objects,
          get: (path, range) => (isMark(path) && reason === "Unreadable" ? failed(path) : objects.get(path, range)),
          put: (path, bytes) => (isMark(path) && reason === "Denied" ? failed(path) : objects.put(path, bytes))
        })
        assert.isTrue(yield* tokens.create(new RelayTokens.Token({ name: "phone", hash: phoneKey })))
        assert.lengthOf(yield* tokens.list, 1)
        yield* Effect.either(tokens.remove("phone"))
        yield* TestClock.adjust("1 second")
        assert.lengthOf(yield* tokens.list, 0)
      })
    )

  fact(
    "are taken away though their records lead back to themselves",
    Effect.gen(function* () {
      const tokens = yield* RelayTokensObjectStore.make(yield* ObjectStoreMemory.make())
      for (const [name, hash, parent] of [
        ["a", phoneKey, otherKey],
        ["b", otherKey, phoneKey]
      ] as const)
        yield* tokens.create(new RelayTokens.Token({ name, hash, parent }))
      assert.deepStrictEqual(yield* tokens.remove("a"), ["a", "b"])
    })
  )

  fact(
    "are not what a hostile relay says they are",
    Effect.gen(function* () {
      const answering = (tokens: ReadonlyArray<unknown>, withdrawn: ReadonlyArray<string>) => {
        const sent: Array<string> = []
        const client: RelayClient.Client = {
          name: "hostile",
          send: ({ method }) =>
            Effect.sync(() => {
              sent.push(method)
              return { status: 200, body: Bytes.fromUtf8(JSON.stringify({ name: "x", tokens, withdrawn })) }
            }),
          stream: () => Effect.die("not asked for")
        }
        return { client, sent }
      }
      const one = { id: phoneKey, name: "phone", device: phoneKey }
      const odd = answering([one], ["phone", "other", "\u001b[2J", "x".repeat(100_000)])
      const done = yield* RelayDelegation.withdraw(odd.client, "meeting", phoneKey)
      assert.deepStrictEqual(done, { tokens: ["phone"], others: ["other"] })
      const many = answering(
        Array.from({ length: 5000 }, () => one),
        []
      )
      const error = yield* Effect.flip(RelayDelegation.withdraw(many.client, "meeting", phoneKey))
      assert.strictEqual(error.reason, "Unavailable")
      assert.deepStrictEqual(many.sent, ["GET"])
    })
  )
})

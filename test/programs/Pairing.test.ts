import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as Pairing from "../../src/programs/Pairing.ts"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as PairingCode from "../../src/schema/PairingCode.ts"
import * as Message from "../../src/schema/PairingMessage.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import { BlobStoreError } from "../../src/services/BlobStore.ts"
import { Crypto } from "../../src/services/Crypto.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import type { Place } from "../../src/services/Places.ts"
import { RegistryError } from "../../src/services/Registry.ts"
import { right } from "../support/either.ts"
import { crypto, place } from "../support/identity.ts"
import { patiently } from "../support/programs.ts"

const { primitives } = crypto
const layer = Layer.mergeAll(Layer.succeed(Crypto, Crypto.of(crypto)), Layer.succeed(Envelope, EnvelopeAge.make()))

const codeOf = (byte: number): PairingCode.PairingCode => ({
  secret: Redacted.make(new Uint8Array(PairingCode.secretLength).fill(byte))
})
const code = codeOf(7)

const device = {
  signing: new Uint8Array(32).fill(1),
  acl: new Uint8Array(32).fill(2),
  iroh: new Uint8Array(32).fill(3),
  ageRecipient: "age1new"
}

const strangerKey = PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(new Uint8Array(32).fill(9)))

const grant: Message.Grant = {
  label: "laptop-2",
  warmSeed: Uint8Array.from({ length: 32 }, (_, index) => index + 100),
  pointer: Bytes.fromUtf8("the pointer"),
  recovery: "age1paper",
  tokens: new Map([["relay", "cairn_token"]])
}

const limit = Duration.minutes(3)

interface Sides {
  readonly inviting: Place
  readonly joining: Place
}

/** Both sides at once; what each person saw, and how each side ended. */
const meet = Effect.fnUntraced(function* (
  { inviting, joining }: Sides,
  more: {
    readonly joiningCode?: PairingCode.PairingCode
    readonly lifetime?: Duration.Duration
    readonly limit?: Duration.Duration
    readonly say?: (side: "inviter" | "joiner", question: Pairing.Question) => boolean
    readonly before?: Effect.Effect<void>
  } = {}
) {
  const seen: Array<readonly [string, Pairing.Question]> = []
  const admitted: Array<unknown> = []
  const confirm = (side: "inviter" | "joiner") => (question: Pairing.Question) =>
    Effect.sync(() => {
      seen.push([side, question])
      return more.say?.(side, question) ?? true
    })
  const invited = Pairing.invite({
    place: inviting,
    code,
    name: "desktop",
    limit: more.limit ?? limit,
    did: "did:s5:b",
    ...(more.lifetime === undefined ? {} : { lifetime: more.lifetime }),
    confirm: confirm("inviter"),
    admit: (name, keys) =>
      Effect.sync(() => {
        admitted.push([name, keys])
        return grant
      })
  })
  const joined = Effect.zipRight(
    more.before ?? Effect.void,
    Pairing.join({
      place: joining,
      code: more.joiningCode ?? code,
      name: "laptop",
      limit: more.limit ?? limit,
      device,
      confirm: confirm("joiner")
    })
  )
  const [inviter, joiner] = yield* patiently(
    Effect.all([Effect.either(invited), Effect.either(joined)], { concurrency: 2 })
  )
  return { inviter, joiner, seen, admitted }
})

const reasons = ({
  inviter,
  joiner
}: {
  readonly inviter: Either.Either<unknown, unknown>
  readonly joiner: Either.Either<unknown, unknown>
}) =>
  [inviter, joiner].map((side) =>
    Either.isRight(side) ? "done" : side.left instanceof Pairing.PairingError ? side.left.reason : String(side.left)
  )

const fact = <E>(name: string, run: () => Effect.Effect<void, E, Crypto | Envelope>) =>
  it.effect(name, () => run().pipe(Effect.provide(layer)))

describe("two devices with one code", () => {
  fact("see the same words and each other's names, and the new one gets everything", () =>
    Effect.gen(function* () {
      const { place: meeting } = yield* place("relay")
      const result = yield* meet({ inviting: meeting, joining: meeting })
      assert.deepStrictEqual(Either.getOrThrow(result.joiner), {
        grant,
        did: "did:s5:b",
        inviter: "desktop",
        store: "relay"
      })
      assert.deepStrictEqual(Either.getOrThrow(result.inviter), { name: "laptop", label: "laptop-2", device })
      assert.deepStrictEqual(result.admitted, [["laptop", device]])
      const [one, two] = result.seen
      assert.deepStrictEqual(one?.[1].words, two?.[1].words)
      assert.strictEqual(one?.[1].words.length, 4)
      assert.deepStrictEqual(
        new Map(result.seen.map(([side, { other }]) => [side, other])),
        new Map([
          ["inviter", "laptop"],
          ["joiner", "desktop"]
        ])
      )
    })
  )

  fact("leave nothing readable at the place, and no blob when they are done", () =>
    Effect.gen(function* () {
      const { objects, place: meeting } = yield* place("relay")
      const written: Array<Uint8Array> = []
      const watched: Place = {
        ...meeting,
        blobs: {
          ...meeting.blobs,
          put: (hash, bytes) =>
            Effect.zipRight(
              Effect.sync(() => void written.push(bytes)),
              meeting.blobs.put(hash, bytes)
            )
        }
      }
      yield* meet({ inviting: watched, joining: watched })
      assert.strictEqual(written.length, 6)
      const all = written.map((bytes) => Buffer.from(bytes).toString("latin1")).join()
      for (const secret of ["age1new", "age1paper", "laptop", "desktop", "cairn_token", "the pointer", "did:s5"])
        assert.notInclude(all, secret)
      assert.notInclude(all, Buffer.from(grant.warmSeed).toString("latin1"))
      assert.deepStrictEqual(
        [...(yield* Stream.runCollect(objects.list("")))].filter((path) => path.startsWith("blob")),
        []
      )
    })
  )

  fact("come together though the place is away half of the time", () =>
    Effect.gen(function* () {
      const { place: meeting } = yield* place("relay")
      let state = 1
      const isAway = () => {
        state = (state * 1_103_515_245 + 12_345) % 2 ** 31
        return (state >> 16) % 2 === 0
      }
      const flaky = <A, E>(effect: Effect.Effect<A, E>, error: E) =>
        Effect.suspend(() => (isAway() ? Effect.fail(error) : effect))
      const blob = new BlobStoreError({ reason: "Unavailable", store: "relay", blob: "", detail: "away" })
      const entry = new RegistryError({ reason: "Unavailable", registry: "relay", key: "", detail: "away" })
      const half: Place = {
        ...meeting,
        blobs: {
          ...meeting.blobs,
          get: (hash) => flaky(meeting.blobs.get(hash), blob),
          put: (hash, bytes) => flaky(meeting.blobs.put(hash, bytes), blob)
        },
        registry: {
          ...meeting.registry,
          entries: (key) => flaky(meeting.registry.entries(key), entry),
          set: (one, over) => flaky(meeting.registry.set(one, over), entry)
        }
      }
      assert.deepStrictEqual(reasons(yield* meet({ inviting: half, joining: half })), ["done", "done"])
    })
  )

  for (const who of ["inviter", "joiner"] as const)
    fact(`hand over nothing when the person at the ${who} says no`, () =>
      Effect.gen(function* () {
        const { place: meeting } = yield* place("relay")
        const result = yield* meet({ inviting: meeting, joining: meeting }, { say: (side) => side !== who })
        assert.deepStrictEqual(
          reasons(result),
          who === "inviter" ? ["NotConfirmed", "Refused"] : ["Refused", "NotConfirmed"]
        )
        assert.deepStrictEqual(result.admitted, [])
      })
    )
})

describe("a code", () => {
  fact("that is another finds nobody, and the inviting device hears of nobody", () =>
    Effect.gen(function* () {
      const { place: meeting } = yield* place("relay")
      const result = yield* meet({ inviting: meeting, joining: meeting }, { joiningCode: codeOf(8) })
      assert.deepStrictEqual(reasons(result), ["Expired", "Expired"])
      assert.deepStrictEqual([result.seen, result.admitted], [[], []])
    })
  )

  fact("is good for its lifetime and not after it", () =>
    Effect.gen(function* () {
      for (const [minutes, expected] of [
        [4, "done"],
        [6, "Expired"]
      ] as const) {
        const { place: meeting } = yield* place("relay")
        const result = yield* meet(
          { inviting: meeting, joining: meeting },
          { lifetime: Duration.minutes(5), before: Effect.sleep(Duration.minutes(minutes)) }
        )
        assert.strictEqual(reasons(result)[0], expected)
      }
    })
  )

  fact("is good for one device: a second one is told, and gets nothing", () =>
    Effect.gen(function* () {
      const { place: meeting } = yield* place("relay")
      const second = Pairing.join({ place: meeting, code, name: "thief", device, confirm: () => Effect.succeed(true) })
      const fiber = yield* Effect.fork(Effect.either(Effect.zipRight(Effect.sleep("2 seconds"), second)))
      const result = yield* meet({ inviting: meeting, joining: meeting })
      const late = yield* patiently(Fiber.join(fiber))
      assert.deepStrictEqual(reasons(result), ["done", "done"])
      assert.strictEqual(Either.isLeft(late) && late.left.reason, "Used")
      const again = yield* patiently(Effect.flip(second))
      assert.strictEqual(again.reason, "Used")
    })
  )

  it("is typed as it is shown, in any case and grouping; what is mistyped is refused without being told", () =>
    FastCheck.assert(
      FastCheck.property(
        FastCheck.uint8Array({ minLength: 16, maxLength: 16 }),
        FastCheck.nat(28),
        FastCheck.option(FastCheck.constantFrom("cairn_0123abcd", undefined), { nil: null }),
        (secret, at, token) => {
          const relay =
            token === null
              ? {}
              : {
                  relay: {
                    url: "https://relay.example/x",
                    ...(token === undefined ? {} : { token: Redacted.make(token) })
                  }
                }
          const text = PairingCode.toText(primitives, { secret: Redacted.make(secret), ...relay })
          const read = right(PairingCode.fromText(primitives, ` ${text}\n`))
          assert.deepStrictEqual(Redacted.value(read.secret), secret)
          assert.strictEqual(read.relay?.url, token === null ? undefined : "https://relay.example/x")
          assert.strictEqual(read.relay?.token && Redacted.value(read.relay.token), token ?? undefined)
          if (token !== null) return
          const upper = text.toUpperCase().replaceAll("-", " ")
          assert.deepStrictEqual(Redacted.value(right(PairingCode.fromText(primitives, upper)).secret), secret)
          const letters = text.slice("pair-".length).replaceAll("-", "")
          const wrong = `pair-${letters.slice(0, at)}${letters[at] === "7" ? "8" : "7"}${letters.slice(at + 1)}`
          const refused = PairingCode.fromText(primitives, wrong)
          if (Either.isRight(refused)) assert.deepStrictEqual(Redacted.value(refused.right.secret), secret)
          else assert.notInclude(refused.left.message, letters.slice(0, 8))
        }
      )
    ))
})

describe("a message", () => {
  it("that is none is refused as a value, whatever its bytes are; one is what was written", () =>
    FastCheck.assert(
      FastCheck.property(FastCheck.uint8Array({ maxLength: 200 }), FastCheck.nat(60), (bytes, at) => {
        const forms = [Message.commit, Message.inviterReveal, Message.joinerReveal, Message.end, Message.grant]
        for (const { decode } of forms) decode(bytes)
        const written = Message.grant.encode(grant)
        assert.deepStrictEqual(right(Message.grant.decode(written)), grant)
        assert.isTrue(Either.isLeft(Message.grant.decode(written.subarray(0, at))))
        written[at] = written[at]! ^ 0xff
        for (const { decode } of forms) decode(written)
      })
    ))
})

describe("a place that", () => {
  fact("puts an entry in another's slot, answers old ones, or mixes up blobs brings nobody together wrongly", () =>
    Effect.gen(function* () {
      const { place: meeting } = yield* place("relay")
      const seen: Array<RegistryEntry.RegistryEntry> = []
      const blobs: Array<Uint8Array> = []
      let turn = 0
      const hostile: Place = {
        ...meeting,
        blobs: {
          ...meeting.blobs,
          put: (hash, bytes) => {
            blobs.push(bytes)
            return meeting.blobs.put(hash, bytes)
          },
          get: (hash) => (turn++ % 3 === 0 ? Effect.succeed(blobs[turn % blobs.length]!) : meeting.blobs.get(hash))
        },
        registry: {
          ...meeting.registry,
          set: (entry, over) => {
            seen.push(entry)
            return meeting.registry.set(entry, over)
          },
          entries: (key) =>
            turn++ % 2 === 0
              ? Effect.succeed([...seen].reverse())
              : Effect.orElseSucceed(meeting.registry.entries(key), () => [])
        }
      }
      const result = yield* meet({ inviting: hostile, joining: hostile })
      assert.deepStrictEqual(reasons(result), ["done", "done"])
      const [one, two] = result.seen
      assert.deepStrictEqual(one?.[1].words, two?.[1].words)
      assert.deepStrictEqual(Either.getOrThrow(result.joiner).grant, grant)
    })
  )

  fact("drops any one message keeps them apart, and nothing is handed over before both have agreed", () =>
    Effect.gen(function* () {
      // without the first one nobody comes, as with another code
      for (let dropped = 1; dropped < 6; dropped++) {
        const { place: meeting } = yield* place("relay")
        let count = 0
        const hostile: Place = {
          ...meeting,
          registry: {
            ...meeting.registry,
            set: (entry, over) =>
              count++ === dropped ? Effect.succeed({ _tag: "Stored", verdicts: [] }) : meeting.registry.set(entry, over)
          }
        }
        const short = { limit: Duration.seconds(20), lifetime: Duration.seconds(40) }
        const result = yield* meet({ inviting: hostile, joining: hostile }, short)
        assert.isTrue(Either.isLeft(result.joiner), `message ${dropped}`)
        // the last message is the grant itself, which was made by then
        assert.strictEqual(result.admitted.length, dropped === 5 ? 1 : 0, `message ${dropped}`)
      }
    })
  )

  fact("knows the code and stands between them cannot make the words equal", () =>
    Effect.gen(function* () {
      const [{ place: one }, { place: two }] = [yield* place("one"), yield* place("two")]
      const words: Array<string> = []
      const confirm = (question: Pairing.Question) =>
        Effect.sync(() => {
          words.push(question.words.join(" "))
          return true
        })
      // it joins as somebody on one side and invites on the other
      const thief = { ...device, ageRecipient: "age1thief" }
      const asJoiner = Pairing.join({
        place: one,
        code,
        name: "laptop",
        device: thief,
        confirm: () => Effect.succeed(true)
      })
      const asInviter = Pairing.invite({
        place: two,
        code,
        name: "desktop",
        did: "did:s5:b",
        confirm: () => Effect.succeed(true),
        admit: () => Effect.succeed(grant)
      })
      const between = yield* Effect.fork(
        Effect.all([Effect.either(asJoiner), Effect.either(asInviter)], { concurrency: 2 })
      )
      yield* meet(
        { inviting: one, joining: two },
        {
          say: (_, question) => {
            Effect.runSync(confirm(question))
            return true
          }
        }
      )
      yield* patiently(Fiber.join(between))
      assert.strictEqual(words.length, 2)
      assert.notStrictEqual(words[0], words[1])
    })
  )

  fact("knows the code and changes what was committed to, or hands over something of its own, is found out", () =>
    Effect.gen(function* () {
      const secret = Redacted.value(code.secret)
      for (const [role, step] of [
        ["inviter", "reveal"],
        ["joiner", "reveal"],
        ["inviter", "end"],
        ["joiner", "end"]
      ] as const) {
        const { place: meeting } = yield* place("relay")
        const envelope = yield* Envelope
        const { recipient } = yield* envelope.generateIdentity
        const forged =
          step === "end"
            ? Message.end.encode({
                sealed: yield* envelope.seal([recipient], Message.grant.encode(grant)),
                signature: new Uint8Array(64)
              })
            : role === "joiner"
              ? Message.joinerReveal.encode({
                  nonce: new Uint8Array(32),
                  recipient,
                  signer: strangerKey,
                  name: "laptop",
                  device
                })
              : Message.inviterReveal.encode({
                  nonce: new Uint8Array(32),
                  recipient,
                  signer: strangerKey,
                  name: "desktop",
                  did: "did",
                  store: "s"
                })
        const sealed = yield* envelope.seal([AgeKey.recipient(Message.envelopeSeed(primitives, secret))], forged)
        const slot = Message.slot(primitives, secret, role, step)
        const planted = right(
          RegistryEntry.sign(primitives, Message.signingSeed(primitives, secret, role), {
            vaultId: slot.vaultId,
            revision: 1n,
            hash: primitives.blake3(sealed)
          })
        )
        yield* meeting.blobs.put(planted.hash, sealed)
        const isSlot = (entry: RegistryEntry.RegistryEntry) =>
          entry.key._tag === "Vault" && Bytes.equals(entry.key.vaultId, slot.vaultId)
        const hostile: Place = {
          ...meeting,
          registry: {
            ...meeting.registry,
            set: (entry, over) =>
              isSlot(entry)
                ? meeting.registry.set(planted, []).pipe(Effect.as({ _tag: "Stored" as const, verdicts: [] }))
                : meeting.registry.set(entry, over)
          }
        }
        const result = yield* meet({ inviting: hostile, joining: hostile })
        assert.include(reasons(result), "Tampered", `${role} ${step}`)
        assert.isTrue(Either.isLeft(result.joiner))
        assert.strictEqual(result.admitted.length, role === "inviter" && step === "end" ? 1 : 0)
      }
    })
  )
})

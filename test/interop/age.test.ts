/** Envelopes of the reference, and our own. */
import { assert, describe, it, layer } from "@effect/vitest"
import { blake3 } from "@noble/hashes/blake3.js"
import { bech32 } from "@scure/base"
import { Encrypter, generateHybridIdentity, identityToRecipient } from "age-encryption"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import { generate } from "./generators.ts"
import { boolean, hex, list, load, named, number, objects, text, toHex, untested, whole } from "./vectors.ts"

const age = load("age.json")
const keys = objects(age.identities, "identities").map((entry) => ({
  name: text(entry.name),
  identity: Redacted.make(text(entry.identity)),
  recipient: text(entry.recipient)
}))
const key = (index: number) => {
  const found = keys[index]
  if (found === undefined) throw new Error(`no identity ${index}`)
  return found
}
const hello = Bytes.fromUtf8("hello")

// what we answer to what a name means, if it is one of these; the reference has one text for several of them
const expectedReasons: ReadonlyArray<readonly [name: RegExp, reason: string]> = [
  [/^wrong identity/, "NotForUs"],
  [/payload|too many|MAC|header only|^empty$/, "Malformed"]
]

/** The refusal; bytes in its place are told by their number, since printing them takes minutes. */
const refused = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flip(
    Effect.map(
      effect,
      (value) => new Error(`not refused: ${value instanceof Uint8Array ? `${value.length} bytes` : "accepted"}`)
    )
  )

/** The text with another last character. */
const misspelt = (text: string) => `${text.slice(0, -1)}${/q$/i.test(text) ? "p" : "q"}`

/** Key pairs of our own, since the vectors may hold any number. */
const ownKeys = Effect.flatMap(Envelope, ({ generateIdentity }) =>
  Effect.all([generateIdentity, generateIdentity, generateIdentity])
)

it("no list of age.json goes unchecked", () => {
  assert.deepStrictEqual(untested(age, ["identities", "decrypt", "rejections", "bad_recipients"]), [])
})

layer(EnvelopeAge.layer())("age", (it) => {
  describe("identities", () => {
    for (const { identity, name, recipient } of keys) {
      it.effect(`${name}: its recipient`, () =>
        Effect.gen(function* () {
          const envelope = yield* Envelope
          assert.strictEqual(yield* envelope.recipientOf(identity), recipient)
        })
      )
    }
  })

  describe("decrypt", () => {
    for (const [name, value] of named(objects(age.decrypt, "decrypt"))) {
      it.effect(name, () =>
        Effect.gen(function* () {
          const envelope = yield* Envelope
          const plaintext = generate(value.plaintext)
          const recipients = list(value.recipients).map((index) => number(index))
          assert.isAbove(recipients.length, 0)
          assert.strictEqual(plaintext.length, whole(value.plaintext_length))
          assert.strictEqual(toHex(blake3(plaintext)), text(value.plaintext_blake3))
          for (const index of keys.keys()) {
            const opened = yield* Effect.either(envelope.open([key(index).identity], hex(value.ciphertext)))
            if (recipients.includes(index)) {
              assert.isTrue(opened._tag === "Right" && Bytes.equals(opened.right, plaintext), `identity ${index}`)
            } else {
              assert.isTrue(opened._tag === "Left" && opened.left.reason === "NotForUs", `identity ${index}`)
            }
          }
          const all = yield* envelope.open(keys.map(({ identity }) => identity).reverse(), hex(value.ciphertext))
          assert.isTrue(Bytes.equals(all, plaintext))
        })
      )
    }
  })

  describe("rejections", () => {
    for (const [name, value] of named(objects(age.rejections, "rejections"))) {
      it.effect(name, () =>
        Effect.gen(function* () {
          const envelope = yield* Envelope
          assert.isTrue(boolean(value.refused))
          const identity = key(number(value.identity)).identity
          const error = yield* refused(envelope.open([identity], hex(value.ciphertext)))
          assert.include(["NotForUs", "Malformed"], error.reason)
          const expected = expectedReasons.find(([pattern]) => pattern.test(name))?.[1]
          if (expected !== undefined) assert.strictEqual(error.reason, expected)
        })
      )
    }
  })

  describe("bad_recipients", () => {
    for (const [name, value] of named(objects(age.bad_recipients, "bad_recipients"))) {
      it.effect(name, () =>
        Effect.gen(function* () {
          const envelope = yield* Envelope
          assert.isTrue(boolean(value.refused))
          const [own] = yield* ownKeys
          const given = text(value.text)
          const error = yield* refused(envelope.seal([own.recipient, given], hello))
          assert.strictEqual(error.reason, "BadRecipient")
          // what looks like an identity is not repeated
          if (/^age-secret-key-/i.test(given))
            assert.notInclude(error.message.toLowerCase(), given.slice(17).toLowerCase())
          else assert.include(error.message, JSON.stringify(given))
        })
      )
    }
  })

  describe("our own", () => {
    it.effect("what is sealed opens for every recipient and for nobody else, one stanza each in order", () =>
      Effect.gen(function* () {
        const envelope = yield* Envelope
        const [a, b, c] = yield* ownKeys
        const fresh = yield* envelope.generateIdentity
        assert.strictEqual(yield* envelope.recipientOf(fresh.identity), fresh.recipient)
        for (const length of [0, 1, 65_535, 65_536, 65_537, 131_072, 300_000]) {
          const plaintext = Uint8Array.from({ length }, (_, i) => i % 251)
          const sealed = yield* envelope.seal([b.recipient, fresh.recipient], plaintext)
          const header = new TextDecoder("latin1").decode(sealed.subarray(0, 500))
          assert.match(header, /^age-encryption\.org\/v1\n(-> X25519 \S{43}\n\S{43}\n){2}--- \S{43}\n/)
          for (const identity of [b.identity, fresh.identity]) {
            assert.isTrue(Bytes.equals(yield* envelope.open([identity], sealed), plaintext), `${length}`)
          }
          const error = yield* refused(envelope.open([a.identity, c.identity], sealed))
          assert.strictEqual(error.reason, "NotForUs")
          assert.strictEqual(error.subject, 2)
          assert.notStrictEqual(toHex(sealed), toHex(yield* envelope.seal([b.recipient, fresh.recipient], plaintext)))
        }
      })
    )

    it.effect("every cut and every changed byte is refused", () =>
      Effect.gen(function* () {
        const envelope = yield* Envelope
        const [a, , c] = yield* ownKeys
        const sealed = yield* envelope.seal([a.recipient, c.recipient], hello)
        const refused = (bytes: Uint8Array, what: string) =>
          envelope.open([c.identity], bytes).pipe(
            Effect.flip,
            Effect.tap(({ reason }) => Effect.sync(() => assert.include(["Malformed", "NotForUs"], reason, what)))
          )
        for (let length = 0; length < sealed.length; length++) {
          yield* refused(sealed.subarray(0, length), `cut to ${length}`)
        }
        for (let at = 0; at < sealed.length; at++) {
          const flipped = sealed.slice()
          flipped[at]! ^= 1 << (at & 7)
          yield* refused(flipped, `byte ${at}`)
        }
        yield* refused(Bytes.concat(sealed, Uint8Array.of(0)), "one more")
        assert.strictEqual(toHex(yield* envelope.open([c.identity], sealed)), toHex(hello))
      })
    )

    it.effect("chunks that are left out or change places are refused", () =>
      Effect.gen(function* () {
        const envelope = yield* Envelope
        const [a] = yield* ownKeys
        const sealed = yield* envelope.seal([a.recipient], new Uint8Array(3 * 65_536))
        const chunk = 65_536 + 16
        const start = sealed.length - 3 * chunk
        const part = (n: number) => sealed.subarray(start + n * chunk, start + (n + 1) * chunk)
        const head = sealed.subarray(0, start)
        const orders = [
          [0, 1],
          [0, 2],
          [1, 0, 2],
          [0, 1, 2, 2]
        ]
        for (const order of orders) {
          const error = yield* refused(envelope.open([a.identity], Bytes.concat(head, ...order.map(part))))
          assert.strictEqual(error.reason, "Malformed")
        }
      })
    )

    it.effect("armor, passphrases, empty lists and too large contents are refused by name", () =>
      Effect.gen(function* () {
        const envelope = yield* Envelope
        const [a] = yield* ownKeys
        const reasonOf = <A>(effect: Effect.Effect<A, { readonly reason: string; readonly message: string }>) =>
          Effect.map(Effect.flip(effect), ({ message, reason }) => `${reason}: ${message}`)
        const armored = Bytes.fromUtf8("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n")
        assert.match(yield* reasonOf(envelope.open([a.identity], armored)), /^Malformed: .*armored/)
        const withPassphrase = new Encrypter()
        withPassphrase.setPassphrase("open sesame")
        withPassphrase.setScryptWorkFactor(2)
        const sealed = yield* Effect.promise(() => withPassphrase.encrypt(hello))
        assert.match(yield* reasonOf(envelope.open([a.identity], sealed)), /^Malformed: .*passphrase/)
        assert.match(yield* reasonOf(envelope.seal([], hello)), /^NoRecipients/)
        assert.match(yield* reasonOf(envelope.open([], hello)), /^NoIdentities/)
        const small = EnvelopeAge.make({ maxBytes: 1000 })
        assert.match(yield* reasonOf(small.seal([a.recipient], new Uint8Array(1001))), /^TooLarge: .*1001.*1000/)
        assert.match(yield* reasonOf(small.open([a.identity], new Uint8Array(1001))), /^TooLarge/)
      })
    )

    it.effect("a header of thousands of stanzas is refused before any of them is tried", () =>
      Effect.gen(function* () {
        const envelope = yield* Envelope
        const [a, b] = yield* ownKeys
        const sealed = yield* envelope.seal([a.recipient], hello)
        const text = new TextDecoder("latin1").decode(sealed)
        const stanza = text.slice(text.indexOf("->"), text.indexOf("---"))
        const many = Bytes.concat(
          sealed.subarray(0, text.indexOf("->")),
          Bytes.fromUtf8(stanza.repeat(5000)),
          sealed.subarray(text.indexOf("---"))
        )
        const error = yield* refused(envelope.open([b.identity], many))
        assert.match(error.message, /5000 stanzas/)
        const tooMany = Array.from({ length: 1025 }, () => a.recipient)
        assert.strictEqual((yield* refused(envelope.seal(tooMany, hello))).reason, "TooLarge")
      })
    )

    it.effect("recipients of other kinds, with small-order points or stray characters are refused", () =>
      Effect.gen(function* () {
        const envelope = yield* Envelope
        const [a] = yield* ownKeys
        const hybrid = yield* Effect.promise(async () => identityToRecipient(await generateHybridIdentity()))
        const good = a.recipient
        const bad = [hybrid, ` ${good}`, `${good}\n`, good.toUpperCase(), good.slice(0, -1), misspelt(good)]
        for (const u of [new Uint8Array(32), Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))]) {
          bad.push(bech32.encodeFromBytes("age", u))
        }
        for (const recipient of bad) {
          const error = yield* refused(envelope.seal([recipient], hello))
          assert.strictEqual(error.reason, "BadRecipient", recipient)
        }
      })
    )

    it.effect("a bad identity is named by its position and never printed", () =>
      Effect.gen(function* () {
        const envelope = yield* Envelope
        const [a] = yield* ownKeys
        const good = Redacted.value(a.identity)
        const sealed = yield* envelope.seal([a.recipient], hello)
        const hybrid = yield* Effect.promise(() => generateHybridIdentity())
        for (const text of [
          hybrid,
          good.slice(0, -2),
          misspelt(good).toUpperCase(),
          good.toLowerCase(),
          `${good} `,
          "x"
        ]) {
          const error = yield* refused(envelope.open([a.identity, Redacted.make(text)], sealed))
          assert.strictEqual(error.reason, "BadIdentity")
          assert.strictEqual(error.subject, 2)
          const printed = `${error.message} ${JSON.stringify(error)} ${String(error.stack)}`
          if (text.length > 20) {
            assert.notInclude(printed.toUpperCase(), text.slice(17, 40).toUpperCase())
          }
          assert.strictEqual((yield* refused(envelope.recipientOf(Redacted.make(text)))).reason, "BadIdentity")
        }
      })
    )
  })
})

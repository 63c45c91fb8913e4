/**
 * One device letting in another over a place that neither trusts.
 *
 * Both commit, both reveal, both show the same words to a person, who compares them; only then is anything handed over. A
 * code is good for one exchange.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as AgeKey from "../schema/AgeKey.ts"
import * as Bytes from "../schema/Bytes.ts"
import type * as DeviceCatalogue from "../schema/DeviceCatalogue.ts"
import type { FormatError } from "../schema/FormatError.ts"
import type * as PairingCode from "../schema/PairingCode.ts"
import * as Message from "../schema/PairingMessage.ts"
import * as PublicKey from "../schema/PublicKey.ts"
import * as RegistryEntry from "../schema/RegistryEntry.ts"
import * as StreamKey from "../schema/StreamKey.ts"
import * as Crypto from "../services/Crypto.ts"
import * as Envelope from "../services/Envelope.ts"
import type * as Places from "../services/Places.ts"

/**
 * The devices did not come together.
 *
 * - `Expired`: the other side did not come, or went away.
 * - `Used`: another device was faster with the same code.
 * - `Tampered`: what came is not what was committed to or signed: somebody who knows the code stands in between.
 * - `Refused`: the person at the other device found other words there, or did not want it.
 * - `NotConfirmed`: the person here did.
 * - `Unreachable`: the store that both meet at does not let this device write or read.
 *
 * @since 0.1.0
 * @category errors
 */
export class PairingError extends Schema.TaggedError<PairingError>()("PairingError", {
  reason: Schema.Literal("Expired", "Used", "Tampered", "Refused", "NotConfirmed", "Unreachable"),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** How long a code is good for, and each further step may take. @since 0.1.0 @category constants */
export const defaultLifetime = Duration.minutes(30)

/** How long the new device looks for the inviting one before it calls a code expired. @since 0.1.0 @category constants */
export const patience = Duration.minutes(2)

/** How long a person may take to compare words, and the inviting device to seal what there is anew. @since 0.1.0 @category constants */
export const stepLimit = Duration.minutes(60)

/** More than any message is long. */
const maxLength = 64 * 1024

/** Between two looks: from the shorter up to the longer, so that a person who waits long is no burden to the place. */
const pauses = { first: 250, longest: 3000 }

/** @since 0.1.0 @category models */
export interface Options {
  readonly place: Places.Place
  readonly code: PairingCode.PairingCode
  /** What this device calls itself. */
  readonly name: string
  /** How long each step after the first may take; `stepLimit` when absent. */
  readonly limit?: Duration.Duration
}

const used = new PairingError({
  reason: "Used",
  detail: "another device has used this code already; make a new one with `cairn invite`"
})

/** What both sides can do once they share a code. */
const channel = Effect.fnUntraced(function* ({ code, place }: Options, role: Message.Role) {
  const { primitives } = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope
  const secret = Redacted.value(code.secret)
  const outer = Message.envelopeSeed(primitives, secret)
  const outerIdentity = Redacted.make(AgeKey.identity(outer))
  const outerRecipient = AgeKey.recipient(outer)
  const failed = (reason: PairingError["reason"], detail: string) => new PairingError({ reason, detail })
  const tampered = (error: { readonly message: string }) =>
    failed("Tampered", `what the other device sent is not from it (${error.message}); start again with a new code`)

  /** Tries until `deadline`, and then fails with the last problem. */
  const persist = <A, E extends { readonly message: string; readonly reason?: unknown }, R>(
    attempt: Effect.Effect<A | undefined, E | PairingError, R>,
    deadline: number,
    late: string
  ): Effect.Effect<A, PairingError, R> =>
    Effect.gen(function* () {
      for (let wait = pauses.first; ; wait = Math.min(pauses.longest, wait * 1.5)) {
        const ended = yield* Effect.either(attempt)
        if (Either.isRight(ended) && ended.right !== undefined) return ended.right
        if (Either.isLeft(ended) && ended.left instanceof PairingError) return yield* ended.left
        if (Either.isLeft(ended) && (ended.left.reason === "Denied" || ended.left.reason === "Full"))
          return yield* failed("Unreachable", ended.left.message)
        // a place that is away, or says what cannot be, may have the message later
        if ((yield* Clock.currentTimeMillis) >= deadline)
          return yield* Either.isLeft(ended) && ended.left.reason !== "Missing"
            ? failed("Unreachable", `${late}: ${ended.left.message}`)
            : failed("Expired", late)
        yield* Effect.sleep(Duration.millis(wait))
      }
    })

  const send = Effect.fnUntraced(function* (step: Message.Step, bytes: Uint8Array, deadline: number) {
    const key = Message.slot(primitives, secret, role, step)
    const sealed = yield* Effect.mapError(envelope.seal([outerRecipient], bytes), tampered)
    const hash = primitives.blake3(sealed)
    const entry = yield* Effect.mapError(
      RegistryEntry.sign(primitives, Message.signingSeed(primitives, secret, role), {
        vaultId: key.vaultId,
        revision: 1n,
        hash
      }),
      tampered
    )
    yield* persist(
      Effect.gen(function* () {
        yield* place.blobs.put(hash, sealed)
        yield* place.blobs.sync
        const outcome = yield* place.registry.set(entry, [])
        if (outcome._tag === "Stored" || Bytes.equals(outcome.current.hash, hash)) return true
        return yield* used
      }),
      deadline,
      `store ${place.name} could not be written to in time`
    )
  })

  /** The other side's message of a step, once it is there. */
  const receive = <A>(
    step: Message.Step,
    decode: (bytes: Uint8Array) => Either.Either<A, FormatError>,
    deadline: number,
    late: string
  ) => {
    const key = Message.slot(primitives, secret, role === "inviter" ? "joiner" : "inviter", step)
    const attempt = Effect.gen(function* () {
      const entries = yield* place.registry.entries(key)
      // whoever answers something else is no proof that there is nothing
      const entry = entries.find(
        (one) =>
          one.revision === 1n &&
          StreamKey.toHex(one.key) === StreamKey.toHex(key) &&
          RegistryEntry.RegistryEntry.is(one)
      )
      if (entry === undefined) return undefined
      const sealed = yield* place.blobs.get(entry.hash)
      if (sealed.length > maxLength || !Bytes.equals(primitives.blake3(sealed), entry.hash)) return undefined
      const bytes = yield* Effect.mapError(envelope.open([outerIdentity], sealed), tampered)
      return { bytes, message: yield* Effect.mapError(decode(bytes), tampered) }
    })
    return persist(attempt, deadline, late)
  }

  /** Takes the messages away; what stays is of no use to anybody without the code. */
  const clear = Effect.forEach(
    (["inviter", "joiner"] as const).flatMap((who) =>
      (["commit", "reveal", "end"] as const).map((step) => Message.slot(primitives, secret, who, step))
    ),
    (key) =>
      Effect.ignore(
        Effect.flatMap(place.registry.entries(key), (entries) =>
          Effect.forEach(entries, ({ hash }) => place.blobs.remove(hash), { discard: true })
        )
      ),
    { discard: true }
  )

  return { primitives, envelope, secret, failed, tampered, send, receive, clear }
})

/** Keys of this exchange alone. */
const ephemeral = Effect.gen(function* () {
  const { primitives, randomBytes } = yield* Crypto.Crypto
  const envelope = yield* Envelope.Envelope
  const seed = yield* randomBytes(32)
  const { identity, recipient } = yield* envelope.generateIdentity
  return {
    nonce: yield* randomBytes(32),
    identity,
    recipient,
    seed,
    signer: PublicKey.unsafeFromBytes(primitives.ed25519PublicKey(seed))
  }
})

type Keys = Effect.Effect.Success<typeof ephemeral>
type Channel = Effect.Effect.Success<ReturnType<typeof channel>>

/** The last message of a role: for the other's key alone, and signed over everything that was said. */
const close = Effect.fnUntraced(function* (
  { envelope, primitives, tampered }: Channel,
  role: Message.Role,
  keys: Keys,
  recipient: string,
  hash: Uint8Array,
  bytes: Uint8Array
) {
  const sealed = yield* Effect.mapError(envelope.seal([recipient], bytes), tampered)
  const signature = primitives.ed25519Sign(keys.seed, Message.endMessage(role, hash, sealed))
  return Message.end.encode({ sealed, signature })
})

/** What the other side's last message holds, if that side made it. */
const opened = Effect.fnUntraced(function* (
  { envelope, primitives, tampered }: Channel,
  role: Message.Role,
  keys: Keys,
  signer: PublicKey.PublicKey,
  hash: Uint8Array,
  { sealed, signature }: Message.End
) {
  if (!primitives.ed25519Verify(signer, Message.endMessage(role, hash, sealed), signature))
    return yield* tampered({ message: "it is signed by nobody who was there" })
  return yield* Effect.mapError(envelope.open([keys.identity], sealed), tampered)
})

/** What a person is asked to compare. @since 0.1.0 @category models */
export interface Question {
  /** The same on both devices, if nobody stands in between. */
  readonly words: ReadonlyArray<string>
  /** What the other device calls itself. */
  readonly other: string
}

const isCommitted = (
  primitives: Channel["primitives"],
  role: Message.Role,
  commit: Message.Commit,
  bytes: Uint8Array
) => Bytes.equals(Message.commitmentOf(primitives, role, bytes), commit.commitment)

const left = "the other device went away in the middle; start again with a new code"

/** @since 0.1.0 @category models */
export interface InviteOptions<E, R, E2, R2> extends Options {
  readonly did: string
  /** How long the code is good for. */
  readonly lifetime?: Duration.Duration
  /** Whether the person here finds these words on the other device, too. */
  readonly confirm: (question: Question) => Effect.Effect<boolean, E, R>
  /** Lets the device in, and answers what it gets. */
  readonly admit: (name: string, device: DeviceCatalogue.DeviceKeys) => Effect.Effect<Message.Grant, E2, R2>
}

/**
 * Waits for a device with the code, has both people compare words, lets the device in and hands it what it needs. Nothing
 * is handed over before both have said that the words are equal.
 *
 * @since 0.1.0
 * @category programs
 */
export const invite = Effect.fn("Pairing.invite")(function* <E, R, E2, R2>(options: InviteOptions<E, R, E2, R2>) {
  const { admit, confirm, did, lifetime = defaultLifetime, limit = stepLimit, name, place } = options
  const lane = yield* channel(options, "inviter")
  const { failed, primitives, receive, secret, send, tampered } = lane
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(lifetime)
  const later = Effect.map(Clock.currentTimeMillis, (now) => now + Duration.toMillis(limit))
  const exchange = Effect.gen(function* () {
    const keys = yield* ephemeral
    const { nonce, recipient, signer } = keys
    const inviterReveal = Message.inviterReveal.encode({ nonce, recipient, signer, name, did, store: place.name })
    const inviterCommit = Message.commit.encode({
      commitment: Message.commitmentOf(primitives, "inviter", inviterReveal)
    })
    yield* send("commit", inviterCommit, deadline)
    const theirs = yield* receive(
      "commit",
      Message.commit.decode,
      deadline,
      "nobody came with the code while it was good"
    )
    yield* send("reveal", inviterReveal, yield* later)
    const revealed = yield* receive("reveal", Message.joinerReveal.decode, yield* later, left)
    if (!isCommitted(primitives, "joiner", theirs.message, revealed.bytes))
      return yield* tampered({ message: "it is not what was committed to" })
    const hash = Message.transcript(primitives, secret, {
      inviterCommit,
      joinerCommit: theirs.bytes,
      inviterReveal,
      joinerReveal: revealed.bytes
    })
    const joiner = revealed.message
    const end = Effect.fnUntraced(function* (bytes: Uint8Array) {
      const closing = yield* close(lane, "inviter", keys, joiner.recipient, hash, bytes)
      yield* send("end", closing, yield* later)
    })
    const refusal = Message.decision.encode(false)
    const isEqual = yield* confirm({ words: Message.words(primitives, hash), other: joiner.name })
    if (!isEqual) {
      yield* end(refusal)
      return yield* failed("NotConfirmed", "the words are not the same: nothing was handed over; the code is void")
    }
    const answer = yield* receive("end", Message.end.decode, yield* later, left)
    const decision = yield* Effect.flatMap(opened(lane, "joiner", keys, joiner.signer, hash, answer.message), (bytes) =>
      Effect.mapError(Message.decision.decode(bytes), tampered)
    )
    if (!decision)
      return yield* failed("Refused", "the other device refused: nothing was handed over; the code is void")
    // nothing is lost where the refusal does not arrive: the other device gives up in time, and has been given nothing
    const grant = yield* Effect.tapError(admit(joiner.name, joiner.device), () => Effect.ignore(end(refusal)))
    yield* end(Message.grant.encode(grant))
    return { name: joiner.name, label: grant.label, device: joiner.device }
  })
  return yield* exchange
})

/** @since 0.1.0 @category models */
export interface JoinOptions<E, R> extends Options {
  /** The keys of this device, which are let in. */
  readonly device: DeviceCatalogue.DeviceKeys
  /** Whether the person here finds these words on the other device, too. */
  readonly confirm: (question: Question) => Effect.Effect<boolean, E, R>
}

/** What a new device was given. @since 0.1.0 @category models */
export interface Joined {
  readonly grant: Message.Grant
  readonly did: string
  /** What the inviting device calls itself, and the store that both met at. */
  readonly inviter: string
  readonly store: string
}

/**
 * Comes to a device that invites, has both people compare words, and answers what it is given.
 *
 * @since 0.1.0
 * @category programs
 */
export const join = Effect.fn("Pairing.join")(function* <E, R>(options: JoinOptions<E, R>) {
  const { confirm, device, limit = stepLimit, name, place } = options
  const lane = yield* channel(options, "joiner")
  const { clear, failed, primitives, receive, secret, send, tampered } = lane
  const later = Effect.map(Clock.currentTimeMillis, (now) => now + Duration.toMillis(limit))
  const soon = (yield* Clock.currentTimeMillis) + Duration.toMillis(patience)
  const slot = Message.slot(primitives, secret, "joiner", "commit")
  // nothing is lost where it does not answer: the first message is only kept where there is none
  const taken = yield* Effect.orElseSucceed(place.registry.entries(slot), () => [])
  if (taken.some(({ key }) => StreamKey.equals(key, slot))) return yield* used
  const keys = yield* ephemeral
  const { nonce, recipient, signer } = keys
  const joinerReveal = Message.joinerReveal.encode({ nonce, recipient, signer, name, device })
  const joinerCommit = Message.commit.encode({ commitment: Message.commitmentOf(primitives, "joiner", joinerReveal) })
  const theirs = yield* receive(
    "commit",
    Message.commit.decode,
    soon,
    `nobody waits for this code at ${place.name}: it has expired, or \`cairn invite\` runs over another store`
  )
  yield* send("commit", joinerCommit, soon)
  const revealed = yield* receive("reveal", Message.inviterReveal.decode, yield* later, left)
  if (!isCommitted(primitives, "inviter", theirs.message, revealed.bytes))
    return yield* tampered({ message: "it is not what was committed to" })
  yield* send("reveal", joinerReveal, yield* later)
  const hash = Message.transcript(primitives, secret, {
    inviterCommit: theirs.bytes,
    joinerCommit,
    inviterReveal: revealed.bytes,
    joinerReveal
  })
  const inviter = revealed.message
  const isEqual = yield* confirm({ words: Message.words(primitives, hash), other: inviter.name })
  const closing = yield* close(lane, "joiner", keys, inviter.recipient, hash, Message.decision.encode(isEqual))
  yield* send("end", closing, yield* later)
  if (!isEqual) return yield* failed("NotConfirmed", "the words are not the same: nothing was taken; the code is void")
  const answer = yield* receive("end", Message.end.decode, yield* later, left)
  const bytes = yield* opened(lane, "inviter", keys, inviter.signer, hash, answer.message)
  if (Either.isRight(Message.decision.decode(bytes)))
    return yield* failed("Refused", "the inviting device did not let this one in; the code is void")
  const grant = yield* Effect.mapError(Message.grant.decode(bytes), tampered)
  // nothing is lost where this fails: without the code they are of no use
  yield* clear
  const joined: Joined = { grant, did: inviter.did, inviter: inviter.name, store: inviter.store }
  return joined
})

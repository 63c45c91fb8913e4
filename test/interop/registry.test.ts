/** Every list of registry.json: keys, messages, what is refused, and the two orders. */
import { assert, describe, it } from "@effect/vitest"
import type * as Either from "effect/Either"
import type { FormatError } from "../../src/schema/FormatError.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as PublicKey from "../../src/schema/PublicKey.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as VaultId from "../../src/schema/VaultId.ts"
import { refusal, right } from "../support/either.ts"
import { primitives } from "../support/primitives.ts"
import {
  big,
  boolean,
  hex,
  isAbsent,
  type Json,
  load,
  named,
  number,
  object,
  objects,
  text,
  toHex,
  untested
} from "./vectors.ts"

const vectors = load("registry.json")

const keyOf = (value: Json | undefined): StreamKey.StreamKey => {
  const key = object(value)
  switch (text(key.variant)) {
    case "local":
      return right(StreamKey.local(hex(key.data)))
    case "blake3_hash_pin":
      return StreamKey.blake3HashPin(right(Hash.fromBytes(hex(key.data))))
    case "vault":
      return StreamKey.vault(right(PublicKey.fromBytes(hex(key.pubkey))), right(VaultId.fromBytes(hex(key.vault_id))))
    default:
      throw new Error(`unknown variant ${text(key.variant)}`)
  }
}

const messageOf = (value: Json | undefined): RegistryEntry.Unverified => {
  const message = object(value)
  const type = text(message.type)
  if (type !== "registry" && type !== "stream") throw new Error(`unknown type ${type}`)
  return {
    type,
    key: keyOf(message.key),
    revision: big(message.revision),
    hash: right(Hash.fromBytes(hex(message.hash))),
    signature: hex(message.signature),
    ...(message.data === null || message.data === undefined ? {} : { data: hex(message.data) })
  }
}

const expectMessage = (message: RegistryEntry.Unverified, expected: Json | undefined) => {
  const vector = object(expected)
  assert.strictEqual(message.type, text(vector.type))
  assert.isTrue(StreamKey.equals(message.key, keyOf(vector.key)))
  assert.strictEqual(message.revision, big(vector.revision))
  assert.strictEqual(toHex(message.hash), text(vector.hash))
  assert.strictEqual(toHex(message.signature), text(vector.signature))
  assert.strictEqual(message.data === undefined ? null : toHex(message.data), vector.data ?? null)
}

it("no list of registry.json goes unchecked", () => {
  assert.deepStrictEqual(
    untested(vectors, [
      "constants",
      "keys",
      "messages",
      "unsigned_messages",
      "construction_rejections",
      "parse_cases",
      "storage_keys",
      "storage_key_rejections",
      "stream_key_order",
      "ordering_messages",
      "ordering_pairs"
    ]),
    []
  )
})

it("registry.json constants", () => {
  const constants = object(vectors.constants)
  const byte = (value: Json | undefined) => Number.parseInt(text(value), 16)
  assert.strictEqual(number(constants.max_vault_payload), 33 + RegistryEntry.maxData.Vault)
  assert.strictEqual(number(constants.max_inline_data), RegistryEntry.maxData.Local)
  assert.strictEqual(byte(constants.type_registry), RegistryEntry.typeByte.registry)
  assert.strictEqual(byte(constants.type_stream), RegistryEntry.typeByte.stream)
  assert.strictEqual(byte(constants.keytype_vault), StreamKey.tag.Vault)
  assert.strictEqual(byte(constants.keytype_local), StreamKey.tag.Local)
  assert.strictEqual(byte(constants.keytype_pin), StreamKey.tag.Blake3HashPin)
})

describe("registry.json keys", () => {
  for (const [name, vector] of named(objects(vectors.keys))) {
    it(name, () => {
      assert.strictEqual(toHex(primitives.ed25519PublicKey(hex(vector.seed))), text(vector.public_key))
    })
  }
})

describe("registry.json messages", () => {
  for (const [name, vector] of named(objects(vectors.messages))) {
    const message = messageOf(vector.message)
    const { key, revision, hash, data } = message

    if (key._tag === "Vault" && message.type === "stream") {
      it(`${name}: refused, since its signature would also be that of a registry message`, () => {
        assert.include(
          refusal(RegistryEntry.fromBytes(primitives, hex(vector.wire))).message,
          "must be a registry message"
        )
        assert.include(refusal(RegistryEntry.verify(primitives, message)).message, "must be a registry message")
        assert.isTrue(primitives.ed25519Verify(key.publicKey, hex(vector.signing_input), message.signature))
      })
      continue
    }

    it(`${name}: signing gives the reference's bytes`, () => {
      if (key._tag !== "Vault") throw new Error("it is not signed")
      const entry = right(
        RegistryEntry.sign(primitives, hex(vector.seed), {
          vaultId: key.vaultId,
          revision,
          hash,
          ...(data === undefined ? {} : { data })
        })
      )
      assert.strictEqual(toHex(RegistryEntry.toBytes(entry)), text(vector.wire))
      assert.strictEqual(toHex(entry.signature), toHex(message.signature))
      assert.strictEqual(
        toHex(primitives.ed25519Sign(hex(vector.seed), hex(vector.signing_input))),
        toHex(entry.signature)
      )
      assert.strictEqual(StreamKey.toHex(entry.key), text(vector.storage_key))
    })

    it(`${name}: the reference's bytes read back and verify`, () => {
      const entry = right(RegistryEntry.fromBytes(primitives, hex(vector.wire)))
      expectMessage(entry, vector.parsed)
      assert.strictEqual(toHex(RegistryEntry.toBytes(entry)), text(vector.wire))
      assert.isTrue(RegistryEntry.equals(entry, right(RegistryEntry.verify(primitives, message))))
    })
  }
})

describe("registry.json unsigned_messages (a pin's data need not hash to its hash, as in some of these)", () => {
  for (const [index, vector] of objects(vectors.unsigned_messages).entries()) {
    const message = messageOf(vector.message)
    it(`case ${index}: ${message.type} ${message.key._tag}, ${text(vector.name)}`, () => {
      const { key } = message
      if (key._tag === "Vault") throw new Error("a vault's message is signed")
      const entry = right(RegistryEntry.make({ ...message, key }))
      const wire = RegistryEntry.toBytes(entry)
      assert.strictEqual(wire.length, number(vector.wire_length))
      assert.strictEqual(toHex(primitives.blake3(wire)), text(vector.wire_blake3))
      assert.strictEqual(StreamKey.toHex(entry.key), text(vector.storage_key))
      if (typeof vector.wire === "string") assert.strictEqual(toHex(wire), vector.wire)
      expectMessage(right(RegistryEntry.fromBytes(primitives, wire)), vector.parsed)
    })
  }
})

describe("registry.json construction_rejections", () => {
  const seed = new Uint8Array(32).fill(1)
  const content = { revision: 1n, hash: Hash.zero }
  const vaultId = VaultId.unsafeFromBytes(new Uint8Array(16))
  const local = right(StreamKey.local(new Uint8Array(32)))
  const signed = right(RegistryEntry.sign(primitives, seed, { ...content, vaultId }))
  const unsigned = { ...content, type: "registry", key: local, signature: new Uint8Array() } as const
  const vaultWithSignature = (length: number): RegistryEntry.Unverified => ({
    ...content,
    type: "registry",
    key: signed.key,
    signature: new Uint8Array(length)
  })

  /** The vectors only name what is tried; these are the attempts that the names mean. */
  const attempts: ReadonlyArray<
    readonly [name: RegExp, attempt: (count: number) => Either.Either<unknown, FormatError>, ours: RegExp]
  > = [
    [
      /^(?:inline data of )?(\d+) (?:bytes of data|data bytes|bytes) (?:for|with|under) a vault key$/,
      (count) => RegistryEntry.sign(primitives, seed, { ...content, vaultId, data: new Uint8Array(count) }),
      /at most 222 bytes/
    ],
    [
      /^vault key with (\d+) bytes of (?:inline )?data$/,
      (count) => RegistryEntry.sign(primitives, seed, { ...content, vaultId, data: new Uint8Array(count) }),
      /at most 222 bytes/
    ],
    [
      /^vault key with(?:out| an empty) signature$|^signature required/,
      () => RegistryEntry.verify(primitives, vaultWithSignature(0)),
      /must be signed/
    ],
    [
      /^vault key with (?:an? )?(\d+)-byte signature$/,
      (count) => RegistryEntry.verify(primitives, vaultWithSignature(count)),
      /expected 64 bytes/
    ],
    [
      /^local key with (?:an? )?(?:(\d+)-byte )?signature$/,
      (count) => RegistryEntry.verify(primitives, { ...unsigned, signature: new Uint8Array(count) }),
      /expected 0 bytes, got [1-9]/
    ],
    [
      /^(?:blake3 hash )?pin(?: key)? with (?:an? )?(?:(\d+)-byte )?signature$/,
      (count) =>
        RegistryEntry.verify(primitives, {
          ...unsigned,
          key: StreamKey.blake3HashPin(Hash.zero),
          signature: new Uint8Array(count)
        }),
      /expected 0 bytes, got [1-9]/
    ],
    [
      /^local key with (\d+) bytes of (?:inline )?data$|^inline data too large: (?=\d)/,
      (count) => RegistryEntry.make({ ...unsigned, data: new Uint8Array(Math.max(count, 1025)) }),
      /at most 1024 bytes/
    ],
    [
      /^invalid signature length: expected 0, got (\d+)/,
      (count) => RegistryEntry.verify(primitives, { ...unsigned, signature: new Uint8Array(count) }),
      /expected 0 bytes, got/
    ],
    [
      /^invalid signature length: expected 64, got (\d+)/,
      (count) => RegistryEntry.verify(primitives, vaultWithSignature(count)),
      /expected 64 bytes/
    ],
    [
      // tag and hash are 33 of the bytes
      /^vault payload exceeds .*: (\d+) bytes/,
      (count) => RegistryEntry.sign(primitives, seed, { ...content, vaultId, data: new Uint8Array(count - 33) }),
      /at most 222 bytes/
    ],
    [
      /^signature verification failed/,
      () => RegistryEntry.verify(primitives, vaultWithSignature(64)),
      /not the key's signature/
    ]
  ]

  for (const [name, vector] of named(objects(vectors.construction_rejections))) {
    it(name, () => {
      // by its name, else by what the reference says of it
      for (const said of [name, isAbsent(vector.error) ? "" : text(vector.error)]) {
        for (const [pattern, attempt, ours] of attempts) {
          const match = pattern.exec(said)
          if (match !== null) return assert.match(refusal(attempt(Number(match[1] ?? 64))).message, ours)
        }
      }
      throw new Error(`no attempt is known for ${JSON.stringify(name)}`)
    })
  }
})

/** What our message says where the reference names a variant. */
const saidAs: { readonly [variant: string]: RegExp } = {
  InsufficientBytes: /ends early/,
  InvalidMessageType: /unknown message type/,
  InvalidKey: /unknown key type/,
  UnknownMultihashTag: /unknown multihash tag/,
  InvalidSignature: /not the key's signature/,
  DataTooLarge: /at most 1024 bytes/,
  VaultPayloadTooLarge: /at most 222 bytes/
}

/** Why we refuse bytes that the reference accepts, or nothing where we accept them too. */
const stricter = (wire: Uint8Array): string | undefined => {
  if (wire[1] !== StreamKey.tag.Vault) return undefined
  if (wire[0] === RegistryEntry.typeByte.stream) return "must be a registry message"
  const length = 123 + (wire[58] ?? 0)
  return wire.length > length ? `${wire.length - length} bytes follow the signature` : undefined
}

describe("registry.json parse_cases", () => {
  for (const [name, vector] of named(objects(vectors.parse_cases))) {
    const wire = hex(vector.wire)
    const result = RegistryEntry.fromBytes(primitives, wire)
    if (!boolean(vector.ok)) {
      it(name, () => {
        const { message } = refusal(result)
        const variant = isAbsent(vector.variant) ? "" : text(vector.variant)
        // where two things are wrong, we may name the one that the reference does not mind
        const ours = stricter(wire)
        if (ours !== undefined && message.includes(ours)) return
        assert.match(message, saidAs[variant] ?? /./, variant)
      })
      continue
    }
    const reason = stricter(wire)
    if (reason === undefined) {
      it(`${name}: accepted`, () => {
        const entry = right(result)
        expectMessage(entry, vector.message)
        assert.strictEqual(toHex(RegistryEntry.toBytes(entry)), text(vector.reserialized))
      })
    } else {
      it(`${name}: refused ("${reason}"), where the reference accepts what nobody signed`, () => {
        assert.include(refusal(result).message, reason)
      })
    }
  }
})

describe("registry.json storage_keys", () => {
  for (const [index, vector] of objects(vectors.storage_keys).entries()) {
    it(`case ${index}: ${text(vector.storage_key)}`, () => {
      const key = keyOf(vector.key)
      assert.strictEqual(toHex(StreamKey.toStorageKey(key)), text(vector.storage_key))
      assert.strictEqual(StreamKey.registryPath(key), text(vector.store_registry_path))
      assert.deepStrictEqual(right(StreamKey.fromStorageKey(hex(vector.storage_key))), key)
    })
  }
})

describe("registry.json storage_key_rejections", () => {
  for (const [name, vector] of named(objects(vectors.storage_key_rejections))) {
    it(name, () => {
      const reference = isAbsent(vector.error) ? "" : text(vector.error)
      const ours = reference.startsWith("unknown stream key type")
        ? /unknown key type/
        : reference.startsWith("invalid data length")
          ? /it is empty|expected \d+ bytes/
          : /./
      assert.match(refusal(StreamKey.fromStorageKey(hex(vector.bytes))).message, ours)
    })
  }
})

it("registry.json stream_key_order is our order, whichever way the keys come", () => {
  const keys = objects(vectors.stream_key_order).map(keyOf)
  for (const [i, a] of keys.entries()) {
    for (const [j, b] of keys.entries()) assert.strictEqual(StreamKey.order(a, b), Math.sign(i - j), `${i}, ${j}`)
  }
})

describe("registry.json ordering", () => {
  const entries = new Map<string, RegistryEntry.Unverified>()
  for (const [name, vector] of named(objects(vectors.ordering_messages))) {
    it(`${name} reads back and may be stored where nothing is`, () => {
      const entry = right(RegistryEntry.fromBytes(primitives, hex(vector.wire)))
      expectMessage(entry, vector.message)
      assert.strictEqual(RegistryEntry.shouldStore(entry, undefined), boolean(vector.should_store_when_none))
    })
    entries.set(name, messageOf(vector.message))
  }
  for (const vector of objects(vectors.ordering_pairs)) {
    it(`${text(vector.a)} against ${text(vector.b)}`, () => {
      const entry = (name: string) => {
        const message = entries.get(name)
        if (message === undefined) throw new Error(`the pair names "${name}", a message that is not there`)
        return right(RegistryEntry.verify(primitives, message))
      }
      const [a, b] = [entry(text(vector.a)), entry(text(vector.b))]
      assert.strictEqual(RegistryEntry.Order(a, b), number(vector.cmp))
      assert.strictEqual(RegistryEntry.shouldStore(a, b), boolean(vector.a_should_replace_b))
      assert.strictEqual(RegistryEntry.equals(a, b), boolean(vector.equal))
    })
  }
})

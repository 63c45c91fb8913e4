import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as EnvelopeAge from "../../src/layers/EnvelopeAge.ts"
import * as KeyringObjectStore from "../../src/layers/KeyringObjectStore.ts"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as Recovery from "../../src/programs/Recovery.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as RegistryEntry from "../../src/schema/RegistryEntry.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as Envelope from "../../src/services/Envelope.ts"
import { crypto } from "../support/identity.ts"

const withKeyring = Effect.gen(function* () {
  const objects = yield* ObjectStoreMemory.make()
  const keyring = yield* KeyringObjectStore.make(objects)
  const make = Effect.flatMap(Recovery.draw(), ({ phrase }) => Recovery.found(phrase))
  return { objects, keyring, first: yield* make, second: yield* make }
}).pipe(
  Effect.provideService(Crypto.Crypto, Crypto.Crypto.of(crypto)),
  Effect.provideService(Envelope.Envelope, EnvelopeAge.make())
)

describe("the keys of a person on a device", () => {
  it.effect("are kept once, together with the phrase's public half, and replaced in one step", () =>
    Effect.gen(function* () {
      const { first, keyring, second } = yield* withKeyring
      assert.isUndefined(yield* keyring.identity)
      assert.isTrue(yield* keyring.createIdentity(first))
      assert.isFalse(yield* keyring.createIdentity(second))
      const kept = (yield* keyring.identity)!
      assert.deepStrictEqual(Redacted.value(kept.warmSeed), Redacted.value(first.warmSeed))
      assert.deepStrictEqual(RegistryEntry.toBytes(kept.pointer), RegistryEntry.toBytes(first.pointer))
      assert.deepStrictEqual({ ...(yield* keyring.recovery)! }, { ...first.recovery })
      assert.isFalse(yield* keyring.createRecovery(second.recovery))
      yield* keyring.saveNextIdentity(second)
      assert.strictEqual((yield* keyring.recovery)!.did, first.recovery.did)
      yield* keyring.replaceIdentity(second)
      yield* keyring.removeNextIdentity
      assert.strictEqual((yield* keyring.recovery)!.did, second.recovery.did)
      assert.isUndefined(yield* keyring.nextIdentity)
    })
  )

  it.effect("that do not belong together are refused, and no error holds them", () =>
    Effect.gen(function* () {
      const { first, keyring, objects, second } = yield* withKeyring
      yield* keyring.createIdentity(first)
      const seed = Bytes.toHex(Redacted.value(second.warmSeed))
      const text = Bytes.toUtf8(yield* objects.get("person.json"))!
      const mixed = JSON.stringify({ ...JSON.parse(text), warm_seed: seed })
      for (const bad of [mixed, text.slice(0, 40), text.replace(/[0-9a-f]{4}"/, 'zzzz"')]) {
        yield* objects.put("person.json", Bytes.fromUtf8(bad))
        const error = yield* Effect.flip(keyring.identity)
        assert.strictEqual(error.reason, "Damaged")
        assert.notInclude(error.message, seed.slice(0, 8))
      }
    })
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Recovery from "../../src/programs/Recovery.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as AgeKey from "../../src/schema/AgeKey.ts"
import * as Derivation from "../../src/schema/Derivation.ts"
import * as RecoveryPhrase from "../../src/schema/RecoveryPhrase.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import { Envelope } from "../../src/services/Envelope.ts"
import { right } from "../support/either.ts"
import { backup, head, latest, make, mapping, primitives, type World } from "../support/programs.ts"

const fact = <E>(name: string, run: (world: World) => Effect.Effect<void, E, Layer.Layer.Success<World["layer"]>>) =>
  it.effect(name, () => Effect.flatMap(make({ "/one/f": "1" }), (world) => Effect.provide(run(world), world.layer)))

const one = mapping("/one")

/** The age identity that the words lead to (docs/format/core.md §13), found without the program. */
const identityOf = (phrase: Redacted.Redacted<string>) => {
  const entropy = right(RecoveryPhrase.toEntropy(Redacted.value(phrase)))
  const master = Derivation.rootMaster(primitives, entropy)
  return Redacted.make(AgeKey.identity(Derivation.paperAgeSeed(primitives, master)))
}

const opens = Effect.fnUntraced(function* (identity: Redacted.Redacted<string>) {
  const vault = yield* Vault.open("docs")
  const envelope = yield* Envelope
  const sealed = yield* vault.blobs.get((yield* head).hash)
  return right(TransparentNode.decode(yield* envelope.open([identity], sealed)))
})

describe("the recovery phrase", () => {
  fact("opens the head of a vault that was there before it, and of every later snapshot", () =>
    Effect.gen(function* () {
      yield* backup(one)
      const before = yield* head
      const { phrase, recipient } = yield* Recovery.draw()
      const identity = identityOf(phrase)
      const closed = yield* Effect.flip(opens(identity))
      assert.strictEqual(closed._tag, "EnvelopeError")
      assert.isTrue(yield* Recovery.adopt(recipient))
      const node = yield* opens(identity)
      assert.deepStrictEqual(node.root, before.node.root)
      // with the tree's keys and the vault's secret in it, so that the words alone are enough
      assert.deepStrictEqual(node.context, before.node.context)
      assert.deepStrictEqual(TransparentNode.idOf(node.history.at(-1)!), before.hash)
      assert.deepStrictEqual(yield* latest, { "one/": "", "one/f": "1" })
    })
  )

  fact("also opens what is published after it", (world) =>
    Effect.gen(function* () {
      const { phrase, recipient } = yield* Recovery.draw()
      assert.isTrue(yield* Recovery.adopt(recipient))
      yield* backup(one)
      yield* world.disk.put("/one/f", "2")
      yield* backup(one)
      yield* opens(identityOf(phrase))
      const device = yield* world.keyring.device
      yield* opens(device.identity)
    })
  )

  fact("is taken once: a second one is refused, and the first stays", () =>
    Effect.gen(function* () {
      yield* backup(one)
      const [first, second] = [yield* Recovery.draw(), yield* Recovery.draw()]
      assert.notStrictEqual(Redacted.value(first.phrase), Redacted.value(second.phrase))
      assert.isTrue(yield* Recovery.adopt(first.recipient))
      const { entry } = yield* head
      assert.isFalse(yield* Recovery.adopt(second.recipient))
      assert.strictEqual((yield* head).entry.revision, entry.revision)
      yield* opens(identityOf(first.phrase))
      yield* Effect.flip(opens(identityOf(second.phrase)))
    })
  )

  fact("makes no conflict with the source's next run", (world) =>
    Effect.gen(function* () {
      yield* backup(one)
      yield* Recovery.adopt((yield* Recovery.draw()).recipient)
      assert.strictEqual((yield* backup(one)).published.outcome, "unchanged")
      yield* world.disk.put("/one/f", "2")
      assert.strictEqual((yield* backup(one)).published.outcome, "published")
      assert.strictEqual((yield* latest)["one/f"], "2")
    })
  )
})

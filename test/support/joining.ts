/** Devices that one person lets in, one after the other. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as IdentityChanges from "../../src/programs/IdentityChanges.ts"
import * as IdentityUpkeep from "../../src/programs/IdentityUpkeep.ts"
import * as Joining from "../../src/programs/Joining.ts"
import * as Vault from "../../src/programs/Vault.ts"
import { place, type TestPlace } from "./identity.ts"
import { device, establish, type PersonDevice, save } from "./person.ts"
import { later, patiently } from "./programs.ts"

export type All = readonly [TestPlace, ...ReadonlyArray<TestPlace>]

/** A device with a phrase and a vault, and the place that it is kept at. */
export const person = Effect.fnUntraced(function* () {
  yield* later
  const all: All = [yield* place("first")]
  const laptop = yield* device(all, { "/one/f": "1" })
  yield* save(laptop)
  yield* establish(laptop)
  yield* laptop.on(IdentityUpkeep.run("laptop"))
  return { all, laptop }
})

/** What the inviting device hands to the other, and the DID that both saw. */
export const admit = Effect.fnUntraced(function* (inviter: PersonDevice, joiner: PersonDevice, name: string) {
  const keys = yield* joiner.world.keyring.ensureDevice
  const { grant } = yield* patiently(inviter.on(Joining.admit(name, IdentityChanges.keysOf(keys))))
  const identity = yield* inviter.world.keyring.identity
  return { grant, did: identity!.recovery.did }
})

/** Lets a device in, which takes the vault after `meanwhile`. */
export const join = Effect.fnUntraced(function* (
  inviter: PersonDevice,
  joiner: PersonDevice,
  all: All,
  name: string,
  meanwhile: Effect.Effect<void, never> = Effect.void
) {
  const joined = yield* admit(inviter, joiner, name)
  yield* meanwhile
  yield* joiner.on(Joining.enter(joined, all[0].place, () => Effect.void))
  const { problems, taken } = yield* patiently(joiner.on(Joining.takeMissing()))
  assert.deepStrictEqual(problems, [])
  assert.strictEqual(taken.length, 1)
})

export const blobsOf = ({ objects }: TestPlace) =>
  Effect.map(Stream.runCollect(objects.list("")), (paths) => [...paths])

export const contextOf = (one: PersonDevice, vault = "docs") =>
  Effect.map(one.on(Vault.open(vault)), ({ context }) => context)

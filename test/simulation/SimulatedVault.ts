/** The vault that all simulations publish to: plain, so that nothing but hashing costs time. */
import * as Effect from "effect/Effect"
import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as VaultStateObjectStore from "../../src/layers/VaultStateObjectStore.ts"
import * as Derivation from "../../src/schema/Derivation.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as StreamKey from "../../src/schema/StreamKey.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as Crypto from "../../src/services/Crypto.ts"
import * as VaultState from "../../src/services/VaultState.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import * as Dice from "./Dice.ts"

export const name = "simulated"

const recovery = new Uint8Array(32).fill(5)
const context = TraversalContext.plainWithRecovery(recovery)

/** Where its head is. */
export const streamKey = StreamKey.vault(
  CheapCrypto.device.publicKey,
  Derivation.vaultId(CheapCrypto.primitives, recovery)
)

/** Its keys as every writer's disk has them. */
export const sealedKeys = Effect.runSync(
  CheapCrypto.envelope(Dice.make(0)).seal(
    ["everybody"],
    TransparentNode.encode(TransparentNode.make({ root: Hash.zero, context, history: [] }))
  )
)

const selection = new VaultState.Selection({
  exclude: [],
  ignoreFiles: false,
  excludeCaches: true,
  oneFileSystem: false
})

/** The source that stands at `folder`. */
export const mappingOf = (folder: string) => new VaultState.SourceMapping({ folder, path: `/${folder}`, selection })

/** A state in which nothing is, for what no simulated writer asks. */
export const otherwise: VaultState.Service = Effect.runSync(
  Effect.flatMap(ObjectStoreMemory.make(), VaultStateObjectStore.make).pipe(
    Effect.provideService(Crypto.Crypto, CheapCrypto.crypto(Dice.make(0)))
  )
)

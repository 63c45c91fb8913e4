/**
 * Pending approvals as small objects of a private store: `approvals/<hash of vault and folder>.json`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Approval } from "../schema/Approval.ts"
import * as Bytes from "../schema/Bytes.ts"
import * as Approvals from "../services/Approvals.ts"
import * as Crypto from "../services/Crypto.ts"
import type * as ObjectStore from "../services/ObjectStore.ts"
import * as JsonRecords from "./internal/jsonRecords.ts"

// no vault's name holds a colon
const keyOf = (vault: string, folder: string) => `${vault}:${folder}`

/** Approvals kept in `objects`, which must be private to this user. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (objects: ObjectStore.Service) {
  const { primitives } = yield* Crypto.Crypto
  const records = JsonRecords.make(objects, primitives, "approvals", Approval)
  const failed = (vault: string) => (error: JsonRecords.Failed) => new Approvals.ApprovalsError({ ...error, vault })
  return {
    all: records.all.pipe(
      Effect.map((all) => all.sort((a, b) => Bytes.compareUtf8(keyOf(a.vault, a.folder), keyOf(b.vault, b.folder)))),
      Effect.mapError(failed("(all)"))
    ),
    pending: (vault, folder) => Effect.mapError(records.load(keyOf(vault, folder)), failed(vault)),
    save: (approval) =>
      Effect.mapError(records.save(keyOf(approval.vault, approval.folder), approval), failed(approval.vault)),
    remove: (vault, folder) => Effect.mapError(records.remove(keyOf(vault, folder)), failed(vault))
  } satisfies Approvals.Service
})

/** Approvals kept in `objects`. @since 0.1.0 @category layers */
export const layer = (objects: ObjectStore.Service): Layer.Layer<Approvals.Approvals, never, Crypto.Crypto> =>
  Layer.effect(Approvals.Approvals, make(objects))

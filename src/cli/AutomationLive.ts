/**
 * The records of automations and of what waits for a person, and the events of folders, on this machine.
 *
 * @since 0.1.0
 */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ApprovalsObjectStore from "../layers/ApprovalsObjectStore.ts"
import * as FolderEventsNode from "../layers/FolderEventsNode.ts"
import * as HealthLogObjectStore from "../layers/HealthLogObjectStore.ts"
import * as ObjectStoreFs from "../layers/ObjectStoreFs.ts"
import * as StagingObjectStore from "../layers/StagingObjectStore.ts"
import * as Home from "./Home.ts"
import * as Live from "./Live.ts"

const objects = ObjectStoreFs.make({ directory: Home.mine.data, private: true })

/** What waits for a person. @since 0.1.0 @category layers */
export const approvals = Layer.unwrapScoped(Effect.map(objects, ApprovalsObjectStore.layer))

/** What is remembered of automations. @since 0.1.0 @category layers */
export const healthLog = Layer.unwrapScoped(Effect.map(objects, HealthLogObjectStore.layer))

/** The events of all folders but Cairn's own, as a layer that needs nothing. @since 0.1.0 @category layers */
export const folderEvents = Effect.map(Live.ownFolders, ({ own }) => FolderEventsNode.layer({ ignore: own }))

/** What was ingested and not published yet. @since 0.1.0 @category layers */
export const staging = Layer.unwrapScoped(
  Effect.map(ObjectStoreFs.make({ directory: join(Home.mine.data, "vaults"), private: true }), StagingObjectStore.layer)
)

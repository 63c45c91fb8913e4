import * as ObjectStoreMemory from "../../src/layers/ObjectStoreMemory.ts"
import * as ObjectStoreConformance from "../conformance/ObjectStore.ts"

ObjectStoreConformance.suite("memory", ObjectStoreMemory.layer())

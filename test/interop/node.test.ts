import { blake3 } from "@noble/hashes/blake3.js"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import * as DeviceKeyset from "../../src/schema/DeviceKeyset.ts"
import type { FormatError } from "../../src/schema/FormatError.ts"
import * as IdentityBundle from "../../src/schema/IdentityBundle.ts"
import * as Node from "../../src/schema/Node.ts"
import * as StoreEntry from "../../src/schema/StoreEntry.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as TraversalContext from "../../src/schema/TraversalContext.ts"
import * as Json from "./nodeJson.ts"
import {
  big,
  boolean,
  hex,
  isAbsent,
  isObject,
  type JsonObject,
  list,
  load,
  named,
  number,
  object,
  objects,
  text,
  toHex,
  untested
} from "./vectors.ts"

const file = load("node.json")
const cases = (name: string) => named(objects(file[name], name))

const refusal = (result: Either.Either<unknown, FormatError>): FormatError => {
  if (Either.isLeft(result)) return result.left
  throw new Error(`was accepted as ${String(result.right)}`)
}

it("node.json has no list that is not tested here", () => {
  expect(untested(file, ["nodes", "decode_cases", "context_merges", "records"])).toEqual([])
})

const withOwnMagic = ([, value]: readonly [string, JsonObject]) => object(value.node).magic === Node.magic
const nodes = cases("nodes")

describe("nodes", () => {
  describe.each(nodes.filter(withOwnMagic))("%s", (_, value) => {
    it("is written as the reference writes it", () => {
      const bytes = Node.encode(Json.node(value.node))
      expect(toHex(bytes)).toBe(text(value.cbor))
      expect(toHex(blake3(bytes))).toBe(text(value.blake3))
    })

    it("is read as the reference reads it", () => {
      expect(Either.getOrThrow(Node.decode(hex(value.cbor)))).toEqual(Json.node(value.node))
    })

    it("is read and written again unchanged, also behind padding", () => {
      const padded = new Uint8Array(hex(value.cbor).length + 100)
      padded.set(hex(value.cbor))
      expect(toHex(Node.encode(Either.getOrThrow(Node.decode(padded))))).toBe(text(value.cbor))
    })

    it("is refused wherever it is cut", () => {
      const bytes = hex(value.cbor)
      const step = Math.max(1, Math.floor(bytes.length / 200))
      for (let length = 0; length < bytes.length; length += step)
        expect(Either.isLeft(Node.decode(bytes.subarray(0, length)))).toBe(true)
    })
  })

  it.each(nodes.filter((one) => !withOwnMagic(one)))(
    "%s: we do check it, so that no other file passes for a node",
    (_, value) => {
      expect(refusal(Node.decode(hex(value.cbor))).problem).toContain("does not start with")
    }
  )

  const transparent = nodes.filter(
    (one) => withOwnMagic(one) && object(object(one[1].node).header).kind === "transparent"
  )
  it.each(transparent)("%s is the same through the transparent node's codec", (_, value) => {
    const entries = list(object(value.node).entries).map((pair) => list(pair))
    const root = entries.find(([key]) => key === "")?.[1]
    const content = isObject(root) ? root.content : undefined
    const read = TransparentNode.decode(hex(value.cbor))
    // a node of this kind without a link under the empty key is the root of nothing
    if (!isObject(root) || !isObject(content) || content.structural !== "link" || root.tombstone !== undefined) {
      refusal(read)
      return
    }
    const node = Either.getOrThrow(read)
    expect(node.context).toEqual(Json.context(root.child_context ?? {}))
    expect(toHex(TransparentNode.encode(node))).toBe(text(value.cbor))
  })
})

/** Whether the reference dropped something that it read. */
const lost = (value: JsonObject): boolean => text(value.reencoded).length < text(value.cbor).length

/** Why we refuse what the reference reads, or nothing where both must read it. */
const stricter = (value: JsonObject): RegExp | undefined => {
  // a case without what was read is for its own test to refuse
  if (!isObject(value.node) || typeof value.reencoded !== "string") return undefined
  if (value.node.magic !== Node.magic) return /does not start with/
  const shown = text(value.cbor)
  const written = text(value.reencoded)
  // only bytes behind the end leave a canonical node as a prefix of what was read
  if (shown.startsWith(written) && !/^(00)*$/.test(shown.slice(written.length))) return /bytes behind its end/
  const unknown = /unknown variant/
  const deep = /nested more than \d+ deep/
  const result = Node.decode(hex(value.cbor))
  const problem = Either.isLeft(result) && lost(value) ? result.left.problem : ""
  return [unknown, deep].find((reason) => reason.test(problem))
}

describe("decode_cases", () => {
  const all = cases("decode_cases")

  it.each(all.filter(([, value]) => !boolean(value.ok)))("%s: refused, as the reference does", (_, value) => {
    expect(refusal(Node.decode(hex(value.cbor))).at).toMatch(/^byte \d+$/)
  })

  const accepted = all.filter(([, value]) => boolean(value.ok))

  it.each(accepted.filter(([, value]) => stricter(value) === undefined))(
    "%s: read and written again as the reference does",
    (_, value) => {
      const node = Either.getOrThrow(Node.decode(hex(value.cbor)))
      expect(node).toEqual(Json.node(value.node))
      expect(toHex(Node.encode(node))).toBe(text(value.reencoded))
    }
  )

  it.each(accepted.filter(([, value]) => stricter(value) !== undefined))(
    "%s: refused where the reference reads on, since it would read something else than was written",
    (_, value) => {
      expect(refusal(Node.decode(hex(value.cbor))).problem).toMatch(stricter(value) ?? /never/)
    }
  )
})

describe("context_merges", () => {
  const all = cases("context_merges")

  it.each(all)("%s", (_, value) => {
    const merged = TraversalContext.merge(Json.context(value.parent), Json.context(value.child))
    expect(merged).toEqual(Json.context(value.merged))
    expect(TraversalContext.encode(merged)).toEqual(TraversalContext.encode(Json.context(value.merged)))
  })
})

const keys = (value: JsonObject, field: string) => list(value[field], field).map((key) => hex(key))

/** One way to test each type of record: the value that its description stands for, and both directions. */
const records: { readonly [type: string]: (value: JsonObject, cbor: Uint8Array) => void } = {
  identity_bundle: (value, cbor) => {
    const bundle: IdentityBundle.IdentityBundle = {
      version: number(value.version),
      revision: big(value.revision),
      signers: keys(value, "signers"),
      aclKeys: keys(value, "acl_keys"),
      irohPublicKeys: keys(value, "iroh_pubkeys"),
      ageRecipients: list(value.age_recipients).map((recipient) => text(recipient))
    }
    expect(toHex(IdentityBundle.encode(bundle))).toBe(toHex(cbor))
    expect(Either.getOrThrow(IdentityBundle.decode(cbor))).toEqual(bundle)
    expect(Either.isLeft(IdentityBundle.decode(Uint8Array.of(...cbor, 0)))).toBe(true)
  },
  store_entry: (value, cbor) => {
    const entry: StoreEntry.StoreEntry = {
      kind: number(value.kind),
      config: new Map(Object.entries(object(value.config)).map(([key, setting]) => [key, text(setting)] as const)),
      ...(!isAbsent(value.credential) && { credential: hex(value.credential) })
    }
    expect(toHex(StoreEntry.encode(entry))).toBe(toHex(cbor))
    expect(Either.getOrThrow(StoreEntry.decode(cbor))).toEqual(entry)
    expect(Either.isLeft(StoreEntry.decode(Uint8Array.of(...cbor, 0)))).toBe(true)
  },
  device_keyset: (value, cbor) => {
    expect(number(value.v)).toBe(1)
    const keyset: DeviceKeyset.DeviceKeyset = { iroh: hex(value.iroh), sign: hex(value.sign), acl: hex(value.acl) }
    expect(toHex(DeviceKeyset.encode(keyset))).toBe(toHex(cbor))
    expect(Either.getOrThrow(DeviceKeyset.decode(cbor))).toEqual(keyset)
    expect(Either.isLeft(DeviceKeyset.decode(Uint8Array.of(...cbor, 0)))).toBe(true)
  }
}

describe("records", () => {
  it.each(cases("records"))("%s is written and read as the reference does", (_, value) => {
    const type = text(value.type)
    const check = records[type]
    if (check === undefined) throw new Error(`no test for records of type ${type}`)
    const cbor = hex(value.cbor)
    check(object(value.value), cbor)
    expect(toHex(blake3(cbor))).toBe(text(value.blake3))
  })
})

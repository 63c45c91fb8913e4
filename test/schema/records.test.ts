import { blake3 } from "@noble/hashes/blake3.js"
import * as Either from "effect/Either"
import { describe, expect, it } from "vitest"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as DeviceCatalogue from "../../src/schema/DeviceCatalogue.ts"
import * as DeviceKeyset from "../../src/schema/DeviceKeyset.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as IdentityBundle from "../../src/schema/IdentityBundle.ts"
import * as PinContext from "../../src/schema/PinContext.ts"
import * as StoreEntry from "../../src/schema/StoreEntry.ts"

const filled = (byte: number) => new Uint8Array(32).fill(byte)
const hex = (text: string) => Either.getOrThrow(Bytes.fromHex(text))
const key = (unit: string) => `9820${unit.repeat(32)}`

describe("IdentityBundle", () => {
  const bundle: IdentityBundle.IdentityBundle = {
    version: 1,
    revision: 1n,
    signers: [filled(7)],
    aclKeys: [filled(8)],
    irohPublicKeys: [filled(9)],
    ageRecipients: ["age1example"]
  }

  it("is the bytes of docs/format/core.md §11.2", () => {
    const bytes = IdentityBundle.encode(bundle)
    expect(bytes.length).toBe(127)
    expect(Bytes.toHex(blake3(bytes))).toBe("721db4d112cc80be24390a59e9b1ef6f4d5f73102c0391f27cba200bf0798f3a")
    expect(Either.getOrThrow(IdentityBundle.decode(bytes))).toEqual(bundle)
  })

  it("lacking a list it is refused by the list's name", () => {
    const error = Either.getOrThrow(Either.flip(IdentityBundle.decode(hex("a50001010003800a801180"))))
    expect(error.problem).toContain("acl_keys")
  })
})

describe("DeviceCatalogue", () => {
  const device = (n: number): DeviceCatalogue.DeviceKeys => ({
    signing: filled(n),
    acl: filled(n + 1),
    iroh: filled(n + 2),
    ageRecipient: `age1device${n}`
  })

  it("a device is the bytes of docs/format/core.md §11.2, under its label", () => {
    const golden = `a400${key("0a")}01${key("0b")}02${key("0c")}036c616765316465766963653130`
    const catalogue = new Map([["x", device(10)]])
    expect(Bytes.toHex(DeviceCatalogue.encode(catalogue))).toBe(`a16178${golden}`)
    expect(Either.getOrThrow(DeviceCatalogue.decode(hex(`a16178${golden}`)))).toEqual(catalogue)
  })

  it("labels are written in the order of their bytes, shorter ones not first", () => {
    const catalogue = new Map([
      ["b", device(1)],
      ["aa", device(2)]
    ])
    expect([...Either.getOrThrow(DeviceCatalogue.decode(DeviceCatalogue.encode(catalogue))).keys()]).toEqual([
      "aa",
      "b"
    ])
    expect(Bytes.toHex(DeviceCatalogue.encode(catalogue)).startsWith("a2626161")).toBe(true)
  })
})

describe("DeviceKeyset", () => {
  it("a version other than 1 is refused, however wide it is written", () => {
    const rest = `01${key("00")}02${key("17")}03${key("01")}`
    expect(Either.isRight(DeviceKeyset.decode(hex(`a40001${rest}`)))).toBe(true)
    for (const version of ["00", "02", "1b0000000000000002", "1bffffffffffffffff", "20"])
      expect(Either.isLeft(DeviceKeyset.decode(hex(`a400${version}${rest}`)))).toBe(true)
  })

  it("a key as a byte string is refused", () => {
    expect(Either.isLeft(DeviceKeyset.decode(hex(`a40001015820${"00".repeat(32)}02${key("17")}03${key("01")}`)))).toBe(
      true
    )
  })
})

describe("StoreEntry", () => {
  it("is the bytes of docs/format/core.md §12", () => {
    const entry: StoreEntry.StoreEntry = {
      kind: StoreEntry.kinds.indexd,
      config: new Map([["url", "https://sia.storage"]]),
      credential: filled(7)
    }
    const golden = `a3000001a16375726c7368747470733a2f2f7369612e73746f72616765025820${"07".repeat(32)}`
    expect(Bytes.toHex(StoreEntry.encode(entry))).toBe(golden)
    expect(Either.getOrThrow(StoreEntry.decode(hex(golden)))).toEqual(entry)
  })
})

describe("PinContext", () => {
  const node: PinContext.PinContext = { _tag: "NodeId", id: filled(5) }
  const head: PinContext.PinContext = { _tag: "LocalFsHead" }
  const snapshot: PinContext.PinContext = { _tag: "LocalFsSnapshot", root: Hash.unsafeFromBytes(filled(0xff)) }

  it.each([
    [head, "820180"],
    [node, `820081${key("05")}`],
    [snapshot, `820281${key("18ff")}`]
  ] as const)("%j is the bytes of docs/format/core.md §10", (pin, golden) => {
    expect(Bytes.toHex(PinContext.encode(pin))).toBe(golden)
    expect(Either.getOrThrow(PinContext.decode(hex(golden)))).toEqual(pin)
  })

  it("a set is sorted, holds each pin once, and has the golden hash", () => {
    const bytes = PinContext.encodeSet([head, node, head, node])
    expect(Bytes.toHex(bytes)).toBe(`82820081${key("05")}820180`)
    expect(Bytes.toHex(blake3(bytes))).toBe("e6b073ca789136c0b6f6145cf1665a449653e96228ad42dfa1f23cd662e15e47")
    expect(Either.getOrThrow(PinContext.decodeSet(bytes))).toEqual([node, head])
  })

  it.each([
    ["an unknown variant", "820380"],
    ["a pin that is not a pair", "8101"],
    ["a pin of indefinite length", "9f0180ff"],
    ["a node without an id", "820080"]
  ])("%s is refused", (_, bytes) => {
    expect(Either.isLeft(PinContext.decode(hex(bytes)))).toBe(true)
  })
})

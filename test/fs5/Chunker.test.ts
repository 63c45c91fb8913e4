import * as Either from "effect/Either"
import * as fc from "fast-check"
import { describe, expect, it } from "vitest"
import * as Chunker from "../../src/fs5/Chunker.ts"
import * as GearScan from "../../src/fs5/GearScan.ts"
import { halves } from "../../src/fs5/GearTable.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import type { FileChunkingStrategy } from "../../src/schema/TraversalContext.ts"
import { generate } from "../interop/generators.ts"

type Chunking = FileChunkingStrategy | undefined

const cut = (chunker: Chunker.Chunker, bytes: Uint8Array, reads: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const chunks: Array<Uint8Array> = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = Math.max(1, reads[turn % reads.length] ?? bytes.length)
    // one buffer that is overwritten after the push, as a reader with a single buffer does
    const buffer = bytes.slice(at, at + length)
    chunks.push(...chunker.push(buffer))
    buffer.fill(0xa5)
    at += length
  }
  const rest = chunker.finish()
  return rest === undefined ? chunks : [...chunks, rest]
}

const lengths = (chunks: ReadonlyArray<Uint8Array>) => chunks.map((chunk) => chunk.length)

/** The format's rule word by word, in integers of 64 bits. */
const model = (bytes: Uint8Array): ReadonlyArray<number> => {
  const table = Array.from(
    { length: 256 },
    (_, byte) => (BigInt((halves.high[byte] ?? 0) >>> 0) << 32n) | BigInt((halves.low[byte] ?? 0) >>> 0)
  )
  const out: Array<number> = []
  let hash = 0n
  let size = 0
  for (const byte of bytes) {
    hash = BigInt.asUintN(64, (hash << 1n) + (table[byte] ?? 0n))
    size++
    if (size >= 8192 && (size >= 131_072 || (hash & 0xffff000000000000n) === 0n)) {
      out.push(size)
      hash = 0n
      size = 0
    }
  }
  return size === 0 ? out : [...out, size]
}

/** Random bytes, prose, runs: what real files are made of. */
const content = fc
  .array(
    fc.oneof(
      fc.record({ kind: fc.constant("xorshift32"), seed: fc.integer({ min: 1 }), length: fc.nat(150_000) }),
      fc.record({ kind: fc.constant("text"), seed: fc.integer({ min: 1 }), length: fc.nat(150_000) }),
      fc.record({ kind: fc.constant("repeat"), byte: fc.nat(255), length: fc.nat(150_000) })
    ),
    { minLength: 1, maxLength: 3 }
  )
  .map((parts) => generate({ kind: "concat", parts }))

const readSizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 200_000 })), {
  minLength: 1,
  maxLength: 5
})

describe("content-defined chunking", () => {
  it("cuts where the rule in 64-bit integers cuts, for any division into reads", () => {
    fc.assert(
      fc.property(content, readSizes, (bytes, reads) => {
        const expected = model(bytes)
        const chunks = cut(Chunker.contentDefined(), bytes, reads)
        expect(lengths(chunks)).toEqual(expected)
        expect(lengths(cut(Chunker.contentDefined(GearScan.portable), bytes, reads))).toEqual(expected)
        expect(Bytes.equals(Bytes.concat(...chunks), bytes)).toBe(true)
        for (const length of expected.slice(0, -1)) {
          expect(length).toBeGreaterThanOrEqual(8192)
          expect(length).toBeLessThanOrEqual(131_072)
        }
      }),
      { numRuns: 25 }
    )
  })

  it.each([1, 97, 65_536, 1_000_000])("does not depend on reads of %i bytes", (read) => {
    const bytes = generate({ kind: "xorshift32", seed: 77, length: 400_000 })
    expect(lengths(cut(Chunker.contentDefined(), bytes, [read]))).toEqual(model(bytes))
  })

  it("a changed byte changes no chunk that ends before it, and the cuts meet again behind it", () => {
    const bytes = generate({ kind: "xorshift32", seed: 5, length: 3_000_000 })
    const before = cut(Chunker.contentDefined(), bytes, [bytes.length])
    const ends = (chunks: ReadonlyArray<Uint8Array>) => {
      let end = 0
      return chunks.map((chunk) => {
        end += chunk.length
        return end
      })
    }
    for (const at of [0, 700_000, 1_500_000]) {
      const changed = bytes.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      const after = ends(cut(Chunker.contentDefined(), changed, [changed.length]))
      expect(after.filter((end) => end <= at)).toEqual(ends(before).filter((end) => end <= at))
      const missing = ends(before).filter((end) => !after.includes(end))
      expect(missing.length).toBeLessThan(8)
    }
  })

  it("an empty input has no chunks", () => {
    expect(cut(Chunker.contentDefined(), new Uint8Array(0), [1])).toEqual([])
  })

  it("holds the open chunk and nothing else", () => {
    const chunker = Chunker.contentDefined()
    for (let turn = 0; turn < 40; turn++) {
      chunker.push(new Uint8Array(50_000))
      expect(chunker.pending()).toBeLessThan(131_072)
    }
  })
})

describe("other strategies", () => {
  it("fixed chunks are slices, for any division into reads", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 3000 }),
        fc.integer({ min: 1, max: 1000 }),
        readSizes,
        (bytes, size, reads) => {
          const chunker = Either.getOrThrow(Chunker.make({ _tag: "Fixed", chunkSize: size }))
          const expected = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
            bytes.slice(index * size, (index + 1) * size)
          )
          expect(cut(chunker, bytes, reads)).toEqual(expected)
        }
      )
    )
  })

  it("without chunking the file is one chunk", () => {
    const bytes = generate({ kind: "xorshift32", seed: 9, length: 700_000 })
    const chunks = cut(Either.getOrThrow(Chunker.make({ _tag: "None" })), bytes, [300_000])
    expect(lengths(chunks)).toEqual([700_000])
    expect(Bytes.equals(chunks[0] ?? new Uint8Array(0), bytes)).toBe(true)
  })

  it("the sizes that a content-defined strategy describes are not looked at", () => {
    const bytes = generate({ kind: "xorshift32", seed: 10, length: 500_000 })
    const params = { minSize: 1, averageSize: 2, maxSize: 3 }
    const chunker = Either.getOrThrow(Chunker.make({ _tag: "DataCdc", params }))
    expect(lengths(cut(chunker, bytes, [bytes.length]))).toEqual(model(bytes))
  })

  it("fixed chunks of 0 bytes are refused", () => {
    const result = Chunker.make({ _tag: "Fixed", chunkSize: 0 })
    expect(Either.isLeft(result) && result.left.reason).toBe("Unsupported")
  })
})

describe("cuts of bytes that are in memory", () => {
  const strategy = fc.oneof(
    fc.constant<Chunking>({ _tag: "None" }),
    fc.integer({ min: 1, max: 200_000 }).map((chunkSize): Chunking => ({ _tag: "Fixed", chunkSize })),
    fc.constant<Chunking>(undefined)
  )
  const endsOf = (strategy: Chunking, bytes: Uint8Array, isEnd?: boolean) =>
    Either.getOrThrow(Chunker.ends(strategy, bytes, isEnd))
  const sums = (chunks: ReadonlyArray<Uint8Array>) => {
    let end = 0
    return chunks.map(({ length }) => {
      end += length
      return end
    })
  }

  it("are those of the chunker for any division into reads; the open rest is one only where the file ends", () => {
    fc.assert(
      fc.property(strategy, content, readSizes, (strategy, bytes, reads) => {
        const chunker = Either.getOrThrow(Chunker.make(strategy))
        expect(endsOf(strategy, bytes)).toEqual(sums(cut(chunker, bytes, reads)))
        const open = Either.getOrThrow(Chunker.make(strategy))
        expect(endsOf(strategy, bytes, false)).toEqual(sums(open.push(bytes)))
      }),
      { numRuns: 40 }
    )
  })

  const inParts = (strategy: Chunking, bytes: Uint8Array, length: number) => {
    const found: Array<number> = []
    for (let offset = 0; offset < bytes.length; ) {
      const isEnd = bytes.length - offset <= length
      const own = endsOf(strategy, bytes.subarray(offset, offset + length), isEnd)
      found.push(...own.map((end) => offset + end))
      offset = found[found.length - 1]!
    }
    return found
  }

  it("are those of the whole file when each part begins at the last cut of the one before", () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 131_072, max: 400_000 }), (bytes, length) => {
        expect(inParts(undefined, bytes, length)).toEqual(sums(cut(Chunker.contentDefined(), bytes, [bytes.length])))
      }),
      { numRuns: 25 }
    )
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(100),
        (bytes, size, more) => {
          const whole = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
            Math.min(bytes.length, (at + 1) * size)
          )
          expect(inParts({ _tag: "Fixed", chunkSize: size }, bytes, size + more)).toEqual(whole)
        }
      )
    )
  })

  it("no bytes have no cuts, and fixed chunks of 0 bytes are refused", () => {
    for (const isEnd of [true, false])
      for (const strategy of [undefined, { _tag: "None" }, { _tag: "Fixed", chunkSize: 3 }] as const)
        expect(endsOf(strategy, new Uint8Array(0), isEnd)).toEqual([])
    const refused = Chunker.ends({ _tag: "Fixed", chunkSize: 0 }, Uint8Array.of(1))
    expect(Either.isLeft(refused) && refused.left.reason).toBe("Unsupported")
  })
})

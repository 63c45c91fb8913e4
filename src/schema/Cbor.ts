/**
 * Two-way codecs of the formats' CBOR (docs/format/fs5.md §2, docs/format/core.md §1.1).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Bytes from "./Bytes.ts"
import { cell, type Read, Reader } from "./CborReader.ts"
import { type Write, Writer } from "./CborWriter.ts"
import { FormatError } from "./FormatError.ts"
import * as Hash from "./Hash.ts"

/** How one type is written and read. @since 0.1.0 @category models */
export interface Codec<A> {
  /** Throws a `RangeError` for a value that the format cannot hold. */
  readonly write: Write<A>
  /** Throws a `FormatError`, which `decode` answers as a value. */
  readonly read: Read<A>
}

/** The bytes of `value`; a value that the format cannot hold is a defect (`RangeError`). @since 0.1.0 @category conversions */
export const encode = <A>(codec: Codec<A>, value: A): Uint8Array => {
  const writer = new Writer()
  codec.write(writer, value)
  return writer.finish()
}

/**
 * The value that `bytes` are, with copies of all bytes in it.
 *
 * Bytes behind the value are refused; `padding: "zeros"` allows zeros there (docs/format/fs5.md §6.5).
 *
 * @since 0.1.0
 * @category conversions
 */
export const decode = <A>(
  codec: Codec<A>,
  bytes: Uint8Array,
  options: { readonly format: string; readonly padding?: "zeros" }
): Either.Either<A, FormatError> => {
  const reader = new Reader(bytes, options.format)
  try {
    const value = codec.read(reader)
    reader.end(options.padding === "zeros")
    return Either.right(value)
  } catch (error) {
    if (error instanceof FormatError) return Either.left(error)
    throw error
  }
}

const integer = (least: number, most: number): Codec<number> => ({
  write: (writer, value) => {
    // NaN fails both comparisons, fractions are refused by the writer
    if (!(value >= least && value <= most)) throw new RangeError(`${value} is outside ${least} to ${most}`)
    writer.integer(value)
  },
  read: (reader) => reader.integerIn(least, most)
})

/** @since 0.1.0 @category codecs */
export const u8 = integer(0, 0xff)
/** @since 0.1.0 @category codecs */
export const u16 = integer(0, 0xffff)
/** @since 0.1.0 @category codecs */
export const u32 = integer(0, 0xffff_ffff)
/** @since 0.1.0 @category codecs */
export const i8 = integer(-0x80, 0x7f)

/** @since 0.1.0 @category codecs */
export const u64: Codec<bigint> = {
  write: (writer, value) => {
    if (value < 0n) throw new RangeError(`${value} is negative`)
    writer.integer(value)
  },
  read: (reader) => reader.u64()
}

/** @since 0.1.0 @category codecs */
export const boolean: Codec<boolean> = {
  write: (writer, value) => writer.boolean(value),
  read: (reader) => reader.boolean()
}

/** @since 0.1.0 @category codecs */
export const text: Codec<string> = {
  write: (writer, value) => writer.text(value),
  read: (reader) => reader.text()
}

/** A byte string. @since 0.1.0 @category codecs */
export const bytes: Codec<Uint8Array> = {
  write: (writer, value) => writer.bytes(value),
  read: (reader) => reader.bytes()
}

const ofLength = (value: Uint8Array, length: number): Uint8Array => {
  if (value.length !== length) throw new RangeError(`expected ${length} bytes, got ${value.length}`)
  return value
}

/** A byte string of exactly `length` bytes. @since 0.1.0 @category codecs */
export const fixedBytes = (length: number): Codec<Uint8Array> => ({
  write: (writer, value) => writer.bytes(ofLength(value, length)),
  read: (reader) => reader.bytes(length)
})

/** A byte string of 32 bytes that is a hash. @since 0.1.0 @category codecs */
export const hash: Codec<Hash.Hash> = {
  write: (writer, value) => writer.bytes(ofLength(value, Hash.length)),
  read: (reader) => Hash.unsafeFromBytes(reader.bytes(Hash.length))
}

/** Bytes as an array of integers, which is how the formats keep attribute values. @since 0.1.0 @category codecs */
export const integers: Codec<Uint8Array> = {
  write: (writer, value) => {
    writer.array(value.length)
    for (const byte of value) writer.integer(byte)
  },
  read: (reader) => {
    // grown by doubling: an array of numbers would take eight times the memory of what was sent
    let out = new Uint8Array(32)
    const count = reader.eachItem((index) => {
      if (index === out.length) {
        const larger = new Uint8Array(out.length * 2)
        larger.set(out)
        out = larger
      }
      out[index] = reader.integerIn(0, 0xff)
    })
    return out.slice(0, count)
  }
}

/** 32 bytes as an array of integers, which is how the formats keep keys. @since 0.1.0 @category codecs */
export const key: Codec<Uint8Array> = {
  write: (writer, value) => integers.write(writer, ofLength(value, 32)),
  read: (reader) => {
    const start = reader.offset
    const out = new Uint8Array(32)
    const count = reader.eachItem((index) => {
      out[index] = reader.integerIn(0, 0xff)
    }, 32)
    if (count !== 32) throw reader.error(`expected 32 integers, got ${count}`, start)
    return out
  }
}

/** @since 0.1.0 @category codecs */
export const list = <A>(item: Codec<A>): Codec<ReadonlyArray<A>> => ({
  write: (writer, values) => {
    writer.array(values.length)
    for (const value of values) item.write(writer, value)
  },
  read: (reader) => {
    const out: Array<A> = []
    reader.eachItem(() => {
      reader.countListed()
      out.push(item.read(reader))
    })
    return out
  }
})

/** An array of exactly two items. @since 0.1.0 @category codecs */
export const pair = <A, B>(first: Codec<A>, second: Codec<B>): Codec<readonly [A, B]> => ({
  write: (writer, [a, b]) => {
    writer.array(2)
    first.write(writer, a)
    second.write(writer, b)
  },
  read: (reader) => reader.tuple(2, () => [first.read(reader), second.read(reader)] as const)
})

/** A map written in the ascending order of its keys; read, the last of equal keys counts. @since 0.1.0 @category codecs */
export const map = <K, V>(
  keys: Codec<K>,
  values: Codec<V>,
  compare: (a: K, b: K) => number
): Codec<ReadonlyMap<K, V>> => ({
  write: (writer, entries) => {
    writer.map(entries.size)
    for (const [name, value] of [...entries].sort(([a], [b]) => compare(a, b))) {
      keys.write(writer, name)
      values.write(writer, value)
    }
  },
  read: (reader) => {
    const out: Array<readonly [K, V]> = []
    reader.eachPair(() => {
      out.push([keys.read(reader), values.read(reader)])
    })
    return new Map(out.sort(([a], [b]) => compare(a, b)))
  }
})

/** A map with text keys, in the order of their UTF-8 bytes. @since 0.1.0 @category codecs */
export const textMap = <V>(values: Codec<V>): Codec<ReadonlyMap<string, V>> => map(text, values, Bytes.compareUtf8)

/** A map with keys from 0 to 255. @since 0.1.0 @category codecs */
export const u8Map = <V>(values: Codec<V>): Codec<ReadonlyMap<number, V>> => map(u8, values, (a, b) => a - b)

/** A map struct whose only field is `name`, at index 0. @since 0.1.0 @category codecs */
export const soleField = <A>(struct: string, name: string, codec: Codec<A>): Codec<A> => ({
  write: (writer, value) => writer.struct((field) => field(0, value, codec.write)),
  read: (reader) => {
    const only = cell(name, codec.read)
    reader.struct(struct, [only])
    return reader.required(only)
  }
})

/** An enum written as the position of its name in `names`; others are refused as an unknown `what`. @since 0.1.0 @category codecs */
export const indexEnum = <A extends string>(what: string, names: ReadonlyArray<A>): Codec<A> => ({
  write: (writer, value) => writer.integer(names.indexOf(value)),
  read: (reader) => {
    const start = reader.offset
    const index = reader.integer()
    const name = typeof index === "number" ? names[index] : undefined
    if (name === undefined) throw unknownVariant(reader, what, index, start)
    return name
  }
})

/** The error to throw about a variant that an enum does not have. @since 0.1.0 @category errors */
export const unknownVariant = (reader: Reader, what: string, variant: number | bigint, at: number): FormatError =>
  reader.error(`unknown variant ${variant} of ${what}`, at)

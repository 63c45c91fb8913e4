/**
 * Reads the formats' CBOR as leniently as they ask for, and never further than the bytes go (docs/format/fs5.md §2.2,
 * docs/format/core.md §1.1).
 *
 * @since 0.1.0
 */
import * as Bytes from "./Bytes.ts"
import { FormatError } from "./FormatError.ts"

/** Containers inside containers that a reader follows; the deepest structure of the formats needs fewer. @since 0.1.0 @category constants */
export const maxDepth = 64

/**
 * The items of all lists of one value that are read. A list item can be three bytes and an object of a hundred, so
 * without this a node could take thirty times its own size.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxListed = 2_097_152

/** Reads one value and leaves the reader behind it; throws `FormatError`. @since 0.1.0 @category models */
export type Read<A> = (reader: Reader) => A

/** What a struct's reader does with one of its fields. @since 0.1.0 @category models */
export interface Field {
  readonly name: string
  /** Reads the field's value. */
  readonly fill: (reader: Reader) => void
  /** Forgets it again: the field was null. */
  readonly clear: () => void
}

/**
 * A field of a struct while it is read: `value` stays undefined when the field is missing or null.
 *
 * A class because a decoder makes very many of them: with object literals that hold an accessor, decoding a node took
 * more than three times as long.
 *
 * @since 0.1.0
 * @category models
 */
export class Cell<A> implements Field {
  readonly name: string
  readonly #read: Read<A>
  value: A | undefined = undefined

  constructor(name: string, read: Read<A>) {
    this.name = name
    this.#read = read
  }

  fill(reader: Reader): void {
    this.value = this.#read(reader)
  }

  clear(): void {
    this.value = undefined
  }
}

/** An empty cell for a value that `read` reads. @since 0.1.0 @category constructors */
export const cell = <A>(name: string, read: Read<A>): Cell<A> => new Cell(name, read)

/** An `A` while it is read: its fields come one by one. @since 0.1.0 @category models */
export type Draft<A> = { -readonly [K in keyof A]?: A[K] }

/** How one field of a struct gets into its draft. @since 0.1.0 @category models */
export interface DraftField<T> {
  /** The struct and the field, as errors name it. */
  readonly label: string
  readonly fill: (reader: Reader, draft: T) => void
  readonly clear: (draft: T) => void
}

/**
 * The field that `read` reads, kept as `key`.
 *
 * Made once per field, where a cell is made once per value: for the structs that a node holds many of.
 *
 * @since 0.1.0
 * @category constructors
 */
export const field = <K extends string, A>(label: string, key: K, read: Read<A>): DraftField<{ [P in K]?: A }> => ({
  label,
  fill: (reader, draft) => {
    draft[key] = read(reader)
  },
  clear: (draft) => {
    delete draft[key]
  }
})

const major = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const
const majorNames = [
  "integer",
  "negative integer",
  "byte string",
  "text",
  "array",
  "map",
  "tag",
  "simple value or float"
]

const smallIntegers = Array.from({ length: 24 }, (_, value) => BigInt(value))

/** Texts up to this length are taken byte by byte as long as they are ASCII: a decoder costs more to ask than they do. */
const shortText = 128
const codes: Array<number> = Array.from({ length: shortText }, () => 0)

const indefinite = 31
const breakByte = 0xff
const nullByte = 0xf6

/**
 * A position in CBOR bytes.
 *
 * Methods throw `FormatError`s; `Cbor.decode` is where they become values. Lengths are compared with the bytes that are
 * left before anything is taken.
 *
 * @since 0.1.0
 * @category models
 */
export class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #format: string
  #at = 0
  #depth = 0
  #listed = 0
  #field = ""

  constructor(bytes: Uint8Array, format: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#format = format
  }

  /** The offset of the next byte. */
  get offset(): number {
    return this.#at
  }

  /** The error to throw about what is at `at`; it names the field that is being read. */
  error(problem: string, at: number = this.#at): FormatError {
    const where = this.#field === "" ? "" : `${this.#field}: `
    return new FormatError({ format: this.#format, at: `byte ${at}`, problem: `${where}${problem}` })
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw this.error("ends too early")
    this.#at++
    return byte
  }

  #need(length: number): number {
    const at = this.#at
    if (length > this.#bytes.length - at) throw this.error("ends too early", this.#bytes.length)
    this.#at += length
    return at
  }

  #argument(info: number, start: number): number | bigint {
    if (info < 24) return info
    switch (info) {
      case 24:
        return this.#byte()
      case 25:
        return this.#view.getUint16(this.#need(2))
      case 26:
        return this.#view.getUint32(this.#need(4))
      case 27: {
        const wide = this.#view.getBigUint64(this.#need(8))
        return wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide
      }
      default:
        throw this.error(`has a head that CBOR does not define (additional information ${info})`, start)
    }
  }

  /** The additional information of the next head, which must be of major type `wanted`. */
  #head(wanted: number, what: string): number {
    const start = this.#at
    const byte = this.#byte()
    if (byte >> 5 !== wanted) throw this.error(`expected ${what}, got ${majorNames[byte >> 5]}`, start)
    return byte & 31
  }

  /** Any integer; a bigint only when no safe number holds it. */
  integer(): number | bigint {
    const start = this.#at
    const byte = this.#byte()
    const type = byte >> 5
    if (type > major.negative) throw this.error(`expected an integer, got ${majorNames[type]}`, start)
    const value = this.#argument(byte & 31, start)
    if (type === major.unsigned) return value
    return typeof value === "number" && value < Number.MAX_SAFE_INTEGER ? -1 - value : -1n - BigInt(value)
  }

  /** An integer from `least` to `most`. */
  integerIn(least: number, most: number): number {
    const start = this.#at
    const byte = this.#bytes[start]
    if (byte !== undefined && byte < 24 && byte >= least && byte <= most) {
      this.#at = start + 1
      return byte
    }
    const value = this.integer()
    if (typeof value === "number" && value >= least && value <= most) return value
    throw this.error(`${value} is outside ${least} to ${most}`, start)
  }

  /** An unsigned 64-bit integer. */
  u64(): bigint {
    const start = this.#at
    const byte = this.#bytes[start]
    if (byte !== undefined && byte < 24) {
      this.#at = start + 1
      return smallIntegers[byte]!
    }
    const value = BigInt(this.integer())
    if (value < 0n) throw this.error(`${value} is outside 0 to ${Bytes.maxU64}`, start)
    return value
  }

  boolean(): boolean {
    const start = this.#at
    const byte = this.#byte()
    if (byte === 0xf4 || byte === 0xf5) return byte === 0xf5
    throw this.error(`expected a boolean, got ${majorNames[byte >> 5]}`, start)
  }

  /** Goes past a string of definite length; answers where its bytes begin. */
  #string(type: number, what: string): number {
    const start = this.#at
    const info = this.#head(type, what)
    if (info === indefinite) throw this.error(`expected ${what} of definite length`, start)
    const length = this.#argument(info, start)
    const left = this.#bytes.length - this.#at
    if (length > left) throw this.error(`claims ${length} bytes where ${left} are left`, start)
    return this.#need(Number(length))
  }

  /** The text of the bytes up to here, if they are few and all of them ASCII. */
  #ascii(from: number): string | undefined {
    const length = this.#at - from
    if (length > shortText) return undefined
    for (let i = 0; i < length; i++) {
      const byte = this.#bytes[from + i]!
      if (byte > 0x7f) return undefined
      codes[i] = byte
    }
    return String.fromCharCode.apply(undefined, length === codes.length ? codes : codes.slice(0, length))
  }

  /** A byte string of definite length, as a copy; of exactly `length` bytes when that is given. */
  bytes(length?: number): Uint8Array {
    const start = this.#at
    const from = this.#string(major.bytes, "a byte string")
    if (length !== undefined && this.#at - from !== length)
      throw this.error(`expected ${length} bytes, got ${this.#at - from}`, start)
    return this.#bytes.slice(from, this.#at)
  }

  /** A text of definite length in valid UTF-8, of at most `limit` bytes when that is given. */
  text(limit?: number): string {
    const start = this.#at
    const from = this.#string(major.text, "a text")
    if (limit !== undefined && this.#at - from > limit)
      throw this.error(`has a text of ${this.#at - from} bytes, more than ${limit}`, start)
    if (this.#at === from) return ""
    const text = this.#ascii(from) ?? Bytes.toUtf8(this.#bytes.subarray(from, this.#at))
    if (text === undefined) throw this.error("has a text that is not UTF-8", start)
    return text
  }

  /** The definite count of items (pairs of a map) that a head claims. */
  #count(type: number, info: number, start: number): number {
    const claimed = this.#argument(info, start)
    const left = this.#bytes.length - this.#at
    // every item takes a byte at least, so a larger count is a lie, found before anything is allocated for it
    if (claimed > (type === major.map ? left >> 1 : left))
      throw this.error(`claims ${claimed} items where ${left} bytes are left`, start)
    return Number(claimed)
  }

  /** Calls `each` once per item (per pair in a map), which must read it; answers how many there were. */
  #items(type: number, what: string, each: (index: number) => void, limit?: number): number {
    const start = this.#at
    const info = this.#head(type, what)
    if (++this.#depth > maxDepth) throw this.error(`is nested more than ${maxDepth} deep`, start)
    let count = 0
    const over = () => this.error(`has more than ${limit} items`, start)
    if (info === indefinite) {
      while (this.#bytes[this.#at] !== breakByte) {
        if (count === limit) throw over()
        each(count++)
      }
      this.#at++
    } else {
      const total = this.#count(type, info, start)
      if (limit !== undefined && total > limit) throw over()
      for (; count < total; count++) each(count)
    }
    this.#depth--
    return count
  }

  /** An array; `each` reads one item. */
  eachItem(each: (index: number) => void, limit?: number): number {
    return this.#items(major.array, "an array", each, limit)
  }

  /** A map; `each` reads one key and its value. */
  eachPair(each: (index: number) => void, limit?: number): number {
    return this.#items(major.map, "a map", each, limit)
  }

  /** Enters an array of definite length, whose items the caller reads before it lowers the depth again. */
  #enterArray(): number {
    const start = this.#at
    const info = this.#head(major.array, "an array")
    if (info === indefinite) throw this.error("expected an array of definite length", start)
    if (++this.#depth > maxDepth) throw this.error(`is nested more than ${maxDepth} deep`, start)
    return this.#count(major.array, info, start)
  }

  /** To be called for each item of a list that is kept: refuses the one that is too many. */
  countListed(): void {
    if (++this.#listed > maxListed) throw this.error(`has more than ${maxListed} list items`)
  }

  /** A tuple: an array of definite length with exactly `length` items, which `body` reads. */
  tuple<A>(length: number, body: () => A): A {
    const start = this.#at
    const items = this.#enterArray()
    if (items !== length) throw this.error(`expected an array of ${length}, got one of ${items}`, start)
    const value = body()
    this.#depth--
    return value
  }

  /** An enum `[variant, fields]`: `body` is given the variant and reads the fields, or throws for an unknown variant. */
  variant<A>(body: (variant: number | bigint, at: number) => A): A {
    return this.tuple(2, () => {
      const at = this.#at
      return body(this.integer(), at)
    })
  }

  /** A flat enum `[variant, field, …]` whose variants have one field, which `body` reads; surplus items are skipped. */
  flatVariant<A>(body: (variant: number | bigint, at: number) => A): A {
    const start = this.#at
    const items = this.#enterArray()
    if (items < 2) throw this.error("expected a variant and its field", start)
    const at = this.#at
    const value = body(this.integer(), at)
    for (let surplus = items - 2; surplus > 0; surplus--) this.skip()
    this.#depth--
    return value
  }

  #fill(struct: string, field: Field): void {
    const outer = this.#field
    this.#field = `${struct}.${field.name}`
    if (this.#bytes[this.#at] === nullByte) {
      this.#at++
      field.clear()
    } else {
      field.fill(this)
    }
    this.#field = outer
  }

  /** A map struct into cells by field index; unknown fields are skipped, the last of equal ones counts. */
  struct(name: string, fields: { readonly [index: number]: Field }): void {
    this.eachPair(() => {
      const index = this.integer()
      const field = typeof index === "number" ? fields[index] : undefined
      if (field === undefined) this.skip()
      else this.#fill(name, field)
    })
  }

  /** A map struct into `draft` by field index; unknown fields are skipped, the last of equal ones counts. */
  draft<T>(fields: ReadonlyArray<DraftField<T>>, draft: T): T {
    // `struct` without a closure per value
    const start = this.#at
    const info = this.#head(major.map, "a map")
    if (++this.#depth > maxDepth) throw this.error(`is nested more than ${maxDepth} deep`, start)
    const pairs = info === indefinite ? Number.POSITIVE_INFINITY : this.#count(major.map, info, start)
    for (let count = 0; count < pairs; count++) {
      if (pairs === Number.POSITIVE_INFINITY && this.#bytes[this.#at] === breakByte) {
        this.#at++
        break
      }
      const small = this.#bytes[this.#at]
      let index: number | bigint
      if (small !== undefined && small < 24) {
        this.#at++
        index = small
      } else {
        index = this.integer()
      }
      const field = typeof index === "number" ? fields[index] : undefined
      if (field === undefined) {
        this.skip()
        continue
      }
      const outer = this.#field
      this.#field = field.label
      if (this.#bytes[this.#at] === nullByte) {
        this.#at++
        field.clear(draft)
      } else {
        field.fill(this, draft)
      }
      this.#field = outer
    }
    this.#depth--
    return draft
  }

  /** An array struct into cells by field index; surplus items are skipped. */
  arrayStruct(name: string, fields: ReadonlyArray<Field>): void {
    this.eachItem((index) => {
      const field = fields[index]
      if (field === undefined) this.skip()
      else this.#fill(name, field)
    })
  }

  /** The value of a field that must be there, once its struct has been read. */
  required<A>(field: Cell<A>): A {
    if (field.value === undefined) throw this.error(`lacks the field "${field.name}"`)
    return field.value
  }

  /** Any one well-formed item. */
  skip(): void {
    const start = this.#at
    const byte = this.#byte()
    const type = byte >> 5
    const info = byte & 31
    switch (type) {
      case major.unsigned:
      case major.negative:
        this.#argument(info, start)
        return
      case major.bytes:
      case major.text:
        if (info === indefinite) {
          // chunks of the same type, each of definite length
          while (this.#bytes[this.#at] !== breakByte) this.#string(type, "a chunk of a string")
          this.#at++
        } else {
          this.#at = start
          this.#string(type, "a string")
        }
        return
      case major.array:
        this.#at = start
        this.eachItem(() => this.skip())
        return
      case major.map:
        this.#at = start
        this.eachPair(() => {
          this.skip()
          this.skip()
        })
        return
      case major.tag:
        this.#argument(info, start)
        if (++this.#depth > maxDepth) throw this.error(`is nested more than ${maxDepth} deep`, start)
        this.skip()
        this.#depth--
        return
      default:
        // simple values and floats; a break (31) is refused by #argument
        this.#argument(info, start)
    }
  }

  /** Ends the reading: what is left must be nothing, or zeros only when `padded`. */
  end(padded: boolean): void {
    const start = this.#at
    if (start === this.#bytes.length) return
    if (!padded) throw this.error(`has ${this.#bytes.length - start} bytes behind its end`, start)
    for (let at = start; at < this.#bytes.length; at++)
      if (this.#bytes[at] !== 0) throw this.error("has bytes behind its end that are no padding", at)
  }
}

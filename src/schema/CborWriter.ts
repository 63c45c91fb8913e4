/**
 * Writes the formats' CBOR: definite lengths, shortest heads, no tags, no floats (docs/format/fs5.md §2.1).
 *
 * @since 0.1.0
 */
import * as Bytes from "./Bytes.ts"

const two32 = 0x1_0000_0000
const maxSafe = BigInt(Number.MAX_SAFE_INTEGER)

/** Texts up to this length are looked at unit by unit: most names are short and ASCII. */
const shortText = 128

/** Writes one value after another. @since 0.1.0 @category models */
export type Write<A> = (writer: Writer, value: A) => void

/** Writes field `index` of a struct, or nothing when `value` is absent. @since 0.1.0 @category models */
export type WriteField = <A>(index: number, value: A | undefined, write: Write<A>) => void

/**
 * A growing buffer that takes CBOR items.
 *
 * Values that the format cannot hold (out of range, lone surrogates) throw a `RangeError`: they are mistakes of the
 * caller, and writing something else in their place would lose data.
 *
 * @since 0.1.0
 * @category models
 */
export class Writer {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + extra))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }

  #head(major: number, value: number | bigint): void {
    this.#reserve(9)
    const at = this.#length
    const type = major << 5
    if (value < 24) {
      this.#bytes[at] = type | Number(value)
      this.#length += 1
    } else if (value < 0x100) {
      this.#bytes[at] = type | 24
      this.#bytes[at + 1] = Number(value)
      this.#length += 2
    } else if (value < 0x1_0000) {
      this.#bytes[at] = type | 25
      this.#view.setUint16(at + 1, Number(value))
      this.#length += 3
    } else if (value < two32) {
      this.#bytes[at] = type | 26
      this.#view.setUint32(at + 1, Number(value))
      this.#length += 5
    } else {
      this.#bytes[at] = type | 27
      this.#view.setBigUint64(at + 1, BigInt(value))
      this.#length += 9
    }
  }

  /** An integer from -2^64 to 2^64 - 1; a number must be a safe integer. */
  integer(value: number | bigint): void {
    if (typeof value === "number") {
      if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`)
      if (value >= 0) this.#head(0, value)
      else this.#head(1, -1 - value)
      return
    }
    if (value > Bytes.maxU64 || value < -1n - Bytes.maxU64) throw new RangeError(`${value} does not fit 64 bits`)
    if (value >= 0n) this.#head(0, value <= maxSafe ? Number(value) : value)
    else this.#head(1, -1n - value)
  }

  boolean(value: boolean): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value ? 0xf5 : 0xf4
  }

  bytes(value: Uint8Array): void {
    this.#head(2, value.length)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  text(value: string): void {
    if (value.length <= shortText && this.#ascii(value)) return
    if (/\p{Surrogate}/u.test(value)) throw new RangeError("a text with a lone surrogate has no UTF-8 form")
    const encoded = Bytes.fromUtf8(value)
    this.#head(3, encoded.length)
    this.#reserve(encoded.length)
    this.#bytes.set(encoded, this.#length)
    this.#length += encoded.length
  }

  /** Writes `value` if it is ASCII, otherwise nothing; answers which. */
  #ascii(value: string): boolean {
    this.#reserve(9 + value.length)
    const from = this.#length
    this.#head(3, value.length)
    let at = this.#length
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i)
      if (unit >= 0x80) {
        this.#length = from
        return false
      }
      this.#bytes[at++] = unit
    }
    this.#length = at
    return true
  }

  /** The head of an array; its items follow. */
  array(length: number): void {
    this.#head(4, length)
  }

  /** The head of a map; its keys and values follow in turn, keys ascending. */
  map(length: number): void {
    this.#head(5, length)
  }

  /** A map struct: `fields` is given a function to write fields with, to be called in ascending order of index. */
  struct(fields: (field: WriteField) => void): void {
    this.#reserve(1)
    const head = this.#length++
    let count = 0
    fields((index, value, write) => {
      if (value === undefined) return
      count++
      this.#head(0, index)
      write(this, value)
    })
    // a head of one byte is always enough here: no struct of the formats has more than 11 fields
    if (count > 23) throw new RangeError(`a struct of ${count} fields needs a longer head`)
    this.#bytes[head] = 0xa0 | count
  }

  /** An enum: `[variant, value]`. */
  variant<A>(variant: number, value: A, write: Write<A>): void {
    this.array(2)
    this.integer(variant)
    write(this, value)
  }

  /** A map enum's variant without fields: `[variant, {}]`. */
  unitVariant(variant: number): void {
    this.array(2)
    this.integer(variant)
    this.map(0)
  }

  /** A copy of what has been written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }
}

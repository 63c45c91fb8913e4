/**
 * What the header of an age file says to anybody (docs/format/node.md §0.3).
 *
 * @since 0.1.0
 */

const newline = 0x0a
const x25519 = "-> X25519 "
// 1024 stanzas of about 100 bytes, which is more than is ever opened
const longestHeader = 256 * 1024

/**
 * How many X25519 recipients the binary age file is sealed for; not who they are. Anything else is sealed for none.
 *
 * @since 0.1.0
 * @category accessors
 */
export const recipientCount = (sealed: Uint8Array): number => {
  const end = Math.min(sealed.length, longestHeader)
  let count = 0
  for (let at = 0; at < end; ) {
    const next = sealed.indexOf(newline, at)
    if (next < 0 || next >= end) return 0
    const line = String.fromCharCode(...sealed.subarray(at, Math.min(next, at + x25519.length)))
    if (at === 0 && !"age-encryption.org/v1".startsWith(line)) return 0
    if (line.startsWith("---")) return count
    if (line === x25519) count++
    at = next + 1
  }
  return 0
}

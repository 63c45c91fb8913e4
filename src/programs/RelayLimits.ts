/**
 * How fast a token may be used.
 *
 * @since 0.1.0
 */

/** What is left of an allowance that fills up by the second. @since 0.1.0 @category models */
export interface Bucket {
  readonly left: number
  /** When `left` was true, in milliseconds since 1970. */
  readonly at: number
}

/** Seconds of its rate that may be used at once. @since 0.1.0 @category constants */
export const burstSeconds = 10

/** The bucket after taking `amount` at `now`, or the seconds to wait before it can be taken. @since 0.1.0 @category combinators */
export const take = (
  bucket: Bucket | undefined,
  ratePerSecond: number,
  amount: number,
  now: number
): { readonly bucket: Bucket; readonly wait: number } => {
  const most = ratePerSecond * burstSeconds
  // a clock that was set back gives nothing and takes nothing
  const elapsed = bucket === undefined ? 0 : Math.max(0, now - bucket.at) / 1000
  const left = bucket === undefined ? most : Math.min(most, bucket.left + elapsed * ratePerSecond)
  // what is larger than any burst goes through a full bucket, or it never could
  const needed = Math.min(amount, most)
  return left >= needed
    ? { bucket: { left: left - amount, at: now }, wait: 0 }
    : { bucket: { left, at: now }, wait: (needed - left) / ratePerSecond }
}

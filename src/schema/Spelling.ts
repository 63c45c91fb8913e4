/**
 * The word that somebody may have meant.
 *
 * @since 0.1.0
 */

/** How many letters are wrong, missing, too many, or swapped with the next one. @since 0.1.0 @category comparing */
export const distance = (a: string, b: string): number => {
  let before: ReadonlyArray<number> = []
  let row: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const best = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      next.push(swapped ? Math.min(best, before[j - 2]! + 1) : best)
    }
    before = row
    row = next
  }
  return row[b.length]!
}

/** The known word nearest to a mistyped one, if any is near. @since 0.1.0 @category combinators */
export const nearest = (word: string, known: ReadonlyArray<string>): string | undefined => {
  const [best] = known
    .map((candidate) => ({ candidate, away: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.away - b.away)
  return best !== undefined && best.away <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined
}

/**
 * The manuals of all verbs, for which every verb is loaded.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Manual from "./Manual.ts"
import * as Verbs from "./Verbs.ts"

/** In the order of the overview. @since 0.1.0 @category accessors */
export const all: Effect.Effect<ReadonlyArray<Manual.Manual>> = Effect.forEach(Verbs.names, (name) => {
  const listed = Verbs.find(name)
  // a chunk of this very program that cannot be loaded is a broken installation
  return listed === undefined
    ? Effect.succeed([])
    : Effect.promise(() => listed.load().then(({ verb }) => [verb.manual]))
}).pipe(Effect.map((found) => found.flat()))

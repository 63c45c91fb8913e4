/** What counts as acknowledged where several registries stand behind one, and a write reached only some of them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as RegistryMemory from "../../src/layers/RegistryMemory.ts"
import * as RegistryMulti from "../../src/layers/RegistryMulti.ts"
import * as Head from "../../src/programs/Head.ts"
import * as Vault from "../../src/programs/Vault.ts"
import * as Bytes from "../../src/schema/Bytes.ts"
import { Registry, RegistryError, type Service } from "../../src/services/Registry.ts"
import { right } from "../support/either.ts"
import { backup, contents, latest, make, mapping, patiently } from "../support/programs.ts"
import { dice } from "../support/registry.ts"

const one = mapping("/one")
const down = new RegistryError({ reason: "Unavailable", registry: "x", key: "", detail: "no connection" })

/** Three registries of which a write needs two, each of which can be taken away. */
const three = Effect.gen(function* () {
  const up = { a: true, b: true, c: true }
  const backend = Effect.fnUntraced(function* (name: keyof typeof up) {
    const inner = yield* RegistryMemory.make({ name })
    const service: Service = {
      ...inner,
      entries: (key) => Effect.suspend(() => (up[name] ? inner.entries(key) : down)),
      set: (entry, over) => Effect.suspend(() => (up[name] ? inner.set(entry, over) : down))
    }
    return service
  })
  const policy = right(RegistryMulti.parsePolicy("quorum:2", 3))
  const registry = yield* RegistryMulti.make({
    backends: [yield* backend("a"), yield* backend("b"), yield* backend("c")],
    policy
  })
  return { up, registry }
})

describe("a write that reached one of three registries, where two are needed", () => {
  it.effect("is acknowledged by its own next attempt only when it has reached a second one", () =>
    Effect.gen(function* () {
      const world = yield* make({ "/one/f": "1" })
      const { registry, up } = yield* Effect.provide(three, world.layer)
      let during = false
      const shaken: Service = {
        ...registry,
        set: (entry, over) =>
          Effect.suspend(() => {
            if (!during) return registry.set(entry, over)
            during = false
            up.b = up.c = false
            return Effect.ensuring(
              registry.set(entry, over),
              Effect.sync(() => {
                up.b = true
              })
            )
          })
      }
      yield* Effect.gen(function* () {
        yield* backup(one)
        yield* world.disk.put("/one/f", "2")
        during = true
        const { published } = yield* patiently(backup(one))
        assert.strictEqual(published.outcome, "published")
        // the first registry burns down; a quorum survives the loss of one
        Object.assign(up, { a: false, b: true, c: true })
        assert.strictEqual((yield* latest)["one/f"], "2")
      }).pipe(Effect.provideService(Registry, shaken), Effect.provide(world.layer))
    })
  )

  it.effect("is no reason to call a source unchanged before it has reached a second one", () =>
    Effect.gen(function* () {
      const world = yield* make({ "/one/f": "1" })
      const { registry, up } = yield* Effect.provide(three, world.layer)
      yield* Effect.gen(function* () {
        yield* backup(one)
        yield* world.disk.put("/one/f", "2")
        let sets = 0
        const dying: Service = {
          ...registry,
          set: (entry, over) =>
            Effect.suspend(() => {
              if (sets++ > 0) return Effect.interrupt
              up.b = up.c = false
              return registry.set(entry, over)
            })
        }
        yield* Effect.exit(
          patiently(backup(one).pipe(Effect.provideService(Registry, dying), Effect.timeout("1 minute")))
        )
        up.b = true
        const { published } = yield* patiently(backup(one))
        assert.include(["unchanged", "published"], published.outcome)
        Object.assign(up, { a: false, b: true, c: true })
        assert.strictEqual((yield* latest)["one/f"], "2")
      }).pipe(Effect.provideService(Registry, registry), Effect.provide(world.layer))
    })
  )
})

describe("a write that reached one registry, while an older rival's reached the other", () => {
  it.effect("does not overwrite the rival, which is merged", () =>
    Effect.gen(function* () {
      const world = yield* make({ "/one/f": "1", "/two/f": "1", "/three/f": "1" })
      yield* Effect.gen(function* () {
        const a = yield* RegistryMemory.make({ name: "a" })
        const b = yield* RegistryMemory.make({ name: "b" })
        const both = (first: Service, second: Service) =>
          RegistryMulti.make({ backends: [first, second], policy: right(RegistryMulti.parsePolicy("quorum:2", 2)) })
        const deaf: Service = { ...a, entries: () => down, set: () => down }
        const last = (service: Service): Service => ({
          ...service,
          set: (entry, over) => Effect.zipRight(service.set(entry, over), Effect.interrupt)
        })
        const registry = yield* both(a, b)
        const shared = Effect.provideService(Registry, registry)
        for (const name of ["/one", "/two", "/three"]) yield* shared(backup(mapping(name)))
        for (const name of ["/one", "/two", "/three"]) yield* world.disk.put(`${name}/f`, "2")

        // one process ends when its write has reached the first registry alone, another when its own reached the second
        const died = (name: string, first: Service, second: Service) =>
          Effect.gen(function* () {
            yield* Effect.exit(backup(mapping(name)).pipe(Effect.provideService(Registry, yield* both(first, second))))
          }).pipe(Effect.provide(world.layer))
        yield* died("/three", last(a), b)
        const before = yield* Effect.cached(died("/two", deaf, last(b)))
        const raced: Service = { ...b, set: (entry, over) => Effect.zipRight(before, b.set(entry, over)) }
        yield* Effect.gen(function* () {
          const { published } = yield* patiently(backup(one))
          assert.strictEqual(published.outcome, "published")
        }).pipe(Effect.provideService(Registry, yield* both(a, raced)))
        const files = yield* shared(latest)
        assert.deepStrictEqual([files["one/f"], files["two/f"], files["three/f"]], ["2", "2", "2"])
      }).pipe(Effect.provide(world.layer))
    })
  )
})

describe("what was acknowledged", () => {
  for (const policy of ["quorum:2", "all"])
    it.effect(`${policy} of three: survives the loss of as many registries as a reader can do without`, () =>
      Effect.gen(function* () {
        let [failures, acknowledgements] = [0, 0]
        for (let seed = 1; seed <= 4; seed++) {
          const roll = dice(seed)
          const world = yield* make({ "/one/f": "0", "/two/f": "0" })
          let calm = false
          const gone = new Set<string>()
          const backend = Effect.fnUntraced(function* (name: string) {
            const inner = yield* RegistryMemory.make({ name })
            let outage = 0
            const shaken = <A>(run: Effect.Effect<A, RegistryError>) =>
              Effect.suspend(() => {
                if (gone.has(name)) return down
                if (calm) return run
                // an outage takes a while, and may begin after the call was carried out
                if (outage === 0 && roll(9) === 0) {
                  outage = 1 + roll(4)
                  failures++
                  return roll(2) === 0 ? down : Effect.zipRight(Effect.ignore(run), down)
                }
                if (outage === 0) return run
                outage--
                return down
              })
            const service: Service = {
              ...inner,
              entries: (key) => shaken(inner.entries(key)),
              set: (entry, over) => shaken(inner.set(entry, over))
            }
            return service
          })
          const registry = yield* Effect.gen(function* () {
            return yield* RegistryMulti.make({
              backends: [yield* backend("a"), yield* backend("b"), yield* backend("c")],
              policy: right(RegistryMulti.parsePolicy(policy, 3))
            })
          }).pipe(Effect.provide(world.layer))
          /** What the head may hold of each source: what was acknowledged last, and what was not, since. */
          const possible: Record<string, Array<string>> = { one: ["nothing"], two: ["nothing"] }
          yield* Effect.gen(function* () {
            for (let step = 1; step <= 7; step++) {
              const source = roll(2) === 0 ? "one" : "two"
              if (roll(4) > 0) yield* world.disk.put(`/${source}/f`, `${step}`)
              const now = Bytes.toUtf8((yield* world.disk.contentOf(`/${source}/f`))!)!
              const ended = yield* Effect.either(patiently(backup(mapping(`/${source}`))))
              if (Either.isRight(ended)) acknowledgements++
              possible[source] = Either.isRight(ended) ? [now] : [...possible[source]!, now]
            }
            calm = true
            const survivors = policy === "all" ? ["bc", "ac", "ab"] : ["a", "b", "c"]
            for (const lost of survivors) {
              gone.clear()
              for (const name of lost) gone.add(name)
              const newest = yield* Head.newest(yield* Vault.ensure("docs"))
              const found: Record<string, string> = newest === undefined ? {} : yield* contents(newest)
              for (const [source, states] of Object.entries(possible))
                assert.include(states, found[`${source}/f`] ?? "nothing", `seed ${seed}, ${source}, without ${lost}`)
            }
          }).pipe(Effect.provideService(Registry, registry), Effect.provide(world.layer))
        }
        assert.isAbove(failures, 10)
        assert.isAbove(acknowledgements, 8)
      })
    )
})

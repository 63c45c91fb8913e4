/**
 * The registry `default` of a configuration, with all that it is made of, each opened when it is first asked.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Config } from "../schema/Config.ts"
import type { ConfigRegistry } from "../schema/ConfigRegistry.ts"
import { Crypto } from "../services/Crypto.ts"
import type * as Registry from "../services/Registry.ts"
import type * as Stores from "../services/Stores.ts"
import { openOnce } from "./internal/openOnce.ts"
import * as ObjectStoreFs from "./ObjectStoreFs.ts"
import * as RegistryLazy from "./RegistryLazy.ts"
import * as RegistryMemory from "./RegistryMemory.ts"
import * as RegistryMulti from "./RegistryMulti.ts"
import * as RegistryObjectStore from "./RegistryObjectStore.ts"

/** A configured registry cannot be made as it is described; `config check` tells why before it comes to this. @since 0.1.0 @category errors */
export class RegistryUnsupported extends Data.TaggedError("RegistryUnsupported")<{ readonly detail: string }> {
  override get message() {
    return this.detail
  }
}

/** @since 0.1.0 @category models */
export interface Options {
  readonly registries: Config["registry"]
  readonly stores: Stores.Service
  /** The absolute form of a path of the configuration. */
  readonly resolve: (path: string) => string
  /** The folder of an LMDB registry that names none. */
  readonly directory: string
}

/** The registry called `default`, or nothing where there is none. @since 0.1.0 @category constructors */
export const make = Effect.fnUntraced(function* (options: Options) {
  const scope = yield* Effect.scope
  const crypto = yield* Crypto
  const named = new Map<string, Registry.Service>()

  const isNotEmpty = (
    all: ReadonlyArray<Registry.Service>
  ): all is readonly [Registry.Service, ...Array<Registry.Service>] => all.length > 0

  const open = Effect.fnUntraced(function* (name: string, registry: ConfigRegistry, above: ReadonlyArray<string>) {
    switch (registry.type) {
      case "lmdb":
      case "local":
      case "redb": {
        // a chunk of this very program that cannot be loaded is a broken installation
        const layer = yield* Effect.promise(() => import("./RegistryLmdb.ts"))
        const directory = registry.path === undefined ? options.directory : options.resolve(registry.path)
        return yield* layer.make({ directory, name })
      }
      case "memory":
        return yield* RegistryMemory.make({ name })
      case "store":
        return { ...(yield* options.stores.registry(registry.store, registry.prefix)), name }
      case "store_local": {
        const objects = yield* ObjectStoreFs.make({ directory: options.resolve(registry.path), name })
        return yield* RegistryObjectStore.make(objects, { name, prefix: registry.prefix })
      }
      case "multi": {
        const backends = registry.backends.map((backend, index) =>
          typeof backend === "string" ? byName(backend, above) : lazy(`${name}[${index}]`, backend, above)
        )
        const policy = RegistryMulti.parsePolicy(registry.write_policy, backends.length)
        if (Either.isLeft(policy) || !isNotEmpty(backends))
          return yield* new RegistryUnsupported({ detail: "its backends and its write_policy do not go together" })
        return yield* RegistryMulti.make({ name, backends, policy: policy.right })
      }
      default:
        return yield* new RegistryUnsupported({ detail: `a registry of type ${registry.type} cannot be used here` })
    }
  })

  const lazy = (name: string, registry: ConfigRegistry, above: ReadonlyArray<string>): Registry.Service =>
    RegistryLazy.make(
      name,
      openOnce(scope, Effect.suspend(() => open(name, registry, above)).pipe(Effect.provideService(Crypto, crypto)))
    )

  const byName = (name: string, above: ReadonlyArray<string>): Registry.Service => {
    const before = named.get(name)
    if (before !== undefined) return before
    const registry = Object.hasOwn(options.registries, name) ? options.registries[name] : undefined
    const made =
      registry === undefined || above.includes(name)
        ? RegistryLazy.make(
            name,
            new RegistryUnsupported({ detail: `there is no [registry.${name}] that could be opened` })
          )
        : lazy(name, registry, [...above, name])
    named.set(name, made)
    return made
  }

  return Object.hasOwn(options.registries, "default") ? byName("default", []) : undefined
})

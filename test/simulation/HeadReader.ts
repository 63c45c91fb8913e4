/** Reads published nodes and their trees without the program's own readers, and misses every blob that is not there. */
import * as Either from "effect/Either"
import * as Bytes from "../../src/schema/Bytes.ts"
import * as Hash from "../../src/schema/Hash.ts"
import * as Node from "../../src/schema/Node.ts"
import * as TransparentNode from "../../src/schema/TransparentNode.ts"
import * as CheapCrypto from "./CheapCrypto.ts"
import type { File, Files } from "./FileMerge.ts"

/** What a published node says. */
export interface Read {
  readonly files: Files
  /** The published nodes before it, in hex. */
  readonly history: ReadonlySet<string>
}

/** What was read once is not read again: what is durable stays so, and bytes never change their hash. */
export class HeadReader {
  readonly #durable: (hash: Hash.Hash) => Uint8Array | undefined
  readonly #nodes = new Map<string, Node.Node>()
  readonly #leaves = new Set<string>()
  /** Every blob that was found. */
  readonly blobs = new Map<string, Hash.Hash>()

  /** `durable` gives what a power cut would leave of a blob. */
  constructor(durable: (hash: Hash.Hash) => Uint8Array | undefined) {
    this.#durable = durable
  }

  /** The published node `hash` with all its files, or what is wrong with it; `name` is for the message. */
  read(hash: Hash.Hash, name: string): Either.Either<Read, string> {
    return Either.gen(this, function* () {
      const node = yield* this.#published(hash, name)
      const files = new Map<string, File>()
      if (!Bytes.equals(node.root, Hash.zero)) yield* this.#collect(node.root, name, files)
      return { files, history: new Set(node.history.map((entry) => Hash.toHex(entry.hash))) }
    })
  }

  #bytes(hash: Hash.Hash, what: string): Either.Either<Uint8Array, string> {
    const bytes = this.#durable(hash)
    const short = Hash.toHex(hash).slice(0, 8)
    if (bytes === undefined) return Either.left(`${what} ${short} would not survive a power cut`)
    if (!Bytes.equals(CheapCrypto.primitives.blake3(bytes), hash))
      return Either.left(`${what} ${short} has other bytes than its name says`)
    this.blobs.set(Hash.toHex(hash), hash)
    return Either.right(bytes)
  }

  /** The files of a published node that is known to be whole. */
  filesOf(hash: Hash.Hash): Files {
    return Either.getOrThrow(this.read(hash, Hash.toHex(hash))).files
  }

  #published(hash: Hash.Hash, name: string): Either.Either<TransparentNode.TransparentNode, string> {
    return Either.flatMap(this.#bytes(hash, `${name}: its published node`), (sealed) => {
      const plain = CheapCrypto.opened(sealed)
      if (plain === undefined) return Either.left(`${name}: its published node cannot be opened`)
      return Either.mapLeft(TransparentNode.decode(plain), (error) => `${name}: ${error.message}`)
    })
  }

  #node(hash: Hash.Hash, name: string): Either.Either<Node.Node, string> {
    const hex = Hash.toHex(hash)
    const known = this.#nodes.get(hex)
    if (known !== undefined) return Either.right(known)
    const node = Either.flatMap(this.#bytes(hash, `${name}: the tree node`), (bytes) =>
      Either.mapLeft(Node.decode(bytes), (error) => `${name}: ${error.message}`)
    )
    if (Either.isRight(node)) this.#nodes.set(hex, node.right)
    return node
  }

  /** Adds the files of the tree below `hash`, none of whose blobs may be missing. */
  #collect(hash: Hash.Hash, name: string, files: Map<string, File>): Either.Either<void, string> {
    const node = this.#node(hash, name)
    if (Either.isLeft(node)) return Either.left(node.left)
    for (const [key, { content, semantic }] of node.right.entries) {
      if (content === undefined) return Either.left(`${name}: ${key} has no content`)
      if (content.structural === "link") {
        const below = this.#collect(content.hash, name, files)
        if (Either.isLeft(below)) return below
        continue
      }
      const hex = Hash.toHex(content.hash)
      if (!this.#leaves.has(hex)) {
        const leaf = this.#bytes(content.hash, `${name}: the content of ${key},`)
        if (Either.isLeft(leaf)) return Either.left(leaf.left)
        this.#leaves.add(hex)
      }
      const mtime = (semantic?.timestamp ?? 0) * 1000 + (semantic?.timestampSubsecNanos ?? 0) / 1_000_000
      files.set(key, { content: hex, mtime })
    }
    return Either.void
  }
}

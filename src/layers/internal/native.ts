/**
 * System calls that Node has no function for, through the optional `koffi`.
 *
 * Linux on 64-bit machines only, where `struct timespec` is two 64-bit integers with glibc and with musl.
 */
import { createRequire } from "node:module"
import { getSystemErrorName } from "node:util"
import type { FileStatus } from "../../services/LocalTree.ts"
import { typeOf } from "./typeBits.ts"

/** A call that failed: the error's name, such as `ENOTSUP`. */
export type Failed = { readonly code: string }

export interface Native {
  /** Sets the modification time alone, of a link itself. */
  readonly setModified: (path: Buffer, ns: bigint) => Failed | undefined
  /** The same of an open file. */
  readonly setModifiedOf: (fd: number, ns: bigint) => Failed | undefined
  /** The names of the extended attributes of what is at `path` itself. */
  readonly listAttributes: (path: Buffer) => ReadonlyArray<Buffer> | Failed
  readonly getAttribute: (path: Buffer, name: Buffer) => Buffer | Failed
  /** The same of an open file. */
  readonly listAttributesOf: (fd: number) => ReadonlyArray<Buffer> | Failed
  readonly getAttributeOf: (fd: number, name: Buffer) => Buffer | Failed
  /** The same in another thread. */
  readonly listAttributesLater: (path: Buffer, done: (names: ReadonlyArray<Buffer> | Failed) => void) => void
  readonly getAttributeLater: (path: Buffer, name: Buffer, done: (value: Buffer | Failed) => void) => void
  readonly setAttribute: (path: Buffer, name: Buffer, value: Uint8Array) => Failed | undefined
  readonly setAttributeOf: (fd: number, name: Buffer, value: Uint8Array) => Failed | undefined
  /**
   * What is in the open directory under that name, whose bytes are one character each, links not followed; nothing when that
   * cannot be told, for whatever reason.
   */
  readonly statusAt: (directory: number, name: string) => FileStatus | undefined
  /** What an open file is; nothing when that cannot be told, for whatever reason. */
  readonly statusOf: (fd: number) => FileStatus | undefined
  /** Gives the open file, which may have none, the name in the open directory, if nothing has it. */
  readonly link: (fd: number, directory: number, name: Buffer) => Failed | undefined
  /** Takes the exclusive lock of an open file if nobody else holds it; it goes with the descriptor or the process. */
  readonly tryLock: (fd: number) => boolean
  /** Makes everything written to the file system of `fd` durable; waits in a thread of its own. */
  readonly syncFileSystem: (fd: number) => Promise<Failed | undefined>
  /** Ends the process at once, whatever its other threads do. */
  readonly exit: (code: number) => void
}

const atCwd = -100
const noFollow = 0x100
const omit = 0x3ffffffen
const lockExclusiveNow = 2 | 4
const follow = 0x400
const itself = 0x1000

const basicStatus = 0x7ff
// the longest name that a file system takes is 255 bytes
const longestName = 1023
const second = 1_000_000_000n

/** `struct statx`, which is the same on every machine but for the order of bytes. */
const statusReader = () => {
  const memory = new ArrayBuffer(256)
  const small = new Uint32Array(memory)
  const short = new Uint16Array(memory)
  const large = new BigUint64Array(memory)
  const signed = new BigInt64Array(memory)
  const device = { major: -1, minor: -1, value: 0n }
  const deviceOf = (major: number, minor: number): bigint => {
    if (device.major === major && device.minor === minor) return device.value
    const [high, low] = [BigInt(major), BigInt(minor)]
    device.major = major
    device.minor = minor
    device.value =
      ((high & 0xffff_f000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffff_ff00n) << 12n) | (low & 0xffn)
    return device.value
  }
  const read = (): FileStatus | undefined => {
    if ((small[0]! & basicStatus) !== basicStatus) return undefined
    const mode = short[14]!
    const links = small[4]!
    return {
      kind: typeOf(mode),
      size: large[5]!,
      mtimeNs: signed[14]! * second + BigInt(small[30]!),
      ctimeNs: signed[12]! * second + BigInt(small[26]!),
      inode: large[4]!,
      device: deviceOf(small[34]!, small[35]!),
      nlink: links === 1 ? 1n : BigInt(links),
      mode,
      uid: small[5]!,
      gid: small[6]!
    }
  }
  return { memory, read }
}

const wide = new Set(["x64", "arm64", "ppc64", "riscv64", "loong64", "s390x"])

/** A function that older libraries lack. */
const functionOf = <A>(find: () => A): A | undefined => {
  try {
    return find()
  } catch {
    // nothing is lost: what it would tell is asked in another way
    return undefined
  }
}

const open = (): Native | { readonly missing: string } => {
  if (process.platform !== "linux" || !wide.has(process.arch)) {
    return { missing: `no native calls on ${process.platform} ${process.arch}` }
  }
  try {
    const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi")
    const libc = koffi.load(null)
    const utimensat = libc.func("utimensat", "int", ["int", "void *", "void *", "int"])
    const futimens = libc.func("futimens", "int", ["int", "void *"])
    const llistxattr = libc.func("llistxattr", "int64_t", ["void *", "void *", "size_t"])
    const lgetxattr = libc.func("lgetxattr", "int64_t", ["void *", "void *", "void *", "size_t"])
    const flistxattr = libc.func("flistxattr", "int64_t", ["int", "void *", "size_t"])
    const fgetxattr = libc.func("fgetxattr", "int64_t", ["int", "void *", "void *", "size_t"])
    const lsetxattr = libc.func("lsetxattr", "int", ["void *", "void *", "void *", "size_t", "int"])
    const fsetxattr = libc.func("fsetxattr", "int", ["int", "void *", "void *", "size_t", "int"])
    const linkat = libc.func("linkat", "int", ["int", "void *", "int", "void *", "int"])
    const flock = libc.func("flock", "int", ["int", "int"])
    const syncfs = libc.func("syncfs", "int", ["int"])
    const exit = libc.func("_exit", "void", ["int"])
    const statx = functionOf(() => libc.func("statx", "int", ["int", "void *", "int", "uint", "void *"]))

    const failed = (): Failed => ({ code: getSystemErrorName(-koffi.errno()) })
    const text = (value: Buffer) => Buffer.concat([value, Buffer.of(0)])
    const status = statusReader()
    const statusName = Buffer.alloc(longestName + 1)
    const statusMemory = Buffer.from(status.memory)
    const noName = Buffer.alloc(1)
    // older systems ask for a privilege where there is no name to look up
    let linksItself = true
    const times = BigInt64Array.of(0n, omit, 0n, 0n)
    const timesOf = (ns: bigint) => {
      const rest = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
      times[2] = (ns - rest) / 1_000_000_000n
      times[3] = rest
      return times
    }
    // length first, then bytes; what grows in between is asked again
    const sized = (call: (out: Buffer | null, size: number) => unknown): Buffer | Failed => {
      for (let attempt = 0; attempt < 8; attempt++) {
        const length = Number(call(null, 0))
        if (length < 0) return failed()
        if (length === 0) return Buffer.alloc(0)
        const out = Buffer.alloc(length)
        const got = Number(call(out, length))
        if (got >= 0) return out.subarray(0, got)
        const failure = failed()
        if (failure.code !== "ERANGE") return failure
      }
      return { code: "ERANGE" }
    }
    const sizedLater = (
      call: (out: Buffer | null, size: number, done: (error: unknown, length: unknown) => void) => void,
      done: (out: Buffer | Failed) => void,
      attempts = 8
    ): void => {
      call(null, 0, (error, needed) => {
        const length = error ? -1 : Number(needed)
        if (length < 0) return done(error ? { code: "EIO" } : failed())
        if (length === 0) return done(Buffer.alloc(0))
        const out = Buffer.alloc(length)
        call(out, length, (error, found) => {
          const got = error ? -1 : Number(found)
          const failure = error || got >= 0 ? { code: "EIO" } : failed()
          if (got >= 0) done(out.subarray(0, got))
          else if (failure.code === "ERANGE" && attempts > 1) sizedLater(call, done, attempts - 1)
          else done(failure)
        })
      })
    }
    const namesIn = (names: Buffer): ReadonlyArray<Buffer> => {
      const out: Array<Buffer> = []
      for (let from = 0; from < names.length; ) {
        const end = names.indexOf(0, from)
        if (end < 0) break
        out.push(names.subarray(from, end))
        from = end + 1
      }
      return out
    }
    return {
      setModified: (path, ns) => (utimensat(atCwd, text(path), timesOf(ns), noFollow) === 0 ? undefined : failed()),
      setModifiedOf: (fd, ns) => (futimens(fd, timesOf(ns)) === 0 ? undefined : failed()),
      listAttributes: (path) => {
        const at = text(path)
        const names = sized((out, size) => llistxattr(at, out, size))
        return Buffer.isBuffer(names) ? namesIn(names) : names
      },
      listAttributesOf: (fd) => {
        const names = sized((out, size) => flistxattr(fd, out, size))
        return Buffer.isBuffer(names) ? namesIn(names) : names
      },
      getAttributeOf: (fd, name) => {
        const key = text(name)
        return sized((out, size) => fgetxattr(fd, key, out, size))
      },
      listAttributesLater: (path, done) => {
        const at = text(path)
        sizedLater(
          (out, size, next) => llistxattr.async(at, out, size, next),
          (names) => done(Buffer.isBuffer(names) ? namesIn(names) : names)
        )
      },
      getAttributeLater: (path, name, done) => {
        const at = text(path)
        const key = text(name)
        sizedLater((out, size, next) => lgetxattr.async(at, key, out, size, next), done)
      },
      getAttribute: (path, name) => {
        const at = text(path)
        const key = text(name)
        return sized((out, size) => lgetxattr(at, key, out, size))
      },
      setAttribute: (path, name, value) =>
        lsetxattr(text(path), text(name), value.length === 0 ? null : value, value.length, 0) === 0
          ? undefined
          : failed(),
      setAttributeOf: (fd, name, value) =>
        fsetxattr(fd, text(name), value.length === 0 ? null : value, value.length, 0) === 0 ? undefined : failed(),
      statusAt: (directory, name) => {
        if (statx === undefined || name.length > longestName) return undefined
        statusName[statusName.write(name, "latin1")] = 0
        return statx(directory, statusName, noFollow, basicStatus, statusMemory) === 0 ? status.read() : undefined
      },
      statusOf: (fd) =>
        statx !== undefined && statx(fd, noName, itself, basicStatus, statusMemory) === 0 ? status.read() : undefined,
      link: (fd, directory, name) => {
        const to = text(name)
        if (linksItself) {
          if (linkat(fd, noName, directory, to, itself) === 0) return undefined
          const failure = failed()
          if (failure.code !== "ENOENT") return failure
        }
        if (linkat(atCwd, text(Buffer.from(`/proc/self/fd/${fd}`)), directory, to, follow) !== 0) return failed()
        linksItself = false
        return undefined
      },
      tryLock: (fd) => flock(fd, lockExclusiveNow) === 0,
      syncFileSystem: (fd) =>
        new Promise((resolve, reject) => {
          syncfs.async(fd, (error: unknown, result: number) =>
            error ? reject(error) : resolve(result === 0 ? undefined : failed())
          )
        }),
      exit: (code) => {
        exit(code)
      }
    }
  } catch (cause) {
    // nothing is lost: the caller says in its capabilities what it then cannot do
    return { missing: `the optional package koffi does not load: ${cause instanceof Error ? cause.message : cause}` }
  }
}

let opened: Native | { readonly missing: string } | undefined

/** The calls, or why there are none; they are loaded by the first who asks. */
export const now = (): Native | { readonly missing: string } => {
  opened ??= open()
  return opened
}

export const load = async (): Promise<Native | { readonly missing: string }> => now()

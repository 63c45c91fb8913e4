/**
 * How the C library keeps memory that was freed.
 */

/** As `malloc.h` has them. */
const trimThreshold = -1
const mmapThreshold = -3
const arenasMost = -8

/** Buffers of so many bytes and more go back to the system when they are freed; otherwise they stay, and lie where others do not fit. */
const largeBytes = 256 * 1024

let begun: Promise<void> | undefined

/**
 * Gives freed buffers back to the system at once, from now on and for the whole process: with several threads that hand megabytes
 * to each other, a third of the memory would be holes. Does nothing where the C library has no such choice.
 */
export const giveBack = (): Promise<void> => {
  begun ??= begin()
  return begun
}

const begin = async (): Promise<void> => {
  if (process.platform !== "linux") return
  try {
    const { default: koffi } = await import("koffi")
    const mallopt = koffi.load(null).func("mallopt", "int", ["int", "int"])
    mallopt(arenasMost, 2)
    mallopt(mmapThreshold, largeBytes)
    mallopt(trimThreshold, 4 * largeBytes)
  } catch {
    // nothing is lost but memory: the optional package does not load, or the C library is another one
  }
}

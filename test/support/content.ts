/** The bytes of the `i`th object of a worker: its number over and over. */
export const content = (i: number) => new Uint8Array(8192 + (i % 100) * 64).fill(i % 251)

import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    reporters: ["default", "./scripts/tally.mjs"],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    minWorkers: 1,
    // one process runs many files, which evaluates Effect once and not for each of them …
    poolOptions: { forks: { isolate: false } },
    projects: [
      {
        extends: true,
        // … while our own modules are new in each file
        test: { name: "cairn", include: ["test/**/*.test.ts"], poolOptions: { forks: { isolate: true } } }
      }
    ]
  }
})

/** A vitest reporter that closes the run with the plain line `N passed, N failed`. */
export default class Tally {
  onTestRunEnd(modules, errors) {
    let passed = 0
    let failed = errors.length
    let skipped = 0
    for (const module of modules) {
      // a file that fails to load holds no test, and must not look like success
      failed += module.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed") passed += 1
        else if (state === "failed") failed += 1
        else skipped += 1
      }
    }
    const tail = skipped > 0 ? `, ${skipped} skipped` : ""
    process.on("exit", () => process.stdout.write(`${passed} passed, ${failed} failed${tail}\n`))
  }
}

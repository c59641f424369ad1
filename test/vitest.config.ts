// How the tests run: every `*.test.ts` below `test/`, each file in a process of its own.
import { defineConfig } from 'vitest/config'
import { BaseSequencer } from 'vitest/node'
import type { TestSpecification } from 'vitest/node'
import { SecondChances } from './support/second-chances.ts'

/** These take minutes: begun last they would keep one processor busy and the other idle. */
const LONG = /\/(?:store\/(?:sqlite|redis)|interop\/soap-clients|e2e\/(?:plugin-reloads|package))\.test\.ts$/u

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  // Vite would take graphql's other build than Node does for the packages that use it: then there are two of it, and neither knows the other's types.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/faults/**'], // vitest.faults.config.ts: they want the machine to themselves
    pool: 'forks',
    // Threads share the WebAssembly that strips their types, and V8 aborts now and then when it frees code of it (nodejs/node#64500).
    execArgv: ['--no-wasm-code-gc'],
    maxWorkers: 3,
    // Others use CI's machines too: what is measured in time gets a second chance there, and the report says why it needed it.
    retry: process.env['CI'] === undefined ? 0 : 1,
    reporters: ['default', new SecondChances()],
    sequence: { sequencer: LongFirst },
    // A condition that holds is not waited for any longer.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['adapters/**/*.ts', 'core/**/*.ts', 'config/**/*.ts', 'plugins/**/*.ts'],
      reporter: ['text-summary', 'lcovonly'],
    },
  },
})

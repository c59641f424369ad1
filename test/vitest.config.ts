// How the tests run: every `*.test.ts` below `test/`, each file in a process of its own.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/faults/**'], // vitest.faults.config.ts: they want the machine to themselves
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['adapters/**/*.ts', 'core/**/*.ts', 'config/**/*.ts', 'plugins/*.ts'],
      reporter: ['text-summary', 'lcovonly'],
    },
  },
})

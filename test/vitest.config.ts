// How the tests run: every `*.test.ts` below `test/`, each file in a process of its own.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // Vite would take graphql's other build than Node does for the packages that use it: then there are two of it, and neither knows the other's types.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/faults/**'], // vitest.faults.config.ts: they want the machine to themselves
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: {
      provider: 'v8',
      include: ['adapters/**/*.ts', 'core/**/*.ts', 'config/**/*.ts', 'plugins/**/*.ts'],
      reporter: ['text-summary', 'lcovonly'],
    },
  },
})

// How the tests run: every `*.test.ts` below `test/`, each file in a process of its own.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    coverage: {
      provider: 'v8',
      include: ['adapters/**/*.ts', 'core/**/*.ts', 'config/**/*.ts', 'plugins/*.ts'],
      reporter: ['text-summary', 'lcovonly'],
    },
  },
})

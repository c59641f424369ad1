// The tests that kill, cut and fill disks, one file after the other: they measure how soon a gateway is back.
import { defineConfig } from 'vitest/config'
import all from './vitest.config.ts'

export default defineConfig({
  // No second chance here: what is promised holds each time.
  test: { ...all.test, include: ['test/faults/**/*.test.ts'], exclude: [], maxWorkers: 1, retry: 0 },
})

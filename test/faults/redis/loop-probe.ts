// Loaded before a gateway's own code: writes down how late its event loop is, every 10 ms, how long it waited for a processor, and its memory.
import { appendFileSync, readFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const EVERY_MS = 10
const WRITTEN_MS = 500
const file = process.env['LOOP_PROBE']

if (isMainThread && file !== undefined) {
  let last = performance.now()
  let late: number[] = []
  let written = last
  setInterval(() => {
    const now = performance.now()
    late.push(Math.max(0, Math.round((now - last - EVERY_MS) * 10) / 10))
    last = now
    if (now - written < WRITTEN_MS) return
    written = now
    const waited =
      Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
    const line = { at: Date.now(), rss: process.memoryUsage.rss(), waited, late }
    appendFileSync(file, `${JSON.stringify(line)}\n`)
    late = []
  }, EVERY_MS).unref()
}

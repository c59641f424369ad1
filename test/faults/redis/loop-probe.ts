// Loaded before a gateway's own code: writes down how late its event loop is, every 10 ms, what of that was no wait for a processor, and its memory.
import { appendFileSync, readFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const EVERY_MS = 10
const WRITTEN_MS = 500
const file = process.env['LOOP_PROBE']

if (isMainThread && file !== undefined) {
  let last = performance.now()
  let waited = waitedMs()
  let late: number[] = []
  let written = last
  setInterval(() => {
    const now = performance.now()
    const waitedNow = waitedMs()
    // What others had of the processor meanwhile is not the gateway's doing.
    const own = now - last - EVERY_MS - (waitedNow - waited)
    late.push(Math.max(0, Math.round(own * 10) / 10))
    last = now
    waited = waitedNow
    if (now - written < WRITTEN_MS) return
    written = now
    const line = { at: Date.now(), rss: process.memoryUsage.rss(), waited, late }
    appendFileSync(file, `${JSON.stringify(line)}\n`)
    late = []
  }, EVERY_MS).unref()
}

/** How long the thread could have run and got no processor since it began: the system says it in nanoseconds. */
function waitedMs(): number {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
}

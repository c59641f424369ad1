// The writer's thread: takes all batches that queued up while it was busy, runs them as one group, answers them together.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { PROBE_MS } from '../figures.ts'
import { crashAt } from '../crash.ts'
import { Engine } from './engine.ts'
import { refusal } from './group.ts'
import { cannotOpen } from './open-read.ts'
import type { Request } from '../codec/wire.ts'
import type { Batch, FromWorker, ToWorker, WorkerData } from './wire.ts'

/** A group beyond this gains nothing and makes the first one wait for the last. */
const GROUP_REQUESTS = 512

if (parentPort === null) throw new Error('the store worker is started by the store')
const port = parentPort
const data = workerData as WorkerData // handed over by `connect` alone

const tell = (message: FromWorker): void => port.postMessage(message)
const engine = start()
if (engine !== undefined) serve(engine)

function start(): Engine | undefined {
  try {
    const opened = new Engine({ data, tell, step: crashAt(data.crash) })
    tell({ kind: 'open', incarnation: opened.incarnation })
    return opened
  } catch (error) {
    tell({ kind: 'failed', thrown: refusal(cannotOpen(data.directory, error)).thrown })
    port.close()
    return undefined
  }
}

function serve(running: Engine): void {
  const looking = setInterval(() => running.look(), PROBE_MS)
  port.on('message', (first: ToWorker) => {
    const queue = [first, ...drain()]
    for (let at = 0; at < queue.length;) {
      const { batches, isLast } = nextGroup(queue, at)
      at += batches.length + (isLast ? 1 : 0)
      answer(running, batches)
      if (!isLast) continue
      clearInterval(looking)
      running[Symbol.dispose]()
      port.close()
      return
    }
  })
}

function drain(): ToWorker[] {
  const more: ToWorker[] = []
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
    more.push(next.message as ToWorker) // only the front-end holds the other end
  return more
}

/** Consecutive batches up to the group's size; a trim is a group of its own, so that nobody waits for it. */
function nextGroup(queue: readonly ToWorker[], from: number): { batches: readonly Batch[]; isLast: boolean } {
  const batches: Batch[] = []
  let size = 0
  for (let at = from; at < queue.length; at++) {
    const next = queue[at]
    if (next === undefined || next === 'close') return { batches, isLast: true }
    const isTrim = next.requests[0]?.[0] === 'trim'
    if (batches.length > 0 && (isTrim || size + next.requests.length > GROUP_REQUESTS)) break
    batches.push(next)
    size += next.requests.length
    if (isTrim) break
  }
  return { batches, isLast: false }
}

function answer(running: Engine, batches: readonly Batch[]): void {
  const last = batches.at(-1)
  if (last === undefined) return
  if (last.faults?.writer === 'dies') throw new Error('ordered by a test')
  const requests: readonly Request[] =
    batches.length === 1 ? last.requests : batches.flatMap((batch) => batch.requests)
  const results = running.run(requests, last.stamp, last.faults)
  let at = 0
  tell({ kind: 'answers', batches: batches.map((batch) => results.slice(at, (at += batch.requests.length))) })
}

// DESIGN §12: what a reader does not take is in the log, not in memory; and who reads is not held up by who does not.
import { randomUUIDv7 } from 'node:crypto'
import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { stopwatch } from '../support/processor.ts'
import { post } from '../support/rest.ts'

const READERS = 40
const BACKLOG = 64
const TEXT = 'x'.repeat(30_000)
/** Of the 2 MB that each does not take; both ends of the socket are in this process. */
const MOST_EACH = 200 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void // what the flag exposes

const yaml = `
channels: { web: { adapter: rest } }
routes: [ { when: "kind = 'event'", reply: "-" } ]
`

interface Reader {
  readonly socket: WebSocket
  readonly got: number[]
}

async function read(base: string, customer: string, device: string): Promise<Reader> {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, ['dragoman.1', `bearer.${customer}`])
  const got: number[] = []
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as { t: string; epoch: string; offset: number } // as the protocol has it
    if (frame.t !== 'msg') return
    got.push(frame.offset)
    socket.send(JSON.stringify({ t: 'ack', epoch: frame.epoch, offset: frame.offset }))
  })
  socket.on('error', () => undefined)
  await once(socket, 'open')
  socket.send(JSON.stringify({ t: 'hello', v: 1, device, boot: 'b', first: 1, epoch: '', offset: 0 }))
  return { socket, got }
}

/** What is reachable: the heap, and the buffers outside it. */
function reachable(): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('readers who take nothing of 2 MB each cost no memory; who reads gets all of it, and so do they when they read', async () => {
  await using house = await openHouse({ yaml })
  const say = (text: string): Promise<unknown> =>
    post(
      `${house.base}/v1/messages`,
      { text, externalId: randomUUIDv7() },
      { headers: { authorization: 'Bearer ann' } },
    )
  for (let message = 0; message < BACKLOG; message++) await say(TEXT)
  const stalled: Reader[] = []
  const readers: Reader[] = []
  /** What they cost, each, when one that came after them has got everything. */
  const cost = async (): Promise<number> => {
    const before = reachable()
    for (let device = 0; device < READERS; device++) {
      const reader = await read(house.base, 'ann', `stalled-${stalled.length}`)
      reader.socket.pause()
      stalled.push(reader)
    }
    const reader = await read(house.base, 'ann', `reads-${stalled.length}`)
    await until(() => (reader.got.length >= BACKLOG ? true : undefined), 60_000)
    readers.push(reader)
    return until(() => {
      const each = (reachable() - before) / READERS
      return each < MOST_EACH ? each : undefined
    })
  }
  await cost()
  console.log(`${Math.round((await cost()) / 1024)} kB for each who takes nothing`)
  const watch = stopwatch()
  await say('now')
  await until(() => (readers.every(({ got }) => got.length > BACKLOG) ? true : undefined))
  expect(watch()).toBeLessThan(2000)
  const woken = stalled.slice(0, 5)
  for (const { socket } of woken) socket.resume()
  await until(() => (woken.every(({ got }) => got.length > BACKLOG) ? true : undefined), 60_000)
  for (const { got } of [...woken, ...readers]) expect(got).toEqual(got.map((_, at) => at + 1))
  for (const { socket } of [...stalled, ...readers]) socket.terminate()
}, 300_000)

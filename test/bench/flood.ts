// Callers who do not wait for each other: requests are due at a fixed rate whatever the answers do, over so many kept connections.
// Sockets and not an HTTP client: at ten times the gateway's capacity the callers must not be the narrow place.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { setPriority } from 'node:os'

export interface FloodOrder {
  readonly port: number
  /** A second. */
  readonly rate: number
  readonly seconds: number
  readonly connections: number
  /** RFC 9218. */
  readonly urgency: number
  /** How often a refused request is sent again, 100 ms later, whatever `Retry-After` says: a retry storm. */
  readonly retries?: number
}

export interface FloodResult {
  readonly offered: number
  /** Answered 200. */
  readonly served: number
  /** Of what was due in each second since the beginning: answered 200. */
  readonly perSecond: readonly number[]
  readonly offeredPerSecond: readonly number[]
  readonly refused: number
  /** No connection within 200 ms, no answer within 2 s of being due, or a broken connection. */
  readonly lost: number
  /** From when it was due. */
  readonly p50Ms: number
  readonly p99Ms: number
}

interface Due {
  readonly at: number
  readonly tries: number
}

const TICK_MS = 1
const PATIENCE_MS = 2000
/** No connection is free in this time: the caller gives up, as callers of a pool do. */
const POOL_MS = 200
const RETRY_MS = 100

export async function flood(order: FloodOrder): Promise<FloodResult> {
  const { port, rate, seconds, connections, urgency, retries = 0 } = order
  const request = `POST /v1/requests/Look HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\npriority: u=${urgency}\r\ncontent-length: 2\r\n\r\n{}`
  const free: Socket[] = []
  let backlog: Due[] = []
  const latencies: number[] = []
  const perSecond = Array.from({ length: seconds }, () => 0)
  const offeredPerSecond = Array.from({ length: seconds }, () => 0)
  let [offered, served, refused, busy] = [0, 0, 0, 0]
  let begun = 0
  let isOver = false

  function open(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const socket = connect(port, '127.0.0.1', () => {
      socket.setNoDelay(true)
      next(socket)
      resolve()
    })
    let due: Due | undefined
    let text = ''
    socket.on('data', (piece) => {
      text += piece.toString('latin1')
      const head = text.indexOf('\r\n\r\n')
      if (head < 0) return
      const length = Number(/content-length: (\d+)/iu.exec(text)?.[1] ?? 0)
      if (text.length < head + 4 + length) return
      answered(text.slice(9, 12))
      text = ''
      next(socket)
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (due !== undefined) busy -= 1
      if (!isOver) void open()
    })
    senders.set(socket, (one) => {
      due = one
      busy += 1
      socket.write(request)
    })

    function answered(status: string): void {
      const one = due
      due = undefined
      if (one === undefined) return
      busy -= 1
      const ms = performance.now() - one.at
      if (status === '200' && ms <= PATIENCE_MS) {
        served += 1
        latencies.push(ms)
        const second = Math.floor((one.at - begun) / 1000)
        if (second < seconds) perSecond[second] = (perSecond[second] ?? 0) + 1
      } else if (status !== '200' && one.tries < retries)
        setTimeout(() => backlog.push({ at: performance.now(), tries: one.tries + 1 }), RETRY_MS)
      else if (status !== '200') refused += 1
    }
    return promise
  }

  const senders = new WeakMap<Socket, (due: Due) => void>()
  function next(socket: Socket): void {
    const one = backlog.shift()
    if (one === undefined) free.push(socket)
    else senders.get(socket)?.(one)
  }

  await Promise.all(Array.from({ length: connections }, open))
  begun = performance.now()
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const timer = setInterval(() => {
    const now = performance.now()
    const due = Math.min((now - begun) / 1000, seconds) * rate
    while (offered < due) {
      const second = Math.min(seconds - 1, Math.floor(offered / rate))
      offeredPerSecond[second] = (offeredPerSecond[second] ?? 0) + 1
      backlog.push({ at: begun + (offered * 1000) / rate, tries: 0 })
      offered += 1
    }
    const patient = backlog.findIndex(({ at }) => at > now - POOL_MS)
    if (patient !== 0) {
      const gone = patient < 0 ? backlog.length : patient
      backlog = backlog.slice(gone)
    }
    while (free.length > 0 && backlog.length > 0) {
      const socket = free.shift()
      if (socket !== undefined) next(socket)
    }
    const ended = now - begun > seconds * 1000
    if ((ended && busy === 0 && backlog.length === 0) || now - begun > seconds * 1000 + 2 * PATIENCE_MS)
      resolve()
  }, TICK_MS)
  await over
  clearInterval(timer)
  isOver = true
  latencies.sort((a, b) => a - b)
  const at = (part: number): number => latencies[Math.floor(latencies.length * part)] ?? 0
  return {
    offered,
    served,
    perSecond,
    offeredPerSecond,
    refused,
    lost: offered - served - refused,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  }
}

const [, file, order] = process.argv
if (file?.endsWith('flood.ts') === true && order !== undefined) {
  const asked = JSON.parse(order) as FloodOrder // overload.ts wrote it
  // The many share a machine with the gateway, its business system and those who are watched, and shall not take the processor from them.
  if (asked.urgency > 0) setPriority(10)
  console.log(JSON.stringify(await flood(asked)))
  process.exit()
}

// TCP as a bad network shows it to an app: delays, stalls, resets, lost answers, torn packets, black holes; seeded, without root.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

type Range = readonly [number, number]

/** Milliseconds, bits per second, and chances between 0 and 1. Bytes are never changed or reordered. */
export interface Faults {
  readonly delay?: number
  readonly jitter?: number
  readonly rate?: number
  /** Both sides are reset after a life of so long. */
  readonly resetEvery?: Range
  /** Per chunk from the server: it is swallowed and the connection reset. The server did it, the client never heard. */
  readonly ackLoss?: number
  /** Per chunk from the client: a part of it arrives, then the connection is reset. */
  readonly midCut?: number
  /** Per chunk: this direction freezes, what TCP shows of lost packets. */
  readonly stall?: number
  readonly stallMs?: Range
  /** Nothing moves and nothing closes; new connections hang. */
  readonly blackhole?: { readonly first: number; readonly every: number; readonly for: number }
}

export interface FaultProxy extends AsyncDisposable {
  readonly port: number
  readonly stats: Readonly<Record<Stat, number>>
  set(faults: Faults): void
  /** A black hole from now on, for so long. */
  blackout(ms: number): void
}

type Stat = 'connections' | 'resets' | 'ackLoss' | 'midCut' | 'stalls'

/** mulberry32: the same numbers for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Longest pieces that wait in one direction before the sender is held. */
const QUEUED = 256
const RESUME_BELOW = 64
/** A connection lives so long before its answers get lost: else none would ever open. */
const YOUNG_MS = 300

export async function faultProxy(options: {
  /** A port, or the one of each new connection. */
  readonly target: number | (() => number)
  readonly seed: number
  readonly faults?: Faults
}): Promise<FaultProxy> {
  const random = seeded(options.seed)
  const started = Date.now()
  const live = new Set<() => void>()
  const stats: Record<Stat, number> = { connections: 0, resets: 0, ackLoss: 0, midCut: 0, stalls: 0 }
  let faults: Faults = options.faults ?? {}
  let darkUntil = 0

  const pick = ([from, to]: Range): number => from + random() * (to - from)

  /** Milliseconds of darkness left. */
  const dark = (): number => {
    const now = Date.now()
    if (now < darkUntil) return darkUntil - now
    if (faults.blackhole === undefined) return 0
    const since = now - started - faults.blackhole.first
    const phase = since % faults.blackhole.every
    return since >= 0 && phase < faults.blackhole.for ? faults.blackhole.for - phase : 0
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true }, (client) => {
    stats.connections++
    const begun = Date.now()
    let upstream: Socket | undefined
    let isDead = false
    const kill = (): void => {
      if (isDead) return
      isDead = true
      stats.resets++
      live.delete(kill)
      client.resetAndDestroy()
      upstream?.resetAndDestroy()
    }
    live.add(kill)
    client.on('error', () => undefined)
    const life = faults.resetEvery === undefined ? undefined : setTimeout(kill, pick(faults.resetEvery))

    /** One queue and one timer a direction: bytes are late or frozen, never reordered. */
    const pipe = (from: Socket, to: Socket, isUp: boolean): void => {
      const queue: { readonly at: number; readonly bytes: Buffer | undefined }[] = []
      let last = 0
      let timer: NodeJS.Timeout | undefined
      const drain = (): void => {
        timer = undefined
        if (isDead) return
        const darkness = dark()
        if (darkness > 0) {
          timer = setTimeout(drain, darkness)
          return
        }
        for (let next = queue[0]; next !== undefined && next.at <= Date.now(); next = queue[0]) {
          queue.shift()
          if (next.bytes === undefined) to.end()
          else if (!to.destroyed) to.write(next.bytes)
        }
        if (queue.length < RESUME_BELOW && from.isPaused()) from.resume()
        if (queue[0] !== undefined) timer = setTimeout(drain, Math.max(1, queue[0].at - Date.now()))
      }
      const deliver = (bytes: Buffer | undefined): void => {
        const { delay = 0, jitter = 0, rate, stall = 0, stallMs = [500, 3000] } = faults
        let late = Math.max(0, delay / 2 + (random() - 0.5) * jitter)
        if (rate !== undefined && bytes !== undefined) late += (bytes.length * 8000) / rate
        if (random() < stall) {
          stats.stalls++
          late += pick(stallMs)
        }
        last = Math.max(Date.now() + late, last)
        queue.push({ at: last, bytes })
        if (queue.length > QUEUED) from.pause()
        timer ??= setTimeout(drain, Math.max(0, (queue[0]?.at ?? 0) - Date.now()))
      }
      from.on('data', (bytes: Buffer) => {
        const { ackLoss = 0, midCut = 0, delay = 0, jitter = 0 } = faults
        if (!isUp && Date.now() - begun > YOUNG_MS && random() < ackLoss) {
          stats.ackLoss++
          kill()
        } else if (isUp && bytes.length > 2 && random() < midCut) {
          stats.midCut++
          deliver(bytes.subarray(0, 1 + Math.floor(random() * (bytes.length - 1))))
          from.removeAllListeners('data')
          setTimeout(kill, delay + jitter + 50)
        } else deliver(bytes)
      })
      from.on('end', () => deliver(undefined))
    }

    const open = (): void => {
      if (isDead || client.destroyed) return
      const darkness = dark()
      if (darkness > 0) {
        setTimeout(open, darkness)
        return
      }
      const port = typeof options.target === 'number' ? options.target : options.target()
      const target = connect({ port, host: '127.0.0.1', noDelay: true })
      upstream = target
      target.on('error', kill)
      pipe(client, target, true)
      pipe(target, client, false)
      client.resume()
      const finish = (): void => {
        clearTimeout(life)
        live.delete(kill)
        setTimeout(() => {
          client.destroy()
          target.destroy()
        }, 2000).unref()
      }
      client.on('close', finish)
      target.on('close', finish)
    }
    setTimeout(open, (faults.delay ?? 0) / 2)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    port,
    stats,
    set: (other) => {
      faults = other
    },
    blackout: (ms) => {
      darkUntil = Date.now() + ms
    },
    async [Symbol.asyncDispose]() {
      for (const kill of live) kill()
      await new Promise((closed) => server.close(closed))
    },
  }
}

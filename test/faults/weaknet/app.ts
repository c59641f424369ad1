// An independent app of the client protocol: a durable outbox and cursor on its "disk", every reconnect on another link (DESIGN §12).
import { randomUUIDv7 } from 'node:crypto'

import { openLine } from './links.ts'
import type { Frame, Kind, Line, Target } from './links.ts'

/** What outlives the app: written whole, as a file that is renamed into place. */
export interface Disk {
  readonly device: string
  readonly boot: string
  readonly nextN: number
  readonly outbox: readonly { readonly n: number; readonly id: string; readonly text: string }[]
  readonly epoch: string
  readonly offset: number
  /** What the customer was shown, in order: stored together with the cursor. */
  readonly shown: readonly string[]
}

/** Seen from outside: what an app must never have to say. */
export interface Notes {
  /** Holes, resets, refusals, unknown frames. */
  readonly violations: string[]
  readonly opened: Record<Kind, number>
  /** When frames came, by `performance.now()`. */
  lastHeardAt: number
  /** The first moment something was heard after this one. */
  readonly heardAfter: { at: number; first: number | undefined }
  duplicates: number
}

export interface AppOptions {
  readonly target: Target
  readonly kinds: readonly Kind[]
  readonly read: () => Disk
  readonly write: (disk: Disk) => void
  readonly notes: Notes
  readonly random: () => number
  /** The link that comes next, kept over lives. */
  readonly turn: () => number
}

export interface App {
  /** Resolves when it is on the disk. */
  send(text: string): Promise<void>
  /** SIGKILL: nothing more is written or sent. */
  kill(): void
}

const TICK_MS = 250
const PING_AFTER_MS = 5000
const WINDOW = 32

export function emptyDisk(device: string): Disk {
  return { device, boot: randomUUIDv7(), nextN: 1, outbox: [], epoch: '', offset: 0, shown: [] }
}

/** Starts as a phone starts an app: with what is on the disk, and nothing else. */
export function startApp({ target, kinds, read, write, notes, random, turn }: AppOptions): App {
  let disk = read()
  let isDead = false
  let line: Line | undefined
  /** Everything up to it was sent on this line. */
  let sentN = 0
  let isWelcomed = false
  let pausedUntil = 0
  /** Since when an answer is owed. */
  let owedSince: number | undefined
  let heardAt = performance.now()
  let rttMs = 500
  let failures = 0
  let reopening: NodeJS.Timeout | undefined

  const save = (change: Partial<Disk>): void => {
    disk = { ...disk, ...change }
    write(disk)
  }
  const violation = (what: string): void => void notes.violations.push(`${disk.device}: ${what}`)

  function open(): void {
    if (isDead) return
    const kind = kinds[turn() % kinds.length] ?? 'ws'
    notes.opened[kind]++
    isWelcomed = false
    owedSince = performance.now()
    heardAt = owedSince
    line = openLine(kind, target, {
      hello: () => ({
        t: 'hello',
        v: 1,
        device: disk.device,
        boot: disk.boot,
        first: disk.outbox[0]?.n ?? disk.nextN,
        epoch: disk.epoch,
        offset: disk.offset,
      }),
      onFrames: (frames) => void (isDead || take(frames)),
      onClosed: drop,
    })
  }

  function drop(): void {
    line?.cut()
    line = undefined
    if (isDead || reopening !== undefined) return
    failures += 1
    reopening = setTimeout(
      () => {
        reopening = undefined
        open()
      },
      random() * Math.min(3000, 200 * 2 ** failures),
    )
  }

  function take(frames: readonly Frame[]): void {
    const now = performance.now()
    if (owedSince !== undefined) rttMs = rttMs * 0.75 + (now - owedSince) * 0.25
    heardAt = now
    notes.lastHeardAt = now
    if (now >= notes.heardAfter.at) notes.heardAfter.first ??= now
    owedSince = undefined
    const before = disk.offset
    for (const frame of frames) if (!takeOne(frame)) return drop()
    if (disk.offset > before || frames.some(({ t }) => t === 'msg'))
      line?.send([{ t: 'ack', epoch: disk.epoch, offset: disk.offset }])
    pump()
  }

  /** False: this line is of no more use. */
  function takeOne(frame: Frame): boolean {
    switch (frame.t) {
      case 'welcome': {
        isWelcomed = true
        failures = 0
        const { epoch, next, recovered, refused } = frame
        if (recovered !== true) violation(`not recovered at ${disk.offset}`)
        if (disk.epoch !== '' && epoch !== disk.epoch) violation('another epoch')
        if (Array.isArray(refused) && refused.length > 0) violation(`refused ${JSON.stringify(refused)}`)
        forget(Number(next) - 1)
        save({ epoch: String(epoch) })
        sentN = Number(next) - 1
        return true
      }
      case 'ok':
        forget(Number(frame['n']))
        return true
      case 'gap':
        sentN = Number(frame['next']) - 1
        return true
      case 'nak':
        if (frame['retry'] !== true) violation(`nak ${JSON.stringify(frame)}`)
        sentN = Math.min(sentN, Number(frame['n'] ?? sentN + 1) - 1)
        pausedUntil = performance.now() + Number(frame['after'] ?? 1000)
        return true
      case 'msg':
        return show(frame)
      case 'kick':
        return false
      case 'pong':
        return true
      default:
        violation(`unexpected ${JSON.stringify(frame)}`)
        return false
    }
  }

  /** False: something is missing before it. */
  function show(frame: Frame): boolean {
    const offset = Number(frame['offset'])
    if (offset <= disk.offset) {
      notes.duplicates++
      return true
    }
    if (frame['epoch'] !== disk.epoch || offset !== disk.offset + 1) {
      violation(`offset ${offset} after ${disk.offset}`)
      return false
    }
    const { direction, parts } = frame['message'] as {
      readonly direction: string
      readonly parts: readonly { readonly text: string }[]
    } // what the gateway promises
    const text = parts[0]?.text ?? ''
    save({ offset, shown: direction === 'outbound' ? [...disk.shown, text] : disk.shown })
    return true
  }

  function forget(upTo: number): void {
    if ((disk.outbox[0]?.n ?? Infinity) > upTo) return
    save({ outbox: disk.outbox.filter(({ n }) => n > upTo) })
  }

  function pump(): void {
    if (!isWelcomed || line === undefined || performance.now() < pausedUntil) return
    const first = disk.outbox[0]?.n ?? disk.nextN
    const frames = disk.outbox
      .filter(({ n }) => n > sentN && n < first + WINDOW)
      .map(({ n, id, text }) => ({ t: 'send', n, id, message: { text } }))
    if (frames.length === 0) return
    sentN = frames.at(-1)?.n ?? sentN
    owedSince ??= performance.now()
    line.send(frames)
  }

  const ticking = setInterval(() => {
    if (line === undefined) return
    const now = performance.now()
    const limit = Math.min(15_000, Math.max(4000, 4 * rttMs + 2000))
    // No progress: close and open another, never send again on the same one.
    if (owedSince !== undefined && now - Math.max(owedSince, heardAt) > limit) return drop()
    if (owedSince === undefined && now - heardAt > PING_AFTER_MS) {
      owedSince = now
      line.send([{ t: 'ping' }])
    }
    pump()
  }, TICK_MS)

  open()
  return {
    async send(text) {
      const { nextN, outbox } = disk
      save({ nextN: nextN + 1, outbox: [...outbox, { n: nextN, id: randomUUIDv7(), text }] })
      pump()
    },
    kill() {
      isDead = true
      clearInterval(ticking)
      clearTimeout(reopening)
      line?.cut()
    },
  }
}

// A worker's side of its supervisor: it says that it is ready, hears when it shall leave, and asks its siblings.
import cluster from 'node:cluster'
import type { PeerAnswer, PeerQuestion, Peers } from '../../core/http/peers.ts'
import type { Begin, Fixed } from './fixed.ts'
import { WORKER } from './messages.ts'
import type { FromWorker, Ready, ToWorker } from './messages.ts'

export interface Membership {
  /** From 1; no two that live at the same time have the same. */
  readonly number: number
  readonly peers: Peers
  /** Resolves with what it begins with. */
  readonly begin: Promise<Begin>
  ready(what: Ready, fixed: Fixed): void
  /** Another one is there in its place, or there is no supervisor any more. */
  onLeave(leave: (why: 'replaced' | 'alone') => void): void
  /** Resolves when no connection is on its way here any more. The ports are closed. */
  farewell(): Promise<void>
}

const FAREWELL_MS = 1000
const ASK_MS = 5000

/** Undefined: this process has no supervisor. */
export function membership(): Membership | undefined {
  const { worker } = cluster
  const number = Number(process.env[WORKER])
  if (worker === undefined || !Number.isInteger(number)) return undefined
  // Else it would be ended in the middle of everything when the supervisor dies.
  worker.exitedAfterDisconnect = true
  const asking = new Map<number, (answers: readonly PeerAnswer[]) => void>()
  let lastId = 0
  let answer: Parameters<Peers['onAsked']>[0] | undefined
  let leave: ((why: 'replaced' | 'alone') => void) | undefined
  const gone = Promise.withResolvers<void>()
  const begin = Promise.withResolvers<Begin>()

  async function asked(id: number, question: PeerQuestion): Promise<void> {
    const given = (await answer?.(question)) ?? { status: 503, body: null }
    say({ kind: 'answer', id, answer: { worker: number, ...given } })
  }

  process.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'begin':
        return begin.resolve(message)
      case 'ping':
        return say({ kind: 'pong' })
      case 'leave':
        return leave?.('replaced')
      case 'farewell':
        return gone.resolve()
      case 'asked':
        return void asked(message.id, message.question)
      case 'answers':
        asking.get(message.id)?.(message.answers)
    }
  })
  process.once('disconnect', () => {
    gone.resolve()
    // It has not begun: its port would never be opened, and nobody would ever end it.
    if (leave === undefined) process.exit(1)
    leave('alone')
  })

  return {
    number,
    peers: {
      ask(question) {
        const id = ++lastId
        const { promise, resolve } = Promise.withResolvers<readonly PeerAnswer[]>()
        const timer = setTimeout(() => resolve([]), ASK_MS)
        asking.set(id, resolve)
        say({ kind: 'ask', id, question })
        return promise.finally(() => {
          clearTimeout(timer)
          asking.delete(id)
        })
      },
      onAsked: (by) => void (answer = by),
    },
    begin: begin.promise,
    ready: (what, fixed) => say({ kind: 'ready', ...what, fixed }),
    onLeave: (by) => void (leave = by),
    async farewell() {
      const timer = setTimeout(gone.resolve, FAREWELL_MS)
      say({ kind: 'farewell' })
      await gone.promise
      clearTimeout(timer)
    },
  }
}

/** To a supervisor that is gone it is said to nobody. */
function say(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}

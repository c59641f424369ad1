// An app on `dragoman/client`, with a box that forgets nothing and stops at once when the app is killed.
import { connect } from '../../../core/link/client.ts'
import type { Box, LinkKind } from '../../../core/link/client.ts'
import type { App, Notes } from './app.ts'
import type { Kind, Target } from './links.ts'

/** The rows of a device, as text: nothing of a killed app's memory is in them. */
export type Rows = Map<string, string>

export interface ClientAppOptions {
  readonly target: Target
  readonly kinds: readonly Kind[]
  readonly rows: Rows
  readonly notes: Notes
  /** The link that comes next, kept over lives. */
  readonly turn: () => number
  /** All that is shown in this life, from the first message on. */
  readonly onShown: (text: string) => void
}

const NAMES: Readonly<Record<Kind, LinkKind>> = { ws: 'websocket', mqtt: 'mqtt', http: 'http' }
const KIND_OF: Readonly<Record<LinkKind, Kind>> = { websocket: 'ws', mqtt: 'mqtt', http: 'http' }

export function startClientApp({ target, kinds, rows, notes, turn, onShown }: ClientAppOptions): App {
  const { host, ports, token } = target
  let isDead = false
  const client = connect({
    url: `http://${host}:${ports.ws}`,
    token,
    addresses: {
      websocket: `ws://${host}:${ports.ws}/v1/ws`,
      mqtt: `mqtt://${host}:${ports.mqtt}`,
      http: `http://${host}:${ports.http}/v1/link`,
    },
    // Every reconnect on another link.
    links() {
      const first = turn() % kinds.length
      return [...kinds.slice(first), ...kinds.slice(0, first)].map((kind) => NAMES[kind])
    },
    box: boxOf(rows, () => isDead),
  })
  const hear = (): void => {
    const now = performance.now()
    notes.lastHeardAt = now
    if (now >= notes.heardAfter.at) notes.heardAfter.first ??= now
  }
  client.onMessage(({ from, text, mark, code }) => {
    if (isDead) return
    if (mark === 'refused') notes.violations.push(`refused ${text}: ${code}`)
    if (from === 'them') onShown(text)
  })
  client.onState((event) => {
    if (isDead) return
    if (event.what === 'missed') notes.violations.push(`missed: ${event.why}`)
    if (event.what === 'mark') {
      if (event.mark === 'refused') notes.violations.push(`refused: ${event.code}`)
      if (event.mark === 'stored') hear()
    }
    if (event.what !== 'link') return
    if (event.status === 'failed') notes.violations.push(`failed: ${event.reason}`)
    if (event.status === 'online' && event.link !== undefined) {
      notes.opened[KIND_OF[event.link]]++
      hear()
    }
  })
  return {
    send: async (text) => void (await client.send(text)),
    kill() {
      isDead = true
      // Its links are cut; what it would still write goes nowhere.
      void client.close()
    },
  }
}

/** Each write is whole or not there, and takes a moment in which the app may die. */
function boxOf(rows: Rows, isDead: () => boolean): Box {
  const never = new Promise<never>(() => undefined)
  return {
    async open() {
      return new Map([...rows].map(([key, text]) => [key, JSON.parse(text)]))
    },
    async write(changes) {
      await new Promise((written) => setTimeout(written, 1))
      if (isDead()) return never
      for (const [key, value] of changes)
        if (value === undefined) rows.delete(key)
        else rows.set(key, JSON.stringify(value))
    },
    async close() {},
  }
}

// All customers of a run, in a process of their own: apps that send, are killed every few seconds, and come back with their disk.
import { seeded } from '../../support/fault-proxy.ts'
import { emptyDisk, startApp } from './app.ts'
import type { App, Disk, Notes } from './app.ts'
import type { Kind } from './links.ts'

export interface Order {
  readonly host: string
  readonly ports: Readonly<Record<Kind, number>>
  readonly kinds: readonly Kind[]
  readonly customers: readonly { readonly name: string; readonly token: string }[]
  readonly messages: number
  /** Between two messages of one customer. */
  readonly paceMs: number
  /** An app lives so long. */
  readonly lifeMs: readonly [number, number]
  readonly seed: number
  /** When to give up. */
  readonly deadlineMs: number
}

export interface CustomerReport {
  readonly name: string
  readonly shown: readonly string[]
  readonly unsent: number
  readonly violations: readonly string[]
  readonly opened: Readonly<Record<Kind, number>>
  readonly duplicates: number
  readonly kills: number
  /** From the mark to the next frame. */
  readonly backMs: number | undefined
}

export type ToApps = { readonly type: 'start'; readonly order: Order } | { readonly type: 'mark' }
export type FromApps =
  | { readonly type: 'progress'; readonly sent: number; readonly shown: number }
  | { readonly type: 'done'; readonly customers: readonly CustomerReport[] }

interface Customer {
  readonly name: string
  readonly notes: Notes
  readonly disk: () => Disk
  readonly sent: () => number
  readonly kills: () => number
  stop(): void
}

const LOOK_MS = 200
/** When all is there, what comes too often has so long to come. */
const SETTLE_MS = 1500

function startCustomer(order: Order, { name, token }: Order['customers'][number], index: number): Customer {
  const random = seeded(order.seed * 1000 + index)
  // Text, as on a real disk: nothing of a killed app's memory is left in it.
  let file = JSON.stringify(emptyDisk(`phone-${name}`))
  const notes: Notes = {
    violations: [],
    opened: { ws: 0, mqtt: 0, http: 0 },
    lastHeardAt: 0,
    heardAfter: { at: Infinity, first: undefined },
    duplicates: 0,
  }
  let app: App | undefined
  let sent = 0
  let kills = 0
  let timer: NodeJS.Timeout | undefined
  const disk = (): Disk => JSON.parse(file) as Disk // what was written below

  function live(): void {
    app = startApp({
      target: { host: order.host, ports: order.ports, token, device: `phone-${name}` },
      kinds: order.kinds,
      read: disk,
      write: (changed) => {
        file = JSON.stringify(changed)
      },
      notes,
      random,
    })
    const [shortest, longest] = order.lifeMs
    timer = setTimeout(die, shortest + random() * (longest - shortest))
  }
  function die(): void {
    app?.kill()
    app = undefined
    kills += 1
    timer = setTimeout(live, 50 + random() * 450)
  }
  live()
  const sending = setInterval(() => {
    if (app === undefined || sent >= order.messages) return
    sent += 1
    app.send(`${name} ${sent}`)
  }, order.paceMs)

  return {
    name,
    notes,
    disk,
    sent: () => sent,
    kills: () => kills,
    stop() {
      clearInterval(sending)
      clearTimeout(timer)
      app?.kill()
    },
  }
}

function reportOf({ name, notes, disk, kills }: Customer): CustomerReport {
  const { shown, outbox } = disk()
  const { at, first } = notes.heardAfter
  return {
    name,
    shown,
    unsent: outbox.length,
    violations: notes.violations,
    opened: notes.opened,
    duplicates: notes.duplicates,
    kills: kills(),
    backMs: first === undefined ? undefined : first - at,
  }
}

function run(order: Order, tell: (message: FromApps) => void): Customer[] {
  const customers = order.customers.map((customer, index) => startCustomer(order, customer, index))
  const begun = performance.now()
  let wholeSince: number | undefined
  const looking = setInterval(() => {
    const now = performance.now()
    const sent = customers.reduce((sum, customer) => sum + customer.sent(), 0)
    const disks = customers.map((customer) => customer.disk())
    tell({ type: 'progress', sent, shown: disks.reduce((sum, { shown }) => sum + shown.length, 0) })
    const isWhole = disks.every(({ shown, outbox }) => shown.length >= order.messages && outbox.length === 0)
    wholeSince = isWhole ? (wholeSince ?? now) : undefined
    if (now - begun < order.deadlineMs && (wholeSince === undefined || now - wholeSince < SETTLE_MS)) return
    clearInterval(looking)
    for (const customer of customers) customer.stop()
    tell({ type: 'done', customers: customers.map(reportOf) })
  }, LOOK_MS)
  return customers
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  let customers: Customer[] = []
  process.on('message', (message: ToApps) => {
    if (message.type === 'start') customers = run(message.order, (told) => process.send?.(told))
    else
      for (const { notes } of customers)
        Object.assign(notes.heardAfter, { at: performance.now(), first: undefined })
  })
  process.on('disconnect', () => process.exit())
}

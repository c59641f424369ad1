// All customers of a run, in a process of their own: apps that send, are killed every few seconds, and come back with their disk.
import { seeded } from '../../support/fault-proxy.ts'
import { emptyDisk, startApp } from './app.ts'
import type { App, Disk, Notes } from './app.ts'
import { startClientApp } from './client-app.ts'
import type { Rows } from './client-app.ts'
import type { Kind, Target } from './links.ts'

export interface Order {
  readonly host: string
  readonly ports: Readonly<Record<Kind, number>>
  readonly kinds: readonly Kind[]
  readonly customers: readonly { readonly name: string; readonly token: string; readonly app: AppKind }[]
  readonly messages: number
  /** Between two messages of one customer. */
  readonly paceMs: number
  /** An app lives so long. */
  readonly lifeMs: readonly [number, number]
  readonly seed: number
  /** When to give up. */
  readonly deadlineMs: number
}

/** Whose app it is: `dragoman/client`, or an independent one. */
export type AppKind = 'client' | 'independent'

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
  | { readonly type: 'progress'; readonly sent: number }
  | { readonly type: 'done'; readonly customers: readonly CustomerReport[] }

interface Customer {
  readonly name: string
  readonly notes: Notes
  readonly shown: () => readonly string[]
  readonly sent: () => number
  /** What the gateway has not acknowledged; 0 where that is the app's own business. */
  readonly unsent: () => number
  readonly kills: () => number
  readonly stop: () => void
}

/** What a device keeps while its apps come and go. */
interface Device {
  readonly start: (turn: () => number) => App
  readonly shown: () => readonly string[]
  readonly unsent: () => number
}

const LOOK_MS = 200
/** When all is there, what comes too often has so long to come. */
const SETTLE_MS = 1500

function startCustomer(order: Order, index: number, random: () => number): Customer {
  const { name = '', token = '', app: kind = 'independent' } = order.customers[index] ?? {}
  const notes: Notes = {
    violations: [],
    opened: { ws: 0, mqtt: 0, http: 0 },
    lastHeardAt: 0,
    heardAfter: { at: Infinity, first: undefined },
    duplicates: 0,
  }
  const target: Target = { host: order.host, ports: order.ports, token, device: `phone-${name}` }
  const { kinds } = order
  const device =
    kind === 'client' ? clientDevice({ target, kinds, notes }) : ownDevice({ target, kinds, notes, random })
  let app: App | undefined
  let isSending = false
  let sent = 0
  let kills = 0
  let turns = Math.floor(random() * order.kinds.length)
  let timer: NodeJS.Timeout | undefined

  function live(): void {
    app = device.start(() => turns++)
    const [shortest, longest] = order.lifeMs
    timer = setTimeout(die, shortest + random() * (longest - shortest))
  }
  function die(): void {
    // What nobody has been told to be kept may be lost with the app: the customer would say it again.
    if (isSending) {
      timer = setTimeout(die, 5)
      return
    }
    app?.kill()
    app = undefined
    kills += 1
    timer = setTimeout(live, 50 + random() * 450)
  }
  async function say(): Promise<void> {
    if (app === undefined || isSending || sent >= order.messages) return
    isSending = true
    try {
      await app.send(`${name} ${sent + 1}`)
      sent += 1
    } catch (error) {
      notes.violations.push(`send: ${String(error)}`)
    } finally {
      isSending = false
    }
  }
  live()
  const saying = setInterval(() => void say(), order.paceMs)

  return {
    name,
    notes,
    shown: device.shown,
    unsent: device.unsent,
    sent: () => sent,
    kills: () => kills,
    stop() {
      clearInterval(saying)
      clearTimeout(timer)
      app?.kill()
    },
  }
}

interface DeviceOptions {
  readonly target: Target
  readonly kinds: readonly Kind[]
  readonly notes: Notes
}

function ownDevice(options: DeviceOptions & { readonly random: () => number }): Device {
  // Text, as on a real disk: nothing of a killed app's memory is left in it.
  let file = JSON.stringify(emptyDisk(options.target.device))
  const disk = (): Disk => JSON.parse(file) as Disk // what was written below
  return {
    start: (turn) =>
      startApp({
        ...options,
        turn,
        read: disk,
        write: (changed) => {
          file = JSON.stringify(changed)
        },
      }),
    shown: () => disk().shown,
    unsent: () => disk().outbox.length,
  }
}

/** Each life shows everything from the first message on: the one before is its beginning. */
function clientDevice({ target, kinds, notes }: DeviceOptions): Device {
  const rows: Rows = new Map()
  let longest: readonly string[] = []
  return {
    start(turn) {
      const before = longest
      const now: string[] = []
      return startClientApp({
        target,
        kinds,
        rows,
        notes,
        turn,
        onShown(text) {
          const known = before[now.length]
          if (known !== undefined && known !== text) notes.violations.push(`${text} where ${known} was`)
          now.push(text)
          if (now.length > longest.length) longest = now
        },
      })
    },
    shown: () => longest,
    unsent: () => 0,
  }
}

function reportOf({ name, notes, shown, unsent, kills }: Customer): CustomerReport {
  const { at, first } = notes.heardAfter
  return {
    name,
    shown: shown(),
    unsent: unsent(),
    violations: notes.violations,
    opened: notes.opened,
    duplicates: notes.duplicates,
    kills: kills(),
    backMs: first === undefined ? undefined : first - at,
  }
}

function run(order: Order, tell: (message: FromApps) => void): Customer[] {
  const customers = order.customers.map((_, index) =>
    startCustomer(order, index, seeded(order.seed * 1000 + index)),
  )
  const begun = performance.now()
  let wholeSince: number | undefined
  const looking = setInterval(() => {
    const now = performance.now()
    const sent = customers.reduce((sum, customer) => sum + customer.sent(), 0)
    tell({ type: 'progress', sent })
    const isWhole = customers.every(
      (customer) => customer.shown().length >= order.messages && customer.unsent() === 0,
    )
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

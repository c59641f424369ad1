// All links of this process: overlapping ones of a device, who is present, and the end of all of them, or of one channel's.
import { setImmediate as othersTurn } from 'node:timers/promises'
import { GatewayError } from '../api.ts'
import type { Identity, Link, LinkOptions, LinkSend, Log } from '../api.ts'
import { Expiries } from '../expiries.ts'
import type { Store } from '../store/store.ts'
import { Chains } from './chains.ts'
import { JUST_COME_MS, MOVED_WITHIN_MS } from './figures.ts'
import { createLooks } from './looks.ts'
import { createPresence } from './presence.ts'
import type { Presence } from './presence.ts'
import { Session } from './session.ts'
import type { SharedParts } from './session.ts'
import type { LinkChannel, Uplink } from './uplink.ts'
import { createWhereabouts } from './whereabouts.ts'

export interface LinksOptions {
  readonly store: Store
  readonly uplink: Uplink
  readonly log: Log
  /** This process among the instances. */
  readonly instance: string
  /** SEMANTICS 13: by how many numbers a device was ahead of the store. */
  readonly onJump: (by: number) => void
}

export interface Links {
  /** `ChannelHost.link`. Throws `AUTH_FAILED` or `FORBIDDEN` for who is no customer. */
  open(channel: LinkChannel, who: Identity, link: { readonly send: LinkSend } & LinkOptions): Link
  readonly presence: Pick<Presence, 'of'>
  /** Open ones, over whatever transport. */
  readonly count: number
  /**
   * Sends the apps of one version of a channel away, spread over some seconds, and who comes to it later too. Resolves when they
   * can have heard it: its transports may be closed then.
   */
  sendAway(channel: LinkChannel): Promise<void>
  /** Sends every app away, spread over some seconds, and who comes later too. Resolves when the store knows who was here. */
  stop(): Promise<void>
}

/** So many are told in one turn of the event loop. */
const TOLD_AT_ONCE = 256
/** A peer that takes nothing for as long hears nothing. */
const TAKEN_WITHIN_MS = 2000

export function createLinks({ store, uplink, log, instance, onJump }: LinksOptions): Links {
  const chains = new Chains()
  const presence = createPresence({ store, log, instance })
  const all = new Map<Session, LinkChannel>()
  /** Their apps are sent away. */
  const left = new WeakSet<LinkChannel>()
  /** The welcomed links of a device, the oldest first. */
  const byDevice = new Map<string, readonly Session[]>()
  const looks = createLooks()
  const whereabouts = createWhereabouts({ store, log, instance, onMoved: endOlder })
  // His token ran out: a new one is welcome at once.
  const expiring = new Expiries<Session>((session) => void session.kick('auth', 0))
  let isStopping = false

  function enter(session: Session, device: string): void {
    byDevice.set(device, [...(byDevice.get(device) ?? []), session])
    session.welcomedAt = Math.floor(performance.now())
    if (!session.isTransient) whereabouts.enter(device)
    presence.enter(session.home)
  }

  function leave(session: Session, device: string): void {
    const known = byDevice.get(device) ?? []
    if (!known.includes(session)) return
    const others = known.filter((other) => other !== session)
    if (others.length === 0) {
      byDevice.delete(device)
      whereabouts.leave(device)
    } else byDevice.set(device, others)
    presence.leave(session.home)
  }

  /** SEMANTICS 38: only when the new one is known to work. A link that lives for one exchange takes nobody's place. */
  function replaceOlder(session: Session, device: string): void {
    if (session.isTransient) return
    whereabouts.confirmed(device)
    for (const other of byDevice.get(device) ?? []) {
      if (other === session) return
      void other.kick('replaced', 0)
    }
  }

  /** One that has only just come may be where the device is going, and is about to say so. */
  function endOlder(device: string): void {
    const before = performance.now() - JUST_COME_MS
    for (const session of byDevice.get(device) ?? [])
      if (!session.isTransient && session.welcomedAt < before) void session.kick('replaced', 0)
  }

  const shared: SharedParts = {
    store,
    uplink,
    chains,
    log,
    looks,
    onJump,
    onEntered: enter,
    onLeft: leave,
    onConfirmed: replaceOlder,
    onClosed(session) {
      all.delete(session)
      expiring.delete(session)
    },
  }

  return {
    presence,
    get count() {
      return all.size
    },
    open(channel, who, { send, ...options }) {
      if (who.role !== 'customer' || who.id === '')
        throw new GatewayError(
          who.role === 'agent' ? 'FORBIDDEN' : 'AUTH_FAILED',
          "a link is one customer's own: send his bearer token",
        )
      const home = customerHome(who.id)
      const session = new Session({ ...options, channel, identity: who, home, send, shared })
      all.set(session, channel)
      expiring.set(session, who.until)
      // Not before the transport has its link.
      if (isStopping || left.has(channel)) queueMicrotask(() => void session.kick('moved', spread()))
      return session
    },
    async sendAway(channel) {
      left.add(channel)
      const told: Promise<void>[] = []
      for (const [session, its] of all) {
        if (its !== channel) continue
        told.push(session.kick('moved', spread()))
        if (told.length % TOLD_AT_ONCE === 0) await othersTurn()
      }
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, TAKEN_WITHIN_MS)
      await Promise.race([Promise.all(told), late.promise])
      clearTimeout(timer)
    },
    stop() {
      isStopping = true
      for (const session of all.keys()) void session.kick('moved', spread())
      looks.stop()
      return presence.stop()
    },
  }
}

/** Where everything of a customer's own credential belongs, over whatever link (SEMANTICS 8, 9). */
export function customerHome(customer: string): string {
  return `link/${customer}`
}

/** All at once they would come back all at once. */
function spread(): number {
  return Math.floor(Math.random() * MOVED_WITHIN_MS)
}

// How many customer-service messages a customer may still get and until when, so that a push without a chance is refused here.
import type { Json, Scope } from 'dragoman'

import type { Contact, Inbound } from '../platform.ts'
import { isFields } from './answer-text.ts'
import type { Fields } from './answer-text.ts'

/** Whether a message may go out. `open`: one of the quota is taken; given back if it was not sent. */
export type Leave =
  | { readonly status: 'open'; giveBack(): Promise<void> }
  /** Nothing is known of this customer (he wrote before we listened, or to another channel): the platform decides. */
  | { readonly status: 'unknown' }
  | { readonly status: 'closed'; readonly why: string }

export interface Customer {
  readonly openId: string
  readonly authorizer?: string
}

export interface Windows {
  /** The customer did something. Returns at once; its write is on the way before it returns. */
  note(inbound: Inbound): void
  take(customer: Customer): Promise<Leave>
  /** The platform said so itself: the window is closed, or the quota used up, until the customer writes. */
  shut(customer: Customer): Promise<void>
}

interface Allowance {
  readonly until: number
  readonly left: number
}
type Kind = 'message' | 'event'
type Allowances = Readonly<Partial<Record<Kind, Allowance>>>

interface Quota {
  readonly kind: Kind
  readonly messages: number
  readonly ms: number
}

const HOURS_48 = 48 * 3_600_000
/** developers.weixin.qq.com "客服消息", the table of what each action allows. */
const quotas: Readonly<Record<Contact, Quota>> = {
  message: { kind: 'message', messages: 5, ms: HOURS_48 },
  menu: { kind: 'event', messages: 3, ms: 60_000 },
  scan: { kind: 'event', messages: 3, ms: 60_000 },
  subscribe: { kind: 'event', messages: 3, ms: 60_000 },
  enter: { kind: 'event', messages: 2, ms: 60_000 },
}
/** Kept longer than the window, so that a closed one is known to be closed. */
const KEPT_MS = 7 * 24 * 3_600_000
/** A full quota is not written again for this long: nobody misses a minute of two days. */
const COALESCE_MS = 60_000
const MAX_RECENT = 10_000
const TRIES = 20

export interface WindowsOptions {
  readonly scope: Pick<Scope, 'state' | 'log' | 'now'>
  /** Of the account, in keys: `wx123`. */
  readonly account: string
}

/** Keeps the windows of an account's customers in the component's state, for all instances. Without I/O. */
export function createWindows({ scope, account }: WindowsOptions): Windows {
  const { state, log } = scope
  /** Whose full quota was written when, youngest last; the entry goes with the first message that is taken from it. */
  const recent = new Map<string, number>()
  /** Writes on their way: an answer may be quicker than they are. */
  const pending = new Map<string, Promise<unknown>>()

  /** Reads, changes, writes; again if another instance was faster. Undefined from `change`: as it is. */
  async function update(
    key: string,
    change: (known: Allowances | undefined) => Allowances | undefined,
  ): Promise<Allowances | undefined> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const found = await state.get(key)
      const before = allowancesOf(found?.value)
      const after = change(before)
      if (after === undefined) return before
      if (await state.compareAndSet(key, found?.version, toJson(after), { ttlMs: KEPT_MS })) return before
    }
    return undefined
  }

  const keyOf = ({ openId, authorizer }: Customer): string =>
    `window/${account}/${authorizer === undefined ? '' : `${authorizer}/`}${openId}`

  return {
    note(inbound) {
      const { kind, messages, ms } = quotas[inbound.contact]
      const key = keyOf(inbound)
      const now = scope.now()
      const noted = recent.get(key)
      if (kind === 'message' && noted !== undefined && now - noted < COALESCE_MS && now >= noted) return
      const allowance: Allowance = { until: Math.min(inbound.at, now) + ms, left: messages }
      if (kind === 'message') {
        recent.delete(key)
        recent.set(key, now)
        const [oldest] = recent.keys()
        if (recent.size > MAX_RECENT && oldest !== undefined) recent.delete(oldest)
      }
      // A message opens everything: it is written without a look. An event adds to what is there.
      const written =
        kind === 'message'
          ? state.put(key, toJson({ message: allowance }), { ttlMs: KEPT_MS })
          : update(key, (known) => ({ ...known, event: allowance }))
      const done = written
        .catch((error: unknown) => {
          recent.delete(key)
          log.warn('the customer-service window could not be noted', { error: String(error) })
        })
        .finally(() => {
          if (pending.get(key) === done) pending.delete(key)
        })
      pending.set(key, done)
    },

    async take(customer) {
      const key = keyOf(customer)
      recent.delete(key)
      await pending.get(key)
      let taken: Kind | undefined
      const known = await update(key, (before) => {
        taken = before && usable(before, scope.now())
        return taken && before && changed(before, taken, -1)
      })
      if (known === undefined) return { status: 'unknown' }
      const from = taken
      if (from === undefined) return { status: 'closed', why: whyClosed(known, scope.now()) }
      return {
        status: 'open',
        async giveBack() {
          await update(key, (before) => before && changed(before, from, 1))
        },
      }
    },

    async shut(customer) {
      const key = keyOf(customer)
      recent.delete(key)
      await pending.get(key)
      await update(key, (before) => {
        if (before === undefined) return undefined
        return Object.fromEntries(Object.entries(before).map(([kind, one]) => [kind, { ...one, left: 0 }]))
      })
    },
  }
}

/** The one that ends first is used first. */
function usable(known: Allowances, now: number): Kind | undefined {
  const isOpen = (kind: Kind): boolean => {
    const one = known[kind]
    // SEMANTICS 25: a stored moment is never further away than it could have been when it was written.
    return one !== undefined && one.left > 0 && one.until > now && one.until <= now + HOURS_48
  }
  return (['event', 'message'] as const).find(isOpen)
}

function whyClosed(known: Allowances, now: number): string {
  const isUsed = Object.values(known).some(({ until }) => until > now)
  return isUsed
    ? 'the customer-service messages that the last action of the customer allowed are used up: the next can be sent when he writes again'
    : 'the customer has not written for 48 hours (an event opens the window for a minute): the next message can be sent when he writes again'
}

function changed(known: Allowances, kind: Kind, by: number): Allowances {
  const one = known[kind]
  return one === undefined ? known : { ...known, [kind]: { ...one, left: one.left + by } }
}

function allowancesOf(value: Json | undefined): Allowances | undefined {
  if (!isFields(value)) return undefined
  const result: Partial<Record<Kind, Allowance>> = {}
  for (const kind of ['message', 'event'] as const) {
    const one = Object.hasOwn(value, kind) ? value[kind] : undefined
    const allowance = isFields(one) ? allowanceOf(one) : undefined
    if (allowance !== undefined) result[kind] = allowance
  }
  return result
}

function allowanceOf({ until, left }: Fields): Allowance | undefined {
  return typeof until === 'number' && typeof left === 'number' ? { until, left } : undefined
}

function toJson(allowances: Allowances): Json {
  return Object.fromEntries(
    Object.entries(allowances).map(([kind, { until, left }]) => [kind, { until, left }]),
  )
}

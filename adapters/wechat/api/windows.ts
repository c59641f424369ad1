// How many customer-service messages a customer may still get and until when, so that a push without a chance is refused here.
import type { Json, Scope } from 'dragoman'

import type { Contact, Inbound } from '../platform.ts'
import { isFields } from './answer-text.ts'
import type { Fields } from './answer-text.ts'

/** Whether a message may go out. */
export type Leave =
  /** One of the quota is taken. `giveBack`: it was not sent. `shut`: the platform says that the window is closed, or the quota used up. */
  | { readonly status: 'open'; giveBack(): Promise<void>; shut(): Promise<void> }
  /** Whether this customer has written before we listened, or to another channel, is not known: the platform decides. */
  | { readonly status: 'unknown' }
  | { readonly status: 'closed'; readonly why: string }

export interface Customer {
  readonly openId: string
  readonly authorizer?: string
}

export interface Windows {
  /**
   * The customer did something; noted again it is nothing new. Returns at once; its writing has begun before it returns, or begins when
   * what the same customer did just before is written.
   */
  note(inbound: Inbound): void
  /** `push`: its name, the same at each try; it takes one, however often it is tried. */
  take(customer: Customer, push: string): Promise<Leave>
  /** How many messages he may still get, with what these pushes have taken before; undefined: that is not known. */
  left(customer: Customer, pushes: readonly string[]): Promise<number | undefined>
}

interface Allowance {
  readonly until: number
  readonly left: number
  /** What the customer did, newest first: only the first has filled it, the others are known again. */
  readonly by: readonly string[]
  /** The pushes that have taken one. */
  readonly taken: readonly string[]
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
/** The platform repeats a push twice, five seconds apart: few customers do more in that time. */
const MOST_BY = 8
const TRIES = 20

export interface WindowsOptions {
  readonly scope: Pick<Scope, 'state' | 'log' | 'now'>
  /** Of the account, in keys: `wx123`. */
  readonly account: string
}

/** Keeps the windows of an account's customers in the component's state, for all instances. Without I/O. */
export function createWindows({ scope, account }: WindowsOptions): Windows {
  const { state, log } = scope
  /** Writes on their way: an answer may be quicker than they are. */
  const pending = new Map<string, Promise<unknown>>()

  /** Reads, changes, writes; again if another instance was faster. Undefined from `change`: as it is. Resolves with what was there. */
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
      const until = Math.min(inbound.at, scope.now()) + ms
      const write = () =>
        update(key, (known) => {
          const before = known?.[kind]?.by ?? []
          if (before.includes(inbound.id)) return undefined
          const by = [inbound.id, ...before].slice(0, MOST_BY)
          return { ...known, [kind]: { until, left: messages, by, taken: [] } }
        })
      // One after the other: of many at once each would have to try again for every other one.
      const earlier = pending.get(key)
      const done = (earlier === undefined ? write() : earlier.then(write))
        .catch((error: unknown) => {
          log.warn('the customer-service window could not be noted', { error: String(error) })
        })
        .finally(() => {
          if (pending.get(key) === done) pending.delete(key)
        })
      pending.set(key, done)
    },

    async left(customer, pushes) {
      const key = keyOf(customer)
      await pending.get(key)
      const known = allowancesOf((await state.get(key))?.value)
      const isStranger = known?.message === undefined && (known?.event?.until ?? 0) <= scope.now()
      if (known === undefined || isStranger) return undefined
      const open = openOf(known, scope.now()).flatMap((kind) => known[kind] ?? [])
      return open.reduce(
        (sum, { left, taken }) => sum + left + taken.filter((push) => pushes.includes(push)).length,
        0,
      )
    },

    async take(customer, push) {
      const key = keyOf(customer)
      await pending.get(key)
      let from: Kind | undefined
      const known = await update(key, (before) => {
        from = before && usable(before, push, scope.now())
        return from && before && withTaken(before, from, push)
      })
      if (known === undefined) return { status: 'unknown' }
      const kind = from
      if (kind === undefined) {
        const { message, event } = known
        const isStranger = message === undefined && (event === undefined || event.until <= scope.now())
        return isStranger ? { status: 'unknown' } : { status: 'closed', why: whyClosed(known, scope.now()) }
      }
      return {
        status: 'open',
        async giveBack() {
          await update(key, (before) => before && withGivenBack(before, kind, push))
        },
        async shut() {
          await update(key, (before) => before && withShut(before, known))
        },
      }
    },
  }
}

const KINDS = ['event', 'message'] as const

/** The one that the push has taken from before, else the one that ends first. */
function usable(known: Allowances, push: string, now: number): Kind | undefined {
  const open = openOf(known, now)
  const before = open.find((kind) => known[kind]?.taken.includes(push))
  return before ?? open.find((kind) => (known[kind]?.left ?? 0) > 0)
}

/** SEMANTICS 25: a stored moment is never further away than it could have been when it was written. */
function openOf(known: Allowances, now: number): readonly Kind[] {
  return KINDS.filter((kind) => {
    const { until = 0 } = known[kind] ?? {}
    return until > now && until <= now + HOURS_48
  })
}

function withTaken(known: Allowances, kind: Kind, push: string): Allowances | undefined {
  const one = known[kind]
  if (one === undefined || one.taken.includes(push)) return undefined
  return { ...known, [kind]: { ...one, left: one.left - 1, taken: [...one.taken, push] } }
}

/** Undefined where the customer has filled it meanwhile. */
function withGivenBack(known: Allowances, kind: Kind, push: string): Allowances | undefined {
  const one = known[kind]
  if (one?.taken.includes(push) !== true) return undefined
  const taken = one.taken.filter((each) => each !== push)
  return { ...known, [kind]: { ...one, left: one.left + 1, taken } }
}

/** What the customer has done since `seen` has opened it anew, whatever the platform says of before. */
function withShut(known: Allowances, seen: Allowances): Allowances {
  const result: Partial<Record<Kind, Allowance>> = { ...known }
  for (const kind of KINDS) {
    const one = known[kind]
    if (one !== undefined && one.by[0] === seen[kind]?.by[0]) result[kind] = { ...one, left: 0, taken: [] }
  }
  return result
}

function whyClosed(known: Allowances, now: number): string {
  const isUsed = Object.values(known).some(({ until }) => until > now)
  return isUsed
    ? 'the customer-service messages that the last action of the customer allowed are used up: the next can be sent when he writes again'
    : 'the customer has not written for 48 hours (an event opens the window for a minute): the next message can be sent when he writes again'
}

function allowancesOf(value: Json | undefined): Allowances | undefined {
  if (!isFields(value)) return undefined
  const result: Partial<Record<Kind, Allowance>> = {}
  for (const kind of KINDS) {
    const one = Object.hasOwn(value, kind) ? value[kind] : undefined
    const allowance = isFields(one) ? allowanceOf(one) : undefined
    if (allowance !== undefined) result[kind] = allowance
  }
  return result
}

/** Earlier versions kept neither `by` nor `taken`, or the last of `by` alone. */
function allowanceOf({ until, left, by, taken }: Fields): Allowance | undefined {
  if (typeof until !== 'number' || typeof left !== 'number') return undefined
  return {
    until,
    left,
    by: typeof by === 'string' ? [by] : textsOf(by),
    taken: textsOf(taken),
  }
}

function textsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : []
}

function toJson(allowances: Allowances): Json {
  return Object.fromEntries(Object.entries(allowances).map(([kind, one]) => [kind, { ...one }]))
}

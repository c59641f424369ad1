// 微信客服: reads what customers wrote with `sync_msg`; one reader per account, in order, the cursor stored last (SEMANTICS 40).
import { GatewayError } from 'dragoman'
import type { ChannelHost, Draft, ErrorCode, Json, Scope } from 'dragoman'

import type { Inbound, KfDrafts, KfReader } from '../platform.ts'
import { isFields, numberIn, textIn } from './answer-text.ts'
import type { Fields } from './answer-text.ts'
import { rulingOf } from './errors.ts'
import { createKfCursors } from './kf-cursors.ts'
import type { Place } from './kf-cursors.ts'
import type { Authorised } from './media.ts'
import type { WireAnswer } from './wire.ts'

export interface KfReaderOptions {
  readonly scope: Pick<Scope, 'state' | 'log' | 'now' | 'metrics'>
  /** The corpid, in keys. */
  readonly account: string
  readonly authorised: Authorised
  readonly host: Pick<ChannelHost, 'accept'>
  readonly drafts: KfDrafts
  /** A customer wrote: his window is open, and this is the account he wrote to. */
  readonly noted: (customer: string, openKfId: string, wrote: Pick<Inbound, 'id' | 'at'>) => void
  readonly signal: AbortSignal
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** The most that `sync_msg` gives at once. */
const PAGE = 1000
const LEASE_MS = 30_000
const BUSY_MS = 500
const PAUSE_FIRST_MS = 500
const PAUSE_LONGEST_MS = 30_000
/** These pass: the item is handed in until it is stored. Any other refusal will be the same the next time. */
const patient: ReadonlySet<ErrorCode> = new Set(['STORE_UNAVAILABLE', 'OVERLOADED', 'RATE_LIMITED'])
const MAX_TRIES = 5

/** Reads until nothing is left, whenever the platform says that something is there, and once at the start. */
export function createKfReader(options: KfReaderOptions): KfReader {
  const { scope, account, authorised, host, drafts, noted } = options
  const { log, state } = scope
  const closing = new AbortController()
  const signal = AbortSignal.any([options.signal, closing.signal])
  const pause = options.pause ?? sleep
  const cursors = createKfCursors(scope, account)
  const readers = new Map<string, Reading>()
  /** Of the last event of each account: good for 10 minutes; without one the platform only allows fewer calls. */
  const tokens = new Map<string, string>()

  /** Runs a reader, or tells the running one that there is more. */
  function wake(openKfId: string): void {
    const running = readers.get(openKfId)
    if (running !== undefined) {
      running.again = true
      return
    }
    const reading: Reading = { again: false, done: Promise.resolve() }
    readers.set(openKfId, reading)
    reading.done = read(openKfId, reading).finally(() => readers.delete(openKfId))
  }

  async function read(openKfId: string, reading: Reading): Promise<void> {
    let pauseMs = PAUSE_FIRST_MS
    while (!signal.aborted) {
      try {
        reading.again = false
        const ended = await underLease(openKfId)
        pauseMs = PAUSE_FIRST_MS
        if (ended && !reading.again) return
        if (!ended) await pause(BUSY_MS, signal)
      } catch (error) {
        if (signal.aborted) return
        log.warn('微信客服 messages could not be read', {
          account: openKfId,
          error: GatewayError.from(error).message,
          againInMs: pauseMs,
        })
        await pause(pauseMs, signal)
        pauseMs = Math.min(pauseMs * 2, PAUSE_LONGEST_MS)
      }
    }
  }

  /** False: another instance reads. It may have looked before our event came, so we look again after it. */
  async function underLease(openKfId: string): Promise<boolean> {
    const name = `kf/${account}/${openKfId}/reader`
    const lease = await state.lease(name, LEASE_MS)
    if (lease === undefined) return false
    try {
      let place = await cursors.load(openKfId)
      for (;;) {
        const page = await pageAfter(openKfId, place)
        if (page === undefined) {
          place = await cursors.forget(openKfId, place)
          continue
        }
        for (const item of page.items) {
          signal.throwIfAborted()
          await handIn(item, openKfId, place)
        }
        place = await cursors.store(openKfId, place, page.next)
        if (!page.more) return true
        // A platform that always has more, and never anything, is not asked as fast as it can answer.
        if (page.items.length === 0) await pause(BUSY_MS, signal)
        if ((await state.lease(name, LEASE_MS)) === undefined) return false
      }
    } finally {
      await lease.release()
    }
  }

  /** Undefined: the platform does not know the cursor any more. */
  async function pageAfter(openKfId: string, { cursor }: Pick<Place, 'cursor'>): Promise<Page | undefined> {
    const token = tokens.get(openKfId)
    const answer = await ask(openKfId, cursor, token)
    if (answer.status === 'ok') return pageOf(answer.fields, cursor)
    if (answer.status === 'file') throw new GatewayError('BACKEND_FAILED', 'sync_msg answered with a file')
    const { verdict, says } = rulingOf(answer.code, answer.text)
    if (verdict === 'cursor' && token !== undefined) {
      if (tokens.get(openKfId) === token) tokens.delete(openKfId)
      return pageAfter(openKfId, { cursor })
    }
    // Nothing else of the question can be wrong for good: a lost cursor has more codes than one.
    if (cursor !== undefined && (verdict === 'cursor' || verdict === 'refused')) return undefined
    throw new GatewayError('BACKEND_FAILED', says)
  }

  function ask(openKfId: string, cursor: string | undefined, token: string | undefined): Promise<WireAnswer> {
    const body: Json = {
      limit: PAGE,
      open_kfid: openKfId,
      ...(cursor !== undefined && { cursor }),
      ...(token !== undefined && { token }),
    }
    return authorised({ method: 'POST', path: '/cgi-bin/kf/sync_msg', body }, { signal })
  }

  /** Resolves once the item is stored, or is one that nobody will ever take. */
  async function handIn(item: Fields, openKfId: string, { since }: Place): Promise<void> {
    const at = (numberIn(item, 'send_time') ?? 0) * 1000
    if (at < since) {
      scope.metrics.count('kf_skipped')
      return
    }
    const customer = textIn(item, 'external_userid')
    if (customer !== undefined && numberIn(item, 'origin') === 3)
      noted(customer, openKfId, { id: textIn(item, 'msgid') ?? String(at), at })
    const draft = await drafted(item, openKfId)
    if (draft === undefined) return
    let pauseMs = PAUSE_FIRST_MS
    for (let tries = 1; ; tries += 1) {
      try {
        await host.accept(draft, { acknowledges: true })
        return
      } catch (thrown) {
        const error = GatewayError.from(thrown)
        if (!patient.has(error.code) && (error.code !== 'INTERNAL' || tries >= MAX_TRIES))
          return skipped(item, openKfId, error)
        signal.throwIfAborted()
        await pause(Math.max(pauseMs, error.retryAfterMs ?? 0), signal)
        signal.throwIfAborted()
        pauseMs = Math.min(pauseMs * 2, PAUSE_LONGEST_MS)
      }
    }
  }

  /** With its msgid as id, so that what is read twice is stored once. */
  async function drafted(item: Fields, openKfId: string): Promise<Draft | undefined> {
    try {
      const draft = await drafts(item)
      const msgid = textIn(item, 'msgid')
      if (draft === undefined || draft.externalId !== undefined || msgid === undefined) return draft
      return { ...draft, externalId: msgid }
    } catch (thrown) {
      skipped(item, openKfId, GatewayError.from(thrown))
      return undefined
    }
  }

  function skipped(item: Fields, openKfId: string, { code, message }: GatewayError): void {
    scope.metrics.count('kf_refused')
    log.error('a 微信客服 message was refused and is left out', {
      account: openKfId,
      msgid: textIn(item, 'msgid'),
      code,
      error: message,
    })
  }

  const starting = cursors.accounts().then(
    (known) => known.forEach(wake),
    (error: unknown) =>
      log.warn('the 微信客服 accounts could not be looked up; their next events start the reading', {
        error: GatewayError.from(error).message,
      }),
  )

  return {
    async onKfEvent(value, openKfId) {
      if (value !== '') tokens.set(openKfId, value)
      wake(openKfId)
      await cursors.meet(openKfId)
    },
    async close() {
      closing.abort(new GatewayError('CHANNEL_GONE', 'the channel is closed'))
      await starting
      await Promise.all([...readers.values()].map(({ done }) => done))
    },
  }
}

interface Reading {
  /** An event came while it was at work. */
  again: boolean
  done: Promise<void>
}

interface Page {
  readonly items: readonly Fields[]
  readonly next: string | undefined
  readonly more: boolean
}

/** An empty page may have more behind it: only `has_more` says where the end is. */
function pageOf(fields: Fields, cursor: string | undefined): Page {
  const { msg_list: list } = fields
  const next = textIn(fields, 'next_cursor')
  const items = Array.isArray(list) ? list.filter(isFields) : []
  const isStuck = next === undefined || next === '' || next === cursor
  return {
    items,
    next: next === '' ? undefined : next,
    more: numberIn(fields, 'has_more') === 1 && !isStuck,
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
    function end(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
  })
}

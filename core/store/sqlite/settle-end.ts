// What the settle that counts does: replies, inbox, outcome, what is owed, the dead letter and the lane, all together.
import { GatewayError } from '../../api.ts'
import type { Outcome } from '../store.ts'
import { PUSH_AFTER_WAIT_MS } from '../figures.ts'
import { query } from './database.ts'
import { DeadLetters } from './dead-letters.ts'
import type { Ground } from './ground.ts'
import type { Appended, Home, Place } from './heads.ts'
import { IN_FLIGHT, WAITING } from './lanes.ts'
import { Outcomes } from './outcomes.ts'
import type { Target } from './targets.ts'
import type { SettleAnswer } from '../codec/answers.ts'
import type { SettleWire } from '../codec/wire.ts'
import { WorkRows, withAttempt } from './work.ts'
import type { NewWork } from './work.ts'

/** The tuple by names, for everything behind the first look at it. */
export interface SettleRequest {
  readonly home: string
  readonly kind: SettleWire[2]
  readonly id: string
  readonly attempt: number
  readonly outcome: Outcome
  readonly tried: string | null
  readonly failure: string | null
  readonly reply: string | null
  readonly replies: NonNullable<SettleWire[12]>
  readonly inbox: boolean
  readonly conversation: string | null
  readonly extras: NonNullable<SettleWire[15]>
  readonly hasFence: boolean
}

export interface EndOperation {
  /** The first settle of open work. */
  first(target: Target, request: SettleRequest): SettleAnswer
  /** What was `unknown` becomes known: by an operator, or by the late end of the call itself. */
  known(target: Target, request: SettleRequest): SettleAnswer
}

interface Where {
  readonly home: Home
  readonly place: Place
}

interface Said {
  readonly replies: readonly Appended[]
  readonly owed: readonly NewWork[]
}

export function endOperation(ground: Ground): EndOperation {
  const { db, clock, heads, lanes, counters } = ground
  const outcomes = new Outcomes(ground)
  const dead = new DeadLetters(ground)
  const rows = new WorkRows(ground)
  const sql = {
    push: query(db, 'INSERT INTO push VALUES (?, ?, ?, ?, ?, ?, ?, NULL, 0) ON CONFLICT (key) DO NOTHING'),
    timer: query(db, 'INSERT INTO timer VALUES (?, ?, ?, ?, ?) ON CONFLICT (ref) DO NOTHING'),
    dropBegun: query(db, 'DELETE FROM begun WHERE id = ?'),
    body: query<readonly [string]>(db, 'SELECT body FROM log WHERE id = ?'),
    tombstone: query(db, 'UPDATE log SET body = ? WHERE id = ?'),
  }

  function placeOf(target: Target, request: SettleRequest): Where | undefined {
    if (hasNothingToSay(target, request)) return undefined
    const name = request.conversation ?? target.conversation
    if (name === null) {
      if (request.replies.length === 0) return undefined
      throw new GatewayError(
        'INTERNAL',
        `settle of "${request.id}" has replies and no conversation to append them to`,
      )
    }
    const place = heads.placeOf(name, heads.home(request.home))
    const home = heads.homeOrNew(request.home)
    return { home, place: place ?? heads.bind(name, home, request.replies[0]?.channel ?? '') }
  }

  function say(
    target: Target,
    request: SettleRequest,
    { where, waitUntil }: { where: Where | undefined; waitUntil: number | null },
  ): Said {
    const { replies, extras, inbox } = request
    if (where === undefined) return NOTHING_SAID
    const { home, place } = where
    const appended = replies.map(({ id, body }) => {
      const entry = heads.append(place, home, { id, body, cause: null, inbox, at: clock.now })
      if (entry === undefined) throw new TypeError(`reply "${id}" is in the log already`)
      return entry
    })
    const owed = [...owePushes(target, request, { appended, place, waitUntil }), ...oweTimer(target, request)]
    if (extras.patch !== undefined) heads.patch(place, extras.patch)
    return { replies: appended, owed }
  }

  function owePushes(
    target: Target,
    { extras }: SettleRequest,
    { appended, place, waitUntil }: { appended: readonly Appended[]; place: Place; waitUntil: number | null },
  ): NewWork[] {
    const due = waitUntil === null ? clock.now : waitUntil + PUSH_AFTER_WAIT_MS
    const owed: NewWork[] = []
    for (const { key, reply, part, channel } of extras.pushes ?? []) {
      const carried = appended[reply]
      if (carried === undefined)
        throw new GatewayError('INTERNAL', `push "${key}" carries reply ${reply}, which is not there`)
      const id = counters.newId()
      if (sql.push.run(id, key, carried.log, target.origin, part, channel, clock.now).changes === 0) continue
      owed.push(open({ id, kind: 'push', lane: `push:${channel}:${place.name}`, due }))
    }
    return owed
  }

  function oweTimer(target: Target, { extras }: SettleRequest): NewWork[] {
    if (extras.timer === undefined) return []
    const id = counters.newId()
    const { id: ref, delayMs, target: left } = extras.timer
    if (sql.timer.run(id, ref, target.origin, left, clock.now).changes === 0) return []
    return [open({ id, kind: 'timer', lane: String(id), due: clock.now + Math.max(0, delayMs) })]
  }

  function open(row: Pick<NewWork, 'id' | 'kind' | 'lane' | 'due'>): NewWork {
    const work: NewWork = { ...row, priority: 1, begunUnder: 0, waitUntil: null, raw: null }
    rows.open(work)
    return work
  }

  function show(owed: readonly NewWork[]): void {
    for (const work of owed) rows.show(work)
  }

  /**
   * What is late ends nothing: it is kept as a note, once, and the attempt that brought it is made again. A callback leaves the promise as
   * it stands: its deadline will be missed, or a fallback is at work on it.
   */
  function keepNote(target: Target, request: SettleRequest, { home, place }: Where): SettleAnswer {
    const { kind, attempt, hasFence, replies, tried } = request
    const { id, origin, open: work } = target
    for (const { id: note, body } of replies)
      heads.append(place, home, {
        id: note,
        body: asNote(body),
        cause: origin,
        inbox: false,
        at: clock.now,
      })
    if (work !== undefined && hasFence && work.attempt === attempt) {
      const head = lanes[kind].items(work.lane).find((item) => item.id === id)
      if (head?.state === IN_FLIGHT) {
        rows.retry(id, clock.now, withAttempt(work.attempts, tried))
        lanes[kind].change(work.lane, id, { state: WAITING, due: clock.now, fence: 0, now: clock.now })
      }
    }
    return { status: 'notOwner' }
  }

  function first(target: Target, request: SettleRequest): SettleAnswer {
    const { kind, id, extras, failure, reply, outcome } = request
    const work = target.open
    if (work === undefined) throw new TypeError('only open work ends')
    const where = placeOf(target, request)
    if (isLate(request, where)) return keepNote(target, request, where)
    const waitUntil = kind === 'timer' ? (outcomes.get(target.origin)?.waitUntil ?? null) : work.waitUntil
    const said = say(target, request, { where, waitUntil })
    const attempts = withAttempt(work.attempts, request.tried)
    outcomes.store({
      id: target.id,
      outcome,
      attempt: request.attempt,
      replies: replyIds(request.replies),
      waitUntil,
      reply,
      failure,
      attempts,
    })
    // What was halted is in the list with its older attempts.
    if (work.attempts !== null) dead.drop(id)
    if (extras.dead !== undefined)
      dead.bury({ ref: id, id: target.id, kind, home: request.home, failure: extras.dead, attempts })
    rows.end(target.id)
    if (kind === 'claim') sql.dropBegun.run(target.id)
    const isAnswered = kind === 'timer' && outcomes.answerLater(target.origin, { outcome, reply, failure })
    const hasExpired = outcome === 'expired' && (kind === 'message' || isAnswered)
    if (hasExpired) bury(target.origin)

    lanes[kind].remove(work.lane, target.id, clock.now)
    show(said.owed)
    if (kind === 'message') count(outcome, extras.dead !== undefined)
    else if (hasExpired) countAnew()
    if (kind === 'push' && outcome === 'unknown') counters.inDoubt++
    return settled(said, lanes[kind].waitingIn(work.lane))
  }

  function known(target: Target, request: SettleRequest): SettleAnswer {
    const { id, outcome, attempt, reply, failure, replies } = request
    const where = placeOf(target, request)
    if (isLate(request, where)) return keepNote(target, request, where)
    const said = say(target, request, { where, waitUntil: null })
    const attempts = withAttempt(outcomes.get(target.id)?.attempts ?? null, request.tried)
    outcomes.replace({
      id: target.id,
      outcome,
      attempt,
      replies: replyIds(replies),
      reply,
      failure,
      attempts,
    })
    dead.drop(id)
    show(said.owed)
    return settled(said, 0)
  }

  /** SEMANTICS 23: an expired message keeps its number as a tombstone. */
  function bury(id: number): void {
    const body = sql.body.get(id)?.[0]
    if (body !== undefined) sql.tombstone.run(asTombstone(body), id)
  }

  // SEMANTICS 36: each accepted message is counted once more when it ends, in one of three places.
  function count(outcome: Outcome, isDead: boolean): void {
    if (isDead) counters.dead++
    else if (outcome === 'expired') counters.expired++
    else counters.settled++
  }

  /** What was taken has expired without the answer that was promised (SEMANTICS 26). */
  function countAnew(): void {
    counters.settled--
    counters.expired++
  }

  return { first, known }
}

const NOTHING_SAID: Said = { replies: [], owed: [] }

/** SEMANTICS 7: begun under an owner who has the conversation no more. */
function isLate({ extras: { expect } }: SettleRequest, where: Where | undefined): where is Where {
  return expect !== undefined && where !== undefined && expect.ownerEpoch !== where.place.ownerEpoch
}

/** Taken, or ended without a word, where the message stands: its place is not needed. */
function hasNothingToSay(target: Target, { home, conversation, replies, extras }: SettleRequest): boolean {
  const isThere = target.home === home && (conversation ?? target.conversation) === target.conversation
  return (
    isThere &&
    replies.length === 0 &&
    extras.expect === undefined &&
    extras.timer === undefined &&
    extras.pushes === undefined &&
    extras.patch === undefined
  )
}

/** How the outcome row remembers what was said, to know the same settle when it is sent again. */
export function replyIds(replies: SettleRequest['replies']): string | null {
  return replies.length === 0 ? null : JSON.stringify(replies.map((reply) => reply.id))
}

function settled({ replies }: Said, waiting: number): SettleAnswer {
  if (replies.length === 0) return waiting
  return {
    status: 'settled',
    sequences: replies.map((reply) => reply.sequence),
    offsets: replies.flatMap(({ offset }) => (offset === undefined ? [] : [offset])),
    waiting,
  }
}

function asNote(body: string): string {
  const message = JSON.parse(body) as Record<string, unknown> // the front-end made it from a Message
  return JSON.stringify({ ...message, direction: 'internal' })
}

function asTombstone(body: string): string {
  const {
    parts: _,
    data: _data,
    metadata: _metadata,
    replyContext: _context,
    ...rest
  } = JSON.parse(body) as Record<string, unknown> // the front-end made it from a Message
  return JSON.stringify({ ...rest, gone: 'expired' })
}

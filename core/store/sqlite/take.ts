// Operation 3, take: the heads that are due, begun durably as they are handed out.
import type { LostWork, Take, WorkKind } from '../store.ts'
import { ATTEMPT_LIMIT, READ_BYTES, partitionLease } from '../figures.ts'
import { bytesOf } from '../codec/decode.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import { HANDED, IN_FLIGHT, ORPHANED } from './lanes.ts'
import type { Item } from './lanes.ts'
import { Outcomes } from './outcomes.ts'
import type { TakeAnswer, WorkAnswer } from '../codec/answers.ts'
import { WorkRows } from './work.ts'

/** What each kind tells beside its attempt. */
type Subject = readonly [
  ref: string,
  home: string,
  body: string,
  sequence: number,
  part: number | null,
  target: string | null,
  ownerEpoch: number,
  agent: string | null,
]

interface Head {
  readonly kind: WorkKind
  readonly item: Item
}

const ORPHAN_SCAN_MS = 1000
const LOST = JSON.stringify({ code: 'INTERNAL', message: 'the store has its message no more' })

export function takeOperation(ground: Ground): (request: Take) => TakeAnswer {
  const { db, clock, lanes, leases, counters } = ground
  const rows = new WorkRows(ground)
  const outcomes = new Outcomes(ground)
  const subject = (text: string) => query<Subject>(db, text)
  const name = (text: string) => query<readonly [string]>(db, text)
  const place = 'JOIN place c ON c.key = l.conversation AND c.kind = 1'
  const sql = {
    subject: {
      message: subject(
        `SELECT l.message, c.home_name, l.body, l.sequence, NULL, NULL, c.epoch, c.agent FROM log l ${place} WHERE l.id = ?`,
      ),
      push: subject(
        `SELECT p.key, c.home_name, l.body, l.sequence, p.part, p.channel, c.epoch, c.agent
         FROM push p JOIN log l ON l.id = p.log ${place} WHERE p.id = ?`,
      ),
      timer: subject(
        `SELECT t.ref, c.home_name, l.body, l.sequence, NULL, t.target, c.epoch, c.agent
         FROM timer t JOIN log l ON l.id = t.log ${place} WHERE t.id = ?`,
      ),
      claim: subject(
        'SELECT c.message, b.home, b.body, 0, NULL, NULL, 0, NULL FROM begun b JOIN claim c ON c.id = b.id WHERE b.id = ?',
      ),
    } satisfies Record<WorkKind, unknown>,
    name: {
      message: name('SELECT message FROM claim WHERE id = ?'),
      push: name('SELECT key FROM push WHERE id = ?'),
      timer: name('SELECT ref FROM timer WHERE id = ?'),
      claim: name('SELECT message FROM claim WHERE id = ?'),
    } satisfies Record<WorkKind, unknown>,
  }
  let scanned = -Infinity

  /** Highest priority first, whatever the kind. */
  function due(kinds: readonly WorkKind[], max: number): Head[] {
    const found = kinds.flatMap((kind) => lanes[kind].due(clock.now, max).map((item) => ({ kind, item })))
    if (kinds.length > 1) found.sort((a, b) => priorityOf(b.item) - priorityOf(a.item))
    return found.slice(0, max)
  }

  /** Undefined: the row is open and what it is about is not there; nothing was written. */
  function begin({ kind, item: { id, lane, state } }: Head, fence: number): WorkAnswer | undefined {
    const told = sql.subject[kind].get(id)
    if (told === undefined) return undefined
    // In flight under a fence that is gone, or handed to a waiter who never reported: nobody knows how it ended.
    const orphan = state === ORPHANED || state === HANDED
    if (state === ORPHANED) rows.noteLost(id)
    const begun = rows.begin(id, fence)
    if (begun === undefined) return undefined
    const [ref, home, body, sequence, part, target, ownerEpoch, agent] = told
    return {
      kind,
      id: ref,
      home,
      lane: lane.name,
      attempt: begun.attempt,
      // SEMANTICS 16
      poison: begun.unended > ATTEMPT_LIMIT,
      orphan,
      body,
      sequence,
      raw: begun.raw,
      part,
      target,
      ownerEpoch,
      agent,
      heldMs: clock.now - begun.first,
      awaited: begun.awaited,
      attempts: begun.attempts,
    }
  }

  return ({ partition, fence, max, kinds }) => {
    if (!leases.isLive(partitionLease(partition), fence.counter, fence.random, clock))
      return { status: 'fenced' }
    // A lease that ran out and was not taken by another is seen here.
    if (clock.now - scanned >= ORPHAN_SCAN_MS) {
      scanned = clock.now
      for (const kind of kinds) lanes[kind].orphan((counter) => leases.owns(counter, clock), clock.now)
    }
    const begun: Head[] = []
    const lost: (Head & LostWork)[] = []
    const work: WorkAnswer[] = []
    let bytes = 0
    let doubts = 0
    for (const head of due(kinds, max)) {
      if (bytes >= READ_BYTES) break
      const one = begin(head, fence.counter)
      if (one === undefined) {
        lost.push({ ...head, id: giveUp(head) })
        continue
      }
      begun.push(head)
      work.push(one)
      bytes += bytesOf(one)
      if (head.kind === 'push' && one.orphan) doubts++
    }
    for (const { kind, item } of begun)
      lanes[kind].change(item.lane.name, item.id, {
        state: IN_FLIGHT,
        due: clock.now,
        fence: fence.counter,
        now: clock.now,
      })
    for (const { kind, item } of lost) {
      lanes[kind].remove(item.lane.name, item.id, clock.now)
      if (kind === 'message') counters.dead++ // SEMANTICS 36
    }
    counters.inDoubt += doubts
    return {
      status: 'taken',
      work,
      ...rest(kinds),
      lost: lost.map(({ kind, id }) => ({ kind, id })),
    }
  }

  /** Ends what cannot even be a dead letter: it would hold up its lane, and this take, for ever. Its name. */
  function giveUp({ kind, item: { id } }: Head): string {
    // Whether a call was made nobody knows.
    const outcome = kind === 'claim' ? 'unknown' : 'failed'
    if (outcomes.get(id) === undefined) outcomes.store({ id, outcome, failure: LOST })
    rows.end(id)
    return sql.name[kind].get(id)?.[0] ?? String(id)
  }

  function rest(kinds: readonly WorkKind[]): { waiting: number; nextDueMs: number | null } {
    let waiting = 0
    let next = Infinity
    for (const kind of kinds) {
      waiting += lanes[kind].waiting
      next = Math.min(next, lanes[kind].hasDue(clock.now) ? clock.now : (lanes[kind].nextDue() ?? Infinity))
    }
    return { waiting, nextDueMs: next === Infinity ? null : Math.max(0, next - clock.now) }
  }
}

/** A lane has the highest priority of what waits in it (SEMANTICS 27). */
function priorityOf({ lane, priority }: Item): number {
  return lane.ready ?? priority
}

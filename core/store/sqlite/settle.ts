// Operation 4, settle: the first one ends the work, in one step with everything it owes; every later one gets its result.
import { partitionLease } from '../figures.ts'
import { query } from './database.ts'
import { DeadLetters } from './dead-letters.ts'
import type { Ground } from './ground.ts'
import { IN_FLIGHT, WAITING } from './lanes.ts'
import { Outcomes } from './outcomes.ts'
import type { StoredOutcome } from './outcomes.ts'
import { endOperation, replyIds } from './settle-end.ts'
import type { SettleRequest } from './settle-end.ts'
import { Targets } from './targets.ts'
import type { Target } from './targets.ts'
import type { SettleAnswer } from '../codec/answers.ts'
import type { SettleWire } from '../codec/wire.ts'
import { WorkRows, withAttempt } from './work.ts'

const NONE = {}
const NOBODY_WAITS = 0

export function settleOperation(ground: Ground): (request: SettleWire) => SettleAnswer {
  const { db, clock, leases, lanes } = ground
  const targets = new Targets(ground)
  const outcomes = new Outcomes(ground)
  const rows = new WorkRows(ground)
  const dead = new DeadLetters(ground)
  const end = endOperation(ground)
  const numbers = query<readonly [sequence: number, offset: number | null]>(
    db,
    'SELECT l.sequence, l.offset FROM json_each(?) j JOIN log l ON l.message = j.value ORDER BY l.sequence',
  )

  function retry(target: Target, request: SettleWire): SettleAnswer {
    const [, home, kind, ref, attempt, , fence, , delayMs, tried, , , , , , extras] = request
    const open = target.open
    const failure = extras?.dead
    // An attempt that is over cannot end the flight of the one that followed it.
    const head =
      open === undefined ? undefined : lanes[kind].items(open.lane).find((item) => item.id === target.id)
    // What waits is let go by the holder alone, or it is a halt; what flies ends its flight.
    const isReleased = (fence !== 0 || dead.has(ref)) && failure === undefined && head?.state === WAITING
    if (open !== undefined && open.attempt === attempt && (isReleased || head?.state === IN_FLIGHT)) {
      const due = clock.now + Math.max(0, delayMs)
      const attempts = withAttempt(open.attempts, triesOf(tried, extras))
      rows.retry(target.id, due, attempts)
      if (failure !== undefined) dead.bury({ ref, id: target.id, kind, home, failure, attempts })
      else if (isReleased) dead.drop(ref)
      lanes[kind].change(open.lane, target.id, { state: WAITING, due, fence: 0, now: clock.now })
    }
    return open === undefined ? 0 : lanes[kind].waitingIn(open.lane)
  }

  /** Operation 4 on what has ended: the first result again, except where nobody knew it, or an operator drops a dead letter. */
  function ended(target: Target, request: SettleRequest): SettleAnswer {
    const stored = outcomes.get(target.id)
    // Only an operator, or the late end of the call itself, settles without a fence.
    const isLateWord = !request.hasFence && request.extras.dead === undefined && request.outcome !== 'unknown'
    if (stored?.outcome === 'unknown' && isLateWord) return end.known(target, request)
    if (isLateWord && request.outcome === 'failed' && dead.drop(request.id)) return NOBODY_WAITS
    if (stored === undefined) return { status: 'already', outcome: 'taken', reply: null, failure: null }
    if (isSame(stored, request)) {
      if (stored.notOwner) return { status: 'notOwner' }
      const found = numbers.all(stored.replies ?? '[]')
      return {
        status: 'settled',
        sequences: found.map(([sequence]) => sequence),
        offsets: found.flatMap(([, offset]) => (offset === null ? [] : [offset])),
        waiting: 0,
      }
    }
    return { status: 'already', outcome: stored.outcome, reply: stored.reply, failure: stored.failure }
  }

  function isWaiting(kind: SettleWire[2], { id, open }: Target): boolean {
    if (open === undefined) return false
    return lanes[kind].items(open.lane).find((item) => item.id === id)?.state === WAITING
  }

  /** Lane work is ended by the partition's holder alone; what is settled without a fence is its own process' or a callback's. */
  function mayEnd(kind: SettleWire[2], fence: number, random: string): boolean {
    if (kind === 'message' || kind === 'push') return leases.isCurrent(partitionLease(0), fence, random)
    return fence === 0 || leases.isCurrentOfAny(fence, random)
  }

  return (wire) => {
    const [
      ,
      home,
      kind,
      id,
      attempt,
      outcome,
      fence,
      random,
      ,
      tried,
      failure,
      reply,
      replies,
      inbox,
      conversation,
      extras,
    ] = wire
    const target = targets.find(kind, id)
    const hasFence = fence !== 0
    if (target === undefined) {
      // Cut from the log long ago; a dead letter of it may still be there.
      const drops = outcome === 'failed' && !hasFence && extras?.dead === undefined
      if (drops && dead.drop(id)) return NOBODY_WAITS
      return kind === 'timer'
        ? { status: 'already', outcome: 'expired', reply: null, failure: null }
        : { status: 'gone' }
    }
    if (outcome === 'retry' && target.open === undefined) {
      const stored = outcomes.get(target.id)
      return {
        status: 'already',
        outcome: stored?.outcome ?? 'taken',
        reply: stored?.reply ?? null,
        failure: null,
      }
    }
    const request = {
      home,
      kind,
      id,
      attempt,
      tried: triesOf(tried, extras),
      failure,
      reply,
      replies: replies ?? [],
      inbox,
      conversation,
      hasFence,
    }
    if (target.open === undefined && outcome !== 'retry')
      return ended(target, { ...request, outcome, extras: extras ?? NONE })
    const isHalt = !hasFence && extras?.dead === undefined && isWaiting(kind, target) && dead.has(id)
    if (!isHalt && !mayEnd(kind, fence, random)) return { status: 'fenced' }
    if (outcome === 'retry') return retry(target, wire)
    return end.first(target, { ...request, outcome, extras: extras ?? NONE })
  }
}

/** As `withAttempt` takes them. */
function triesOf(tried: SettleWire[9], extras: SettleWire[15]): string | null {
  return extras?.triedBefore === undefined ? tried : `${extras.triedBefore},${tried}`
}

/**
 * Whether this is the first settle sent again, because its result was lost: the replies' ids were minted before the first try. Two
 * settles that say nothing cannot be told apart, and the later one is told that it came later.
 */
function isSame(stored: StoredOutcome, { attempt, outcome, replies }: SettleRequest): boolean {
  if (stored.replies === null || replies.length === 0) return false
  return (
    stored.attempt === attempt &&
    stored.replies === replyIds(replies) &&
    (stored.outcome === outcome || stored.notOwner)
  )
}

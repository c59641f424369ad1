// Operation 1, accept: claim, sequence, log row, inbox entry, device number and work row in one step.
import { GatewayError } from '../../api.ts'
import { partitionLease } from '../figures.ts'
import { Claims } from './claims.ts'
import type { ClaimMade } from './claims.ts'
import { query } from './database.ts'
import { Devices } from './devices.ts'
import type { NextNumber } from './devices.ts'
import type { Ground } from './ground.ts'
import type { Home, Place } from './heads.ts'
import { Rights } from './rights.ts'
import type { AcceptAnswer } from '../codec/answers.ts'
import type { AcceptWire } from '../codec/wire.ts'
import type { Refusal } from '../store.ts'
import { WorkRows } from './work.ts'
import type { NewWork } from './work.ts'

type KnownRow = readonly [
  id: number,
  sequence: number,
  offset: number | null,
  ownerEpoch: number,
  state: number | null,
  attempt: number | null,
  fence: number | null,
]

/** Throws `OVERLOADED` at the reserve and `FORBIDDEN` only as the answer of that name; nothing is written then. */
export function acceptOperation(ground: Ground): (request: AcceptWire) => AcceptAnswer {
  const { db, clock, heads, lanes, leases, counters, flights } = ground
  const claims = new Claims(ground)
  const devices = new Devices(ground)
  const rights = new Rights(ground)
  const rows = new WorkRows(ground)
  const dropBegun = query(db, 'DELETE FROM begun WHERE id = ?')
  const known = query<KnownRow>(
    db,
    `SELECT l.id, l.sequence, l.offset, c.epoch, w.state, w.attempt, w.fence
     FROM log l JOIN place c ON c.key = l.conversation AND c.kind = 1 LEFT JOIN work w ON w.id = l.id WHERE l.message = ?`,
  )
  // An answer that is still to come (a callback) finds the time here.
  const waitLongerForLater = query(
    db,
    `UPDATE outcome SET wait_until = ?1 WHERE id = ?2 AND outcome = 'taken' AND coalesce(wait_until, 0) < ?1`,
  )

  /**
   * SEMANTICS 15: the same id again is the same result again. Nearly every id is new, so this is looked up only where the answer
   * would be another one: before a refusal, and when the append finds the id in the log.
   */
  function resent(request: AcceptWire): AcceptAnswer | undefined {
    const row = known.get(request[3])
    if (row === undefined) return undefined
    const fence = request[17]
    const [, sequence, offset, ownerEpoch, state, attempt, begunUnder] = row
    const stillBegun = state === 1 && attempt === 1 && begunUnder === fence
    return [sequence, offset ?? 0, stillBegun ? 1 : 0, ownerEpoch]
  }

  function duplicate(claim: ClaimMade, waitMs: number | null): AcceptAnswer {
    const standing = claims.standing(claim.id, claim.isCall)
    if (waitMs !== null) {
      const until = clock.now + waitMs
      if (standing.state === 'running') rows.waitLonger(claim.id, until)
      else if (standing.state === 'taken') waitLongerForLater.run(until, claim.id)
    }
    return {
      status: 'duplicate',
      id: claim.message,
      conversation: claim.conversation ?? '',
      sequence: claim.sequence,
      state: standing.state,
      reply: standing.reply,
      failure: standing.failure,
      pushed: rights.isGone(claim.id),
    }
  }

  /** Of a released call: what is stored now has its key. Rows only; its lane in memory goes after the last statement. */
  function endCall(id: number): void {
    rows.end(id)
    dropBegun.run(id)
    claims.drop(id)
  }

  function leaveLane(id: number): void {
    lanes.claim.remove(String(id), id, clock.now)
  }

  function accepted(request: AcceptWire, home: Home | undefined, link: NextNumber | undefined): AcceptAnswer {
    const [, homeName, conversation, id, body, channel, cause, inbox, raw, key, fingerprint, ttlMs] = request
    const [, , , , , , , , , , , , lane, priority, delayMs, limit, waitMs, fence, random, extras] = request

    if (link?.status === 'gap') return resent(request) ?? { status: 'gap', next: link.next }
    const refuse = extras?.device?.refuse
    if (link?.status === 'refused') {
      const isAgain = refuse?.code === link.code && extras?.refusalId === link.id
      return isAgain ? [0, 0, 0, 0] : refusedBefore(link.id, link.code, conversation)
    }
    const isNext = link?.status === 'next'
    if (isNext && refuse !== undefined && extras?.device !== undefined) {
      const waiting = home === undefined ? 0 : devices.refusalsKept(home, extras.device)
      if (waiting >= refuse.limit) return { status: 'full', waiting }
      requireRoom(ground)
      const refusal = { id: extras.refusalId ?? id, code: refuse.code }
      devices.refuse(home ?? heads.newHome(homeName), extras.device, refusal)
      return [0, 0, 0, 0]
    }

    const claim = key === null ? undefined : claims.holding(key)
    const released = claim?.fingerprint === fingerprint && claims.isReleased(claim) ? claim : undefined
    if (released !== undefined && released.message !== id) return { status: 'released', id: released.message }
    if (claim !== undefined && released === undefined) {
      if (claim.message === id && !claim.isCall) return resent(request) ?? duplicate(claim, waitMs)
      if (claim.fingerprint !== fingerprint) return { status: 'mismatch' }
      // The same id from another boot: duplicate, and this boot's number advances.
      if (isNext && extras?.device !== undefined)
        devices.advance(home ?? heads.newHome(homeName), extras.device)
      return duplicate(claim, waitMs)
    }
    // A number that is used up, under an id that is not known: nothing was stored of it, so it is not called stored.
    if (link?.status === 'used') return resent(request) ?? { status: 'used' }

    let place: Place | undefined = heads.place(conversation)
    if (place !== undefined && place.home !== home?.id) return resent(request) ?? { status: 'forbidden' }
    if (extras?.expect !== undefined && extras.expect.ownerEpoch !== (place?.ownerEpoch ?? 0))
      return resent(request) ?? { status: 'notOwner' }
    const waiting = lane === null ? 0 : lanes.message.waitingIn(lane)
    if (lane !== null && waiting >= limit) return resent(request) ?? { status: 'full', waiting }
    const before = ground.isPressed() ? resent(request) : undefined
    if (before !== undefined) return before
    requireRoom(ground)

    const owner = home ?? heads.newHome(homeName)
    place ??= heads.bind(conversation, owner, channel)
    const causeRow = cause === null ? undefined : known.get(cause)
    const appended = heads.append(place, owner, {
      id,
      body,
      cause: causeRow?.[0] ?? null,
      inbox,
      at: clock.now,
    })
    if (appended === undefined) return resent(request) ?? { status: 'mismatch' }
    const { log, sequence, offset } = appended
    if (released !== undefined) endCall(released.id)
    if (key !== null)
      claims.make(key, {
        id: log,
        fingerprint,
        message: id,
        isCall: false,
        conversation,
        sequence,
        ttlMs,
      })
    if (extras?.device !== undefined) devices.advance(owner, extras.device)
    if (extras?.patch !== undefined) heads.patch(place, extras.patch)
    if (lane === null) {
      if (released !== undefined) leaveLane(released.id)
      counters.accepted++
      counters.settled++
      return [sequence, offset ?? 0, 0, place.ownerEpoch]
    }
    const begins =
      fence !== 0 &&
      delayMs <= 0 &&
      lanes.message.isIdle(lane) &&
      leases.isLive(partitionLease(0), fence, random, clock)
    const work: NewWork = {
      id: log,
      kind: 'message',
      lane,
      priority,
      due: clock.now + Math.max(0, delayMs),
      begunUnder: begins ? fence : 0,
      waitUntil: waitMs === null ? null : clock.now + waitMs,
      raw,
    }
    rows.open(work)
    if (released !== undefined) leaveLane(released.id)
    rows.show(work)
    if (begins) {
      const open = { lane, attempt: 1, waitUntil: work.waitUntil, attempts: null }
      flights.began(id, { id: log, conversation, origin: log, open, home: homeName })
    }
    counters.accepted++
    return [sequence, offset ?? 0, begins ? 1 : 0, place.ownerEpoch]
  }

  return (request) => {
    const device = request[19]?.device
    const home = heads.home(request[1])
    const link = device === undefined ? undefined : devices.next(home, device)
    const answer = accepted(request, home, link)
    if (device === undefined || device.refuse !== undefined || home === undefined || !hasRefused(link))
      return answer
    // What other links of the device had refused too (SEMANTICS 14).
    return withRefused(answer, devices.refusals(home, device, device.n))
  }
}

function hasRefused(link: NextNumber | undefined): boolean {
  return (link?.status === 'next' || link?.status === 'used') && link.hasRefused
}

function withRefused(answer: AcceptAnswer, refused: readonly Refusal[]): AcceptAnswer {
  if (refused.length === 0) return answer
  if (!('status' in answer)) return [answer[0], answer[1], answer[2], answer[3], refused]
  return answer.status === 'duplicate' ? { ...answer, refused } : answer
}

/** SEMANTICS 42: accept and claim stop at the reserve, so that settle, ack and trim go on. */
export function requireRoom({ isPressed }: Ground): void {
  if (!isPressed()) return
  throw new GatewayError(
    'OVERLOADED',
    'the disk is full up to the reserve: nothing new is stored until space is freed',
    {
      retryAfterMs: 1000,
      notExecuted: true,
    },
  )
}

// SEMANTICS 14: a refusal is the stored result of its number.
function refusedBefore(id: string, code: string, conversation: string): AcceptAnswer {
  const failure = JSON.stringify({ code, message: 'this number was refused before' })
  return {
    status: 'duplicate',
    id,
    conversation,
    sequence: 0,
    state: 'failed',
    reply: null,
    failure,
    pushed: false,
  }
}

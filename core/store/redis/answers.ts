// The scripts' replies in the words both stores decode (`../codec/answers.ts`).
import { GatewayError } from '../../api.ts'
import { customerOf } from '../homes.ts'
import type {
  AcceptAnswer,
  ClaimAnswer,
  ReadAnswer,
  RowAnswer,
  SettleAnswer,
  TakeAnswer,
  ValueAnswer,
  WorkAnswer,
} from '../codec/answers.ts'
import type { AckResult, ClaimState, HelloResult, LeaseResult, Outcome, Refusal, WorkKind } from '../store.ts'
import { Cells } from './reply.ts'
import type { Cell } from './reply.ts'

/** What the scripts keep as lines: an attempt as JSON, or `!NUMBER,MOMENT` for one whose end nobody saw. */
function attempts(lines: string | null): string | null {
  if (lines === null) return null
  return `[${lines.split('\n').map(attempt).join(',')}]`
}

function attempt(line: string): string {
  if (!line.startsWith('!')) return line
  const [number, began] = line.slice(1).split(',').map(Number)
  const failure = { code: 'OUTCOME_UNKNOWN', message: 'begun, and its owner was gone before it ended' }
  const startedAt = new Date(began ?? 0).toISOString()
  return JSON.stringify({ attempt: number, target: '', startedAt, durationMs: 0, failure })
}

/** An answer of an older owner stays in the log as a note. */
function bodyOf(body: string, isNote: boolean): string {
  if (!isNote) return body
  const message = JSON.parse(body) as Record<string, unknown> // the encoder made it from a Message
  return JSON.stringify({ ...message, direction: 'internal' })
}

/** The states and outcomes the scripts write are those they were given. */
function state(text: string): ClaimState {
  return text as ClaimState // as above
}
function outcome(text: string): Outcome {
  return text as Outcome // as above
}
function kind(text: string): WorkKind {
  return text as WorkKind // as above
}

export function acceptAnswer(reply: Cell, conversation: string): AcceptAnswer {
  const cells = new Cells(reply)
  const status = cells.text(0)
  switch (status) {
    case 'accepted':
      return [
        cells.number(1),
        cells.number(2),
        cells.number(3),
        cells.number(4),
        cells.has(6) ? refusals(cells.list(6)) : undefined,
      ]
    case 'duplicate':
      return {
        status,
        id: cells.text(1),
        conversation: cells.text(2),
        sequence: cells.number(3),
        state: state(cells.text(4)),
        reply: cells.maybe(5),
        failure: cells.maybe(6),
        pushed: cells.flag(7),
        ...(cells.has(8) && { refused: refusals(cells.list(8)) }),
      }
    case 'refused':
      // SEMANTICS 14: a refusal is the stored result of its number.
      return {
        status: 'duplicate',
        id: cells.text(1),
        conversation,
        sequence: 0,
        state: 'failed',
        reply: null,
        failure: JSON.stringify({ code: cells.text(2), message: 'this number was refused before' }),
        pushed: false,
      }
    case 'released':
      return { status, id: cells.text(1) }
    case 'gap':
      return { status, next: cells.number(1) }
    case 'full':
      return { status, waiting: cells.number(1) }
    case 'mismatch':
    case 'used':
    case 'notOwner':
    case 'forbidden':
      return { status }
    default:
      throw unknown('accept', status)
  }
}

export function claimAnswer(reply: Cell): ClaimAnswer {
  const cells = new Cells(reply)
  const status = cells.text(0)
  switch (status) {
    case 'run':
      return { status, id: cells.text(1), attempt: cells.number(2) }
    case 'running':
    case 'unknown':
      return { status, id: cells.text(1) }
    case 'done':
      return {
        status,
        id: cells.text(1),
        outcome: outcome(cells.text(2)),
        reply: cells.maybe(3),
        failure: cells.maybe(4),
      }
    case 'mismatch':
      return { status }
    default:
      throw unknown('claim', status)
  }
}

export function takeAnswer(reply: Cell): TakeAnswer {
  const cells = new Cells(reply)
  if (cells.text(0) === 'fenced') return { status: 'fenced' }
  return {
    status: 'taken',
    work: cells.list(1).map(workAnswer),
    waiting: cells.number(2),
    nextDueMs: cells.maybeNumber(3),
    lost: cells.list(4).map((one) => ({ kind: kind(one.text(0)), id: one.text(1) })),
  }
}

function workAnswer(cells: Cells): WorkAnswer {
  return {
    kind: kind(cells.text(0)),
    id: cells.text(1),
    home: cells.text(2),
    lane: cells.text(3),
    attempt: cells.number(4),
    poison: cells.flag(5),
    orphan: cells.flag(6),
    body: bodyOf(cells.text(7), cells.flag(8)),
    sequence: cells.number(9),
    raw: cells.raw(10),
    part: cells.maybeNumber(12),
    target: cells.maybe(13),
    ownerEpoch: cells.number(14),
    agent: cells.maybe(15),
    heldMs: cells.number(16),
    attempts: attempts(cells.maybe(17)),
    awaited: cells.flag(18),
  }
}

export function settleAnswer(reply: Cell): SettleAnswer {
  const cells = new Cells(reply)
  const status = cells.text(0)
  switch (status) {
    case 'settled':
      return { status, sequences: cells.numbers(1), offsets: cells.numbers(2), waiting: cells.number(3) }
    case 'already':
      return { status, outcome: outcome(cells.text(1)), reply: cells.maybe(2), failure: cells.maybe(3) }
    case 'gone':
    case 'fenced':
    case 'notOwner':
      return { status }
    case 'error':
      throw new GatewayError(cells.text(1) === 'FORBIDDEN' ? 'FORBIDDEN' : 'INTERNAL', cells.text(2))
    default:
      throw unknown('settle', status)
  }
}

export function helloAnswer(reply: Cell): HelloResult {
  const cells = new Cells(reply)
  if (cells.text(0) === 'reset')
    return {
      status: 'reset',
      why: cells.text(1),
      epoch: cells.text(2),
      top: cells.number(3),
      oldest: cells.number(4),
    }
  return {
    status: 'welcome',
    epoch: cells.text(1),
    top: cells.number(2),
    oldest: cells.number(3),
    next: cells.number(4),
    refused: refusals(cells.list(5)),
    recovered: cells.flag(6),
    jumped: cells.number(7),
  }
}

/** The scripts give them in any order. */
function refusals(list: readonly Cells[]): readonly Refusal[] {
  return list
    .map((one) => ({ n: one.number(0), id: one.text(1), code: one.text(2) }))
    .toSorted((a, b) => a.n - b.n)
}

export function ackAnswer(reply: Cell): AckResult {
  const cells = new Cells(reply)
  return cells.text(0) === 'ok' ? { status: 'ok', cursor: cells.number(1) } : { status: 'ahead' }
}

/** `next` is the cursor behind the last row looked at. */
export function readAnswer(reply: Cell, isInbox: boolean): ReadAnswer {
  const cells = new Cells(reply)
  if (cells.text(0) === 'reset') return { status: 'reset', oldest: cells.number(1), top: cells.number(2) }
  const rows = cells.list(1).map((row) => {
    const offset = row.number(3)
    return [row.number(0), bodyOf(row.text(1), row.flag(2)), offset === 0 ? null : offset] as const
  })
  const last = rows.at(-1)
  const next = last === undefined ? cells.number(2) : ((isInbox ? last[2] : last[0]) ?? 0)
  return {
    status: 'rows',
    rows,
    next,
    top: cells.number(3),
    oldest: cells.number(4),
    truncated: cells.flag(5),
  }
}

export function leaseAnswer(reply: Cell): LeaseResult {
  const cells = new Cells(reply)
  switch (cells.text(0)) {
    case 'held':
      return {
        status: 'held',
        fence: { counter: cells.number(1), random: cells.text(2) },
        remainingMs: cells.number(3),
      }
    case 'busy':
      return { status: 'busy', remainingMs: cells.number(1) }
    default:
      return { status: 'released' }
  }
}

export function valueAnswer(reply: Cell): ValueAnswer {
  const cells = new Cells(reply)
  return {
    status: cells.text(0) === 'conflict' ? 'conflict' : 'ok',
    value: cells.maybe(1),
    version: cells.maybeNumber(2),
  }
}

const STATES: Readonly<Record<string, 'waiting' | 'flight' | 'handed'>> = { '0': 'waiting', '2': 'handed' }

export function rowAnswer(cells: Cells): RowAnswer {
  const row = cells.text(0)
  switch (row) {
    case 'message':
      return { row, body: bodyOf(cells.text(1), cells.flag(2)), sequence: cells.number(3) }
    case 'claim': {
      const handed = cells.text(6)
      return {
        row,
        key: cells.text(1),
        id: cells.text(2),
        state: state(cells.text(3)),
        reply: cells.maybe(4),
        failure: cells.maybe(5),
        handed: handed === 'taken' || handed === 'flushed' ? handed : null,
      }
    }
    case 'work':
      return {
        row,
        kind: kind(cells.text(1)),
        id: cells.text(2),
        lane: cells.text(3),
        state: STATES[cells.text(4)] ?? 'flight',
        attempt: cells.number(5),
        dueMs: cells.number(6),
        attempts: attempts(cells.maybe(7)),
        home: cells.text(8),
      }
    case 'settled':
      return {
        row,
        id: cells.text(1),
        outcome: outcome(cells.text(2)),
        at: cells.number(3),
        attempts: attempts(cells.maybe(4)),
        reply: cells.maybe(5),
        failure: cells.maybe(6),
      }
    case 'dead':
      return {
        row,
        id: cells.text(1),
        kind: kind(cells.text(2)),
        home: cells.text(3),
        at: cells.number(4),
        body: bodyOf(cells.text(5), cells.flag(6)),
        sequence: cells.number(7),
        raw: cells.raw(8),
        failure: cells.text(10),
        attempts: attempts(cells.maybe(11)),
        part: cells.maybeNumber(12),
        target: cells.maybe(13),
        halts: cells.flag(14),
      }
    case 'conversation': {
      const agent = cells.maybe(8)
      return {
        row,
        conversation: cells.text(1),
        home: cells.text(2),
        customer: customerOf(cells.text(2)),
        channel: cells.text(4),
        top: cells.number(5),
        oldest: cells.number(6),
        ownerEpoch: cells.number(7),
        ...(agent !== null && { agent }),
        lastAt: cells.maybe(9) ?? '',
      }
    }
    case 'ledger':
      return {
        row,
        accepted: cells.number(1),
        settled: cells.number(2),
        expired: cells.number(3),
        dead: cells.number(4),
        waiting: cells.number(5),
        deadLetters: cells.number(6),
        inDoubt: cells.number(7),
      }
    default:
      throw unknown('find', row)
  }
}

function unknown(operation: string, status: string): GatewayError {
  return new GatewayError('INTERNAL', `the store's ${operation} script answered "${status}"`)
}

export { attempts as attemptsOf, bodyOf }

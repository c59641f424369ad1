// What comes back as the store's results: JSON text becomes messages again.
import type { Json, Message, Reply } from '../../api.ts'
import type {
  AcceptResult,
  Attempt,
  ClaimResult,
  Failure,
  ReadResult,
  Row,
  SettleResult,
  TakeResult,
  ValueResult,
  Work,
} from '../store.ts'
import type {
  AcceptAnswer,
  ClaimAnswer,
  ReadAnswer,
  RowAnswer,
  SettleAnswer,
  TakeAnswer,
  ValueAnswer,
  WorkAnswer,
} from './answers.ts'

export function acceptResult(answer: AcceptAnswer): AcceptResult {
  if ('status' in answer) {
    if (answer.status !== 'duplicate') return answer
    const { id, conversation, sequence, state, pushed, refused } = answer
    return {
      status: 'duplicate',
      id,
      conversation,
      sequence,
      state,
      ...outcomeOf(answer),
      ...(pushed && { pushed }),
      ...(refused !== undefined && { refused }),
    }
  }
  const [sequence, offset, attempt, ownerEpoch, refused] = answer
  return {
    status: 'accepted',
    sequence,
    ...(offset !== 0 && { offset }),
    ...(attempt !== 0 && { attempt }),
    ownerEpoch,
    ...(refused !== undefined && { refused }),
  }
}

export function settleResult(answer: SettleAnswer): SettleResult {
  if (typeof answer === 'number') return { status: 'settled', sequences: [], offsets: [], waiting: answer }
  if (answer.status !== 'already') return answer
  return { status: 'already', outcome: answer.outcome, ...outcomeOf(answer) }
}

export function claimResult(answer: ClaimAnswer): ClaimResult {
  if (answer.status !== 'done') return answer
  return { status: 'done', id: answer.id, outcome: answer.outcome, ...outcomeOf(answer) }
}

export function takeResult(answer: TakeAnswer): TakeResult {
  if (answer.status === 'fenced') return answer
  const { work, waiting, nextDueMs, lost } = answer
  return {
    status: 'taken',
    work: work.map(workOf),
    waiting,
    ...(nextDueMs !== null && { nextDueMs }),
    ...(lost.length > 0 && { lost }),
  }
}

export function readResult(answer: ReadAnswer): ReadResult {
  if (answer.status === 'reset') return answer
  return {
    ...answer,
    rows: answer.rows.map(([sequence, body, offset]) => ({
      message: messageOf(body, sequence),
      ...(offset !== null && { offset }),
    })),
  }
}

export function valueResult({ status, value, version }: ValueAnswer): ValueResult {
  return {
    status,
    ...(value !== null && { value: JSON.parse(value) as Json }), // what JSON.parse yields is Json
    ...(version !== null && { version }),
  }
}

export function rowOf(answer: RowAnswer): Row {
  switch (answer.row) {
    case 'message':
      return { row: 'message', message: messageOf(answer.body, answer.sequence) }
    case 'claim': {
      const { row, key, id, state, handed } = answer
      return { row, key, id, state, ...outcomeOf(answer), ...(handed !== null && { handed }) }
    }
    case 'work':
      return { ...answer, attempts: attemptsOf(answer.attempts) }
    case 'settled': {
      const { row, id, outcome, at, attempts } = answer
      const ended = { outcome, at: new Date(at).toISOString(), attempts: attemptsOf(attempts) }
      return { row, id, ...ended, ...outcomeOf(answer) }
    }
    case 'dead': {
      const { row, id, kind, home, at, body, sequence, raw, failure, attempts, part, target, halts } = answer
      return {
        row,
        id,
        kind,
        home,
        at: new Date(at).toISOString(),
        message: messageOf(body, sequence),
        ...(raw !== null && { raw }),
        failure: failureOf(failure),
        attempts: attemptsOf(attempts),
        ...(halts && { halts }),
        ...(part !== null && { part }),
        ...(target !== null && { target }),
      }
    }
    case 'conversation':
    case 'ledger':
      return answer
  }
}

function workOf(answer: WorkAnswer): Work {
  const { kind, id, home, lane, attempt, poison, orphan, ownerEpoch, heldMs, raw, part, target, agent } =
    answer
  return {
    kind,
    id,
    home,
    lane,
    attempt,
    poison,
    orphan,
    message: messageOf(answer.body, answer.sequence),
    ...(raw !== null && { raw }),
    bytes: bytesOf(answer),
    ...(part !== null && { part }),
    ...(target !== null && { target }),
    ownerEpoch,
    ...(agent !== null && { agent }),
    heldMs,
    ...(answer.awaited && { awaited: true }),
    attempts: attemptsOf(answer.attempts),
  }
}

/** Characters for the body: near enough, and at hand. */
export function bytesOf({ body, raw }: Pick<WorkAnswer, 'body' | 'raw'>): number {
  return body.length + (raw?.bytes.byteLength ?? 0)
}

function messageOf(body: string, sequence: number): Message {
  const message = JSON.parse(body) as Message // `bodyOf` made it from one
  return { ...message, sequence }
}

function outcomeOf({ reply, failure }: { readonly reply: string | null; readonly failure: string | null }): {
  readonly reply?: Reply
  readonly failure?: Failure
} {
  return {
    ...(reply !== null && { reply: JSON.parse(reply) as Reply }), // `settleWire` made it from one
    ...(failure !== null && { failure: failureOf(failure) }),
  }
}

function failureOf(text: string): Failure {
  return JSON.parse(text) as Failure // `settleWire` made it from one
}

function attemptsOf(text: string | null): readonly Attempt[] {
  return text === null ? [] : (JSON.parse(text) as readonly Attempt[]) // `withAttempt` made it of these
}

// One message's way, step by step, as `dragoman trace ID` and the admin API show it: read from the store alone.
import type { Json } from '../api.ts'
import { isPromiseOf } from '../deliver/settling.ts'
import type { Row, Store } from '../store/store.ts'

export interface Step {
  /** RFC 3339; absent where the store keeps no moment. */
  readonly at?: string
  readonly step: string
  readonly detail: string
}

export interface Trace {
  readonly id: string
  readonly message?: Json
  readonly steps: readonly Step[]
}

/** Undefined: the store knows nothing of the id. Takes a message's id; an external id's key is found by `key`. */
export async function traceOf(store: Pick<Store, 'find'>, id: string): Promise<Trace | undefined> {
  const rows = await store.find({ by: 'id', id })
  if (rows.length === 0) return undefined
  const message = rows.find((row) => row.row === 'message' && row.message.id === id)
  const isPromised = rows.some(
    (row) => (row.row === 'work' || row.row === 'settled') && isPromiseOf(row.id, id),
  )
  const steps = rows.flatMap((row) => stepsOf(row, { id, isPromised })).toSorted(byMoment)
  // A Message is plain data.
  return { id, ...(message?.row === 'message' && { message: message.message as unknown as Json }), steps }
}

interface Traced {
  readonly id: string
  /** An answer to it was promised, so its own step ended as `taken`, whatever has come of the promise. */
  readonly isPromised: boolean
}

/** What has no moment is how it stands now, and comes last. */
function byMoment({ at: a }: Step, { at: b }: Step): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return a.localeCompare(b)
}

/** What another message is to the one that caused it; a note, which no customer sees, is one by itself. */
const CAUSED = { inbound: 'replayed', outbound: 'reply', internal: 'note' } as const

function stepsOf(row: Row, { id, isPromised }: Traced): Step[] {
  switch (row.row) {
    case 'message': {
      const { message } = row
      const said = message.parts?.map((part) => part.text).join(' ') ?? JSON.stringify(message.data ?? null)
      const where = `${message.conversation} #${message.sequence}`
      const isAccepted = message.id === id && message.direction !== 'internal'
      const step = isAccepted ? 'accepted' : CAUSED[message.direction]
      const from = `${message.kind} "${message.type}" from ${message.sender.id} by ${message.channel}`
      return [{ at: message.receivedAt, step, detail: `${where}: ${from}: ${said.slice(0, 200)}` }]
    }
    case 'work':
      return [
        ...row.attempts.map(attemptStep),
        { step: row.state, detail: `${row.kind} ${row.id} in lane ${row.lane}, attempt ${row.attempt}` },
      ]
    case 'settled': {
      const outcome = isPromised && row.id === id ? 'taken' : row.outcome
      return [...row.attempts.map(attemptStep), { at: row.at, step: 'settled', detail: outcome }]
    }
    case 'claim':
      return [
        {
          step: 'claim',
          detail: `${row.state}${row.failure === undefined ? '' : `: ${row.failure.message}`}`,
        },
      ]
    case 'dead':
      return [{ at: row.at, step: 'dead letter', detail: `${row.failure.code}: ${row.failure.message}` }]
    case 'conversation':
    case 'ledger':
      return []
  }
}

function attemptStep(attempt: {
  readonly attempt: number
  readonly target: string
  readonly startedAt: string
  readonly durationMs: number
  readonly failure?: { readonly code: string; readonly message: string }
}): Step {
  const end = attempt.failure === undefined ? 'done' : `${attempt.failure.code}: ${attempt.failure.message}`
  const detail = `${attempt.target}, ${attempt.durationMs.toFixed(1)} ms: ${end}`
  return { at: attempt.startedAt, step: `attempt ${attempt.attempt}`, detail }
}

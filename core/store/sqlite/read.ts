// Operation 8, read: rows of a log or an inbox after a cursor. Runs between transactions, so it sees one committed state.
import type { Read } from '../store.ts'
import { READ_BYTES, READ_ROWS } from '../figures.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import { epochName } from './heads.ts'
import type { ReadAnswer } from '../codec/answers.ts'

type Row = readonly [sequence: number, body: string, offset: number | null]

interface Span {
  readonly top: number
  readonly oldest: number
}

/** Throws `FORBIDDEN` for a conversation of another home. */
export function readOperation({ db, heads, counters }: Ground): (request: Read) => ReadAnswer {
  const sql = {
    log: query<Row>(
      db,
      `SELECT e.n, l.body, l.offset FROM entry e JOIN log l ON l.id = e.log
       WHERE e.home = ? AND e.stream = ? AND e.n > ? ORDER BY e.n LIMIT ?`,
    ),
    inbox: query<Row>(
      db,
      `SELECT l.sequence, l.body, e.n FROM entry e JOIN log l ON l.id = e.log
       WHERE e.home = ? AND e.stream = 0 AND e.n > ? ORDER BY e.n LIMIT ?`,
    ),
  }

  function page(
    { after, limit }: Read,
    span: Span,
    rows: (after: number, limit: number) => Iterable<Row>,
  ): ReadAnswer {
    // SEMANTICS 12: never an empty answer to a cursor that cannot be right.
    if (after > span.top) return { status: 'reset', ...span }
    const from = Math.max(after, span.oldest - 1)
    const wanted = Math.max(0, Math.min(Math.floor(limit), READ_ROWS))
    const found = withinBytes(rows(from, wanted))
    return { status: 'rows', rows: found, next: from, ...span, truncated: after + 1 < span.oldest }
  }

  return (request) => {
    const { home: name, log, incarnation, after } = request
    const home = heads.home(name)
    if ('inbox' in log) {
      const span = { top: home?.top ?? 0, oldest: home?.oldest ?? 1 }
      const epoch = home === undefined ? undefined : epochName(counters.incarnation, home)
      if (incarnation !== undefined && incarnation !== counters.incarnation && incarnation !== epoch)
        return { status: 'reset', ...span }
      const answer = page(request, span, (from, limit) =>
        home === undefined ? [] : sql.inbox.iterate(home.id, from, limit),
      )
      return behindLast(answer, (row) => row[2] ?? after)
    }
    const place = heads.placeOf(log.conversation, home)
    const span = { top: place?.top ?? 0, oldest: place?.oldest ?? 1 }
    if (incarnation !== undefined && incarnation !== counters.incarnation) return { status: 'reset', ...span }
    const answer = page(request, span, (from, limit) =>
      place === undefined ? [] : sql.log.iterate(place.home, place.id, from, limit),
    )
    return behindLast(answer, (row) => row[0])
  }
}

/** `next`: the cursor behind the last row looked at. */
function behindLast(answer: ReadAnswer, cursor: (row: Row) => number): ReadAnswer {
  if (answer.status === 'reset') return answer
  const last = answer.rows.at(-1)
  return last === undefined ? answer : { ...answer, next: cursor(last) }
}

/** Stops before the answer is too large for one message; at least one row, whatever its size: else a reader would stand still. */
function withinBytes(rows: Iterable<Row>): readonly Row[] {
  const found: Row[] = []
  let bytes = 0
  for (const row of rows) {
    bytes += row[1].length
    if (found.length > 0 && bytes > READ_BYTES) break
    found.push(row)
  }
  return found
}

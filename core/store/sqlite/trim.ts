// Operation 13, trim: cuts fronts by age and size in slices bounded by time, and gives free pages back to the file system.
import type { Trim, TrimResult } from '../store.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import { keptBytes } from './kept.ts'
import { keyOf } from './place-key.ts'
import { pragma } from './schema.ts'
import { sweeps } from './sweeps.ts'

type LogRow = readonly [
  id: number,
  conversation: string,
  stream: number,
  home: number,
  homeName: string,
  sequence: number,
  offset: number | null,
  at: number,
  isFront: number,
  isHeld: number,
]

const SLICE_PAGES = 64
/** Free pages kept for what comes next, in parts of the file: giving them back and taking them again costs twice. */
const SLACK_PARTS = 20
const SLACK_PAGES = 512

/**
 * One call is one transaction of at most `budgetMs`, a row and a slice of free pages. Rows are walked in the order they were appended, so the first row
 * that stays by age ends the walk. The inbox entry goes before its log row (SEMANTICS 23); a log row that is not its conversation's
 * front, or is held by open work or an unsent push, stays.
 */
export function trimOperation(ground: Ground): (request: Trim) => TrimResult {
  const { db, clock, heads, isPressed } = ground
  const sql = {
    // A reply's row is held by its push, a message's by its work and by its timer.
    rows: query<LogRow>(
      db,
      `SELECT l.id, l.conversation, c.id, c.home, c.home_name, l.sequence, l.offset, l.at, l.sequence = c.oldest,
         EXISTS (SELECT 1 FROM work WHERE id = l.id)
         OR EXISTS (SELECT 1 FROM push p JOIN work w ON w.id = p.id WHERE p.log = l.id)
         OR EXISTS (SELECT 1 FROM timer t JOIN work w ON w.id = t.id WHERE t.log = l.id)
       FROM log l JOIN place c ON c.key = l.conversation AND c.kind = 1 WHERE l.id > ? ORDER BY l.id LIMIT 1`,
    ),
    cutInbox: query(db, 'DELETE FROM entry WHERE home = ? AND stream = 0 AND n <= ?'),
    noteInbox: query(
      db,
      'UPDATE place SET top = max(top, ?1), oldest = max(oldest, ?1 + 1) WHERE key = ?2 AND kind = 0',
    ),
    noteLog: query(
      db,
      `UPDATE place SET top = max(top, ?1), oldest = ?1 + 1,
         last = (SELECT json_extract(body, '$.receivedAt') FROM log WHERE id = ?3) WHERE key = ?2 AND kind = 1`,
    ),
    cutLog: query(db, 'DELETE FROM log WHERE id = ?'),
    cutEntry: query(db, 'DELETE FROM entry WHERE home = ? AND stream = ? AND n = ?'),
    dropOutcome: query(
      db,
      'DELETE FROM outcome WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM claim WHERE id = ?1)',
    ),
    pages: query<readonly [number]>(db, 'PRAGMA page_count'),
    free: query<readonly [number]>(db, 'PRAGMA freelist_count'),
    vacuum: query<readonly [number]>(db, `PRAGMA incremental_vacuum(${SLICE_PAGES})`),
  }
  const pageBytes = pragma(db, 'page_size')
  const sweep = sweeps(ground)
  const kept = keptBytes(ground)
  /** Where the walk of an unfinished run goes on; rows before it are held. */
  let from = 0
  /** Bytes that no walk removes, as of this one. */
  let keeps = 0
  /** It is over, and the sweep after it is not. */
  let isWalked = false

  /** One row further. Undefined: there is none that may go. */
  function cutNext(mayGo: (at: number) => boolean): number | undefined {
    const row = sql.rows.get(from)
    if (row === undefined) return undefined
    const [id, conversation, stream, home, homeName, sequence, offset, at, isFront, isHeld] = row
    if (!mayGo(at)) return undefined
    from = id
    let removed = 0
    if (offset !== null) {
      removed += Number(sql.cutInbox.run(home, offset).changes)
      if (removed > 0) sql.noteInbox.run(offset, keyOf(homeName))
    }
    if (isFront === 0 || isHeld === 1) return removed
    sql.noteLog.run(sequence, conversation, id)
    sql.cutLog.run(id)
    sql.cutEntry.run(home, stream, sequence)
    sql.dropOutcome.run(id)
    return removed + 1
  }

  function usedBytes(): number {
    return ((sql.pages.get()?.[0] ?? 0) - (sql.free.get()?.[0] ?? 0)) * pageBytes
  }

  return ({ olderThanMs, maxBytes, budgetMs }) => {
    const until = performance.now() + budgetMs
    const isOver = (): boolean => performance.now() >= until
    const oldestKept = clock.now - olderThanMs
    let removed = 0
    // What may not go is not counted: a hundred large dead letters would cost everybody's history, and be there still.
    if (!isWalked) {
      const weighed = usedBytes() > maxBytes ? kept.weigh(isOver) : 0
      if (weighed === undefined) return { removed: 0, more: true }
      keeps = weighed
    }
    const isLarge = (): boolean => usedBytes() - keeps > maxBytes
    let isDone = isWalked
    // One row at least, however small the budget: else a run of calls would come to no end.
    for (let row = 1; !isDone && (row === 1 || !isOver()); row++) {
      const cut = cutNext((at) => at < oldestKept || isLarge())
      isDone = cut === undefined
      removed += cut ?? 0
    }
    if (isDone) {
      from = 0
      const swept = sweep(isOver)
      removed += swept.removed
      // Also where the sweep is not at its end: it may be long, and the room is wanted now.
      const isGivenBack = vacuum(isOver)
      isDone = swept.isDone && isGivenBack
      isWalked = !swept.isDone
    } else if (isPressed()) vacuum(isOver)
    if (removed > 0) heads.forget()
    if (isDone) kept.forget()
    return { removed, more: !isDone, ...(keeps > maxBytes && { keptBytes: keeps }) }
  }

  /** One slice at least. True: no more is free than what stays free. */
  function vacuum(isOver: () => boolean): boolean {
    const slack = isPressed() ? 0 : Math.max(SLACK_PAGES, Math.floor(pragma(db, 'page_count') / SLACK_PARTS))
    while (pragma(db, 'freelist_count') > slack) {
      sql.vacuum.all()
      if (isOver()) return pragma(db, 'freelist_count') <= slack
    }
    return true
  }
}

// Operation 12, find: asks the partitions that may know, and puts their rows in one order.
import { rowOf } from '../codec/decode.ts'
import type { ConversationRow, Find, LedgerRow, Row } from '../store.ts'
import { rowAnswer } from './answers.ts'
import { findArguments, limitOf } from './arguments.ts'
import type { Argument } from './arguments.ts'
import { registryOf } from './partitions.ts'
import { Cells } from './reply.ts'
import type { Cell } from './reply.ts'

export interface Finding {
  readonly run: (partition: number, words: readonly Argument[]) => Promise<Cell>
  readonly partitions: number
  /** Where a message lies, if this process knows. */
  readonly placed: (id: string) => number | undefined
}

/** What is found by an id or a list may lie anywhere, so every partition is asked at once: for operators and traces. */
export async function findOver(find: Find, finding: Finding): Promise<readonly Row[]> {
  switch (find.by) {
    case 'id': {
      const place = finding.placed(find.id)
      const here = place === undefined ? [] : await ask(finding, place, find)
      return here.length > 0 ? here : (await askAll(finding, find)).flat()
    }
    case 'conversation': {
      // Most lie where their names do.
      const usual = registryOf(find.conversation, finding.partitions)
      const here = await ask(finding, usual, find)
      return here.length > 0 ? here : (await askAll(finding, find)).flat()
    }
    case 'key':
      return (await askAll(finding, find)).flat()
    case 'customer':
      return (await askAll(finding, find))
        .flat()
        .filter((row): row is ConversationRow => row.row === 'conversation')
        .toSorted((a, b) => order(b.lastAt, a.lastAt))
        .slice(0, limitOf(find))
    case 'dead':
      return (await askAll(finding, find))
        .flat()
        .toSorted((a, b) => order(idOf(a), idOf(b)))
        .slice(0, limitOf(find))
    case 'lane':
      return (await askAll(finding, find)).flat().slice(0, limitOf(find))
    case 'open':
      return openAfter(find, finding)
    case 'ledger':
      return [sum((await askAll(finding, find)).flat())]
  }
}

/** Each is asked for a whole page: few at once where work lies, and more only while there is none. */
const FEWEST_AT_ONCE = 4
const MOST_AT_ONCE = 64

/** Partition by partition, and in each as it came; `after` says in which the page before has ended. */
async function openAfter(find: Extract<Find, { by: 'open' }>, finding: Finding): Promise<readonly Row[]> {
  const { after, ...rest } = find
  const limit = limitOf(find)
  const holders = after === undefined ? [] : await askAll(finding, { by: 'id', id: after })
  const first = Math.max(
    0,
    holders.findIndex((rows) => rows.length > 0),
  )
  const found: Row[] = []
  let atOnce = FEWEST_AT_ONCE
  for (let from = first; from < finding.partitions && found.length < limit;) {
    const some = Array.from({ length: Math.min(atOnce, finding.partitions - from) }, (_, at) => from + at)
    const pages = await Promise.all(
      some.map((partition) =>
        ask(finding, partition, partition === first && holders.length > 0 ? find : rest),
      ),
    )
    const rows = pages.flat()
    found.push(...rows)
    from += some.length
    atOnce = rows.length > 0 ? FEWEST_AT_ONCE : Math.min(MOST_AT_ONCE, atOnce * 2)
  }
  return found.slice(0, limit)
}

function askAll(finding: Finding, find: Find): Promise<readonly (readonly Row[])[]> {
  return Promise.all(
    Array.from({ length: finding.partitions }, (_, partition) => ask(finding, partition, find)),
  )
}

async function ask({ run }: Finding, partition: number, find: Find): Promise<readonly Row[]> {
  const reply = await run(partition, findArguments(find))
  return new Cells([reply]).list(0).map((cells) => rowOf(rowAnswer(cells)))
}

function sum(rows: readonly Row[]): LedgerRow {
  const ledger = { accepted: 0, settled: 0, expired: 0, dead: 0, waiting: 0, deadLetters: 0, inDoubt: 0 }
  for (const row of rows) {
    if (row.row !== 'ledger') continue
    ledger.accepted += row.accepted
    ledger.settled += row.settled
    ledger.expired += row.expired
    ledger.dead += row.dead
    ledger.waiting += row.waiting
    ledger.deadLetters += row.deadLetters
    ledger.inDoubt += row.inDoubt
  }
  return { row: 'ledger', ...ledger }
}

function idOf(row: Row): string {
  return 'id' in row ? row.id : ''
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

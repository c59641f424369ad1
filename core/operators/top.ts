// The figures behind `dragoman top`: counters since the start, how each breaker stands, what waits. Rates are the reader's.
import type { Json } from '../api.ts'
import type { Generation } from '../generation.ts'
import type { GatewayMetrics } from '../http/metrics.ts'
import type { Store } from '../store/store.ts'

export interface TopParts {
  readonly generation: Generation
  readonly store: Store
  readonly counted: GatewayMetrics['counted']
  readonly breakers: readonly { readonly name: string; readonly [member: string]: Json }[]
  readonly now: number
}

type Counts = Record<string, number>

/** What is read at one moment. */
export interface Top {
  readonly at: string
  readonly generation: number
  readonly intake: Counts
  readonly refused: Counts
  readonly limits: Counts
  readonly writes: Counts
  readonly operations: readonly OperationTop[]
  readonly waiting: number
  readonly deadLetters: number
}

interface OperationTop {
  readonly name: string
  readonly calls: Counts
  readonly answers: Counts
  readonly retries: Counts
  readonly breaker: { readonly name: string; readonly [member: string]: Json } | null
}

/** Everything at one moment. Operations and agents by name; each count by what the metric's last label says. */
export async function topOf({ generation, store, counted, breakers, now }: TopParts): Promise<Top> {
  const calls = byOperation(counted.calls)
  const answers = byOperation(counted.answers)
  const retries = byOperation(counted.retries)
  const standing = new Map(breakers.map((breaker) => [breaker.name, breaker]))
  const names = new Set([...calls.keys(), ...answers.keys(), ...standing.keys()])
  return {
    at: new Date(now).toISOString(),
    generation: generation.number,
    intake: sums(counted.intake),
    refused: sums(counted.refused),
    limits: limitsOf(counted.limits),
    writes: writesOf(counted.writes),
    operations: [...names].toSorted().map((name) => ({
      name,
      calls: calls.get(name) ?? {},
      answers: answers.get(name) ?? {},
      retries: retries.get(name) ?? {},
      breaker: standing.get(name) ?? null,
    })),
    ...(await stored(store)),
  }
}

/** Of several processes with one store: what each has counted, together; of breakers one that is not ACTIVE, if there is one. */
export function addTops(first: Top, others: readonly Top[]): Top {
  const tops = [first, ...others]
  const names = new Set(tops.flatMap(({ operations }) => operations.map(({ name }) => name)))
  return {
    ...first,
    generation: Math.max(...tops.map(({ generation }) => generation)),
    intake: added(tops.map(({ intake }) => intake)),
    refused: added(tops.map(({ refused }) => refused)),
    limits: added(tops.map(({ limits }) => limits)),
    writes: added(tops.map(({ writes }) => writes)),
    operations: [...names].toSorted().map((name) => {
      const all = tops.flatMap(({ operations }) => operations.filter((each) => each.name === name))
      const breakers = all.flatMap(({ breaker }) => breaker ?? [])
      return {
        name,
        calls: added(all.map(({ calls }) => calls)),
        answers: added(all.map(({ answers }) => answers)),
        retries: added(all.map(({ retries }) => retries)),
        breaker: breakers.find(({ state }) => state !== 'ACTIVE') ?? breakers[0] ?? null,
      }
    }),
  }
}

function added(all: readonly Counts[]): Counts {
  const sum = new Map<string, number>()
  for (const counts of all)
    for (const [name, count] of Object.entries(counts)) sum.set(name, (sum.get(name) ?? 0) + count)
  return Object.fromEntries(sum)
}

async function stored(store: Store): Promise<{ readonly waiting: number; readonly deadLetters: number }> {
  for (const row of await store.find({ by: 'ledger' }))
    if (row.row === 'ledger') return { waiting: row.waiting, deadLetters: row.deadLetters }
  return { waiting: 0, deadLetters: 0 }
}

function byOperation(family: GatewayMetrics['counted']['calls']): ReadonlyMap<string, Counts> {
  const found = new Map<string, Counts>()
  for (const { values, value } of family.rows()) {
    const [owner = '', operation = '', label = ''] = values
    const name = `${owner}.${operation}`
    const counts = found.get(name) ?? {}
    counts[label] = value
    found.set(name, counts)
  }
  return found
}

/** `admission/normal`, `bulkhead/orders`, `rate/NAME`: how many each limiter has refused. */
function limitsOf(family: GatewayMetrics['counted']['limits']): Counts {
  const refused = family.rows().filter(({ values }) => values[2] === 'refused')
  return Object.fromEntries(refused.map(({ values, value }) => [`${values[0]}/${values[1]}`, value]))
}

/** `queued`: while their system was down; `halted`: queues that an operator must look at. Of all channels. */
function writesOf(family: GatewayMetrics['counted']['writes']): Counts {
  const counts: Counts = {}
  for (const { values, value } of family.rows()) {
    const [, how = ''] = values
    counts[how] = (counts[how] ?? 0) + value
  }
  return counts
}

function sums(family: GatewayMetrics['counted']['calls']): Counts {
  return Object.fromEntries(family.rows().map(({ values, value }) => [values[0] ?? '', value]))
}

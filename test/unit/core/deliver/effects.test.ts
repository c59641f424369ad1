// SEMANTICS 29: an event's text and the conversations it goes into, with a store that only lists and counts.
import { expect, test } from 'vitest'
import { createEffects } from '../../../../core/deliver/effects.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import type { Message } from '../../../../core/api.ts'
import type { Components } from '../../../../core/calls/calls.ts'
import type { Route } from '../../../../core/router.ts'
import type { Accept, AcceptResult, Find, Read, ReadResult, Row, Work } from '../../../../core/store/store.ts'

const now = Date.parse('2026-01-02T03:04:05.000Z')
const hoursAgo = (hours: number): string => new Date(now - hours * 3_600_000).toISOString()

/** Tells a customer who has so many conversations, the last active first. `of`: the event's `correlationId`. */
async function told(lastAt: readonly string[], { of = 'e1', top = 1 } = {}) {
  const reads: Read[] = []
  const accepted: Accept[] = []
  const warnings: unknown[] = []
  const rows = lastAt.map((at, n): Row => ({
    row: 'conversation',
    conversation: `topic-${n}`,
    home: 'web/ann',
    customer: 'ann',
    channel: 'web',
    top,
    oldest: 1,
    ownerEpoch: 0,
    lastAt: at,
  }))
  const effects = createEffects({
    store: {
      find: async (find: Find) => ('limit' in find ? rows.slice(0, find.limit) : rows),
      async accept(one: Accept): Promise<AcceptResult> {
        accepted.push(one)
        return { status: 'accepted', sequence: 2, ownerEpoch: 0 }
      },
      // As a store whose rows are large: one a page.
      async read(one: Read): Promise<ReadResult> {
        reads.push(one)
        const sequence = one.after + 1
        const message = { sequence, direction: 'inbound', correlationId: of } as unknown as Message
        return { status: 'rows', rows: [{ message }], next: sequence, top, oldest: 1, truncated: false }
      },
    },
    log: { ...noLog, warn: (message, fields) => warnings.push({ message, ...fields }) },
    now: () => now,
    dedupeMs: 1000,
    laneLimit: { platform: 10 },
    poke: () => undefined,
  })
  const message = { id: 'e1', channel: 'crm', sender: { id: 'ann', role: 'customer' }, correlationId: of }
  // Of a work, a route and the components an effect looks at no more than this.
  const work = { message: { ...message, traceparent: '00-1-1-00' } } as unknown as Work
  const route = { reply: async () => 'shipped' } as unknown as Route
  await effects(work, route, { channel: () => undefined } as unknown as Components)
  return { accepted, warnings, reads }
}

test('all conversations of the last 72 hours, and none that rested longer', async () => {
  const { accepted, warnings } = await told([...Array<string>(99).fill(hoursAgo(71)), hoursAgo(73)])
  expect(accepted).toHaveLength(99)
  expect(new Set(accepted.map(({ dedupe }) => dedupe?.key)).size).toBe(99)
  expect(warnings).toEqual([])
})

test('what a replay told before is looked for in the thousand newest messages of a log, and for no other event', async () => {
  const replayed = await told([hoursAgo(1)], { of: 'e0', top: 5000 })
  expect(replayed.accepted).toHaveLength(1)
  expect(replayed.reads).toHaveLength(1000)
  expect(replayed.reads[0]).toMatchObject({ home: 'web/ann', log: { conversation: 'topic-0' }, after: 4000 })
  expect((await told([hoursAgo(1)], { top: 5000 })).reads).toEqual([])
})

test('beyond a thousand it is those that were active last, and the log says so', async () => {
  const { accepted, warnings } = await told(Array<string>(1001).fill(hoursAgo(1)))
  expect(accepted).toHaveLength(1000)
  expect(warnings).toEqual([
    {
      message: 'the text of an event goes only into the conversations that were active last',
      event: 'e1',
      conversations: 1000,
    },
  ])
})

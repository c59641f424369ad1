// What a change means for what runs, part by part.
import { expect, test } from 'vitest'
import { planOf } from '../../../../bin/generations/plan.ts'
import type { Parts, RunningParts } from '../../../../bin/generations/plan-parts.ts'

const parts: Parts = {
  components: [
    { role: 'channel', id: 'web', adapter: 'rest', hash: 'w1' },
    { role: 'backend', id: 'shop', adapter: 'shop', hash: 's1', plugin: 'p1' },
    { role: 'agent', id: 'shop', adapter: 'webhook', hash: 'a1' },
  ],
  plugins: [{ name: 'shop', hash: 'p1' }],
  fixed: { http: 'h1', log: 'l1' },
  live: { routes: 'r1', limits: 'm1' },
}
const running: RunningParts = { ...parts, generation: 7, overrides: {} }

test('the same: everything is kept; nothing runs: everything starts', () => {
  expect(planOf(running, parts)).toMatchObject({ against: 7, start: [], replace: [], stop: [], plugins: [] })
  expect(planOf(running, parts).keep).toHaveLength(3)
  const first = planOf(undefined, parts)
  expect(first).toMatchObject({ against: null, replace: [], stop: [], keep: [], live: [], nextStart: [] })
  expect(first.start.map(({ role, id }) => `${role} ${id}`)).toEqual([
    'channel web',
    'backend shop',
    'agent shop',
  ])
  expect(first.plugins).toEqual([{ name: 'shop', from: null, to: 'p1' }])
})

test('each change has its reason; one of the same name in another role is another one', () => {
  const [web, shop, agent] = parts.components
  if (web === undefined || shop === undefined || agent === undefined) throw new Error('there are three')
  const next: Parts = {
    components: [
      { ...web, hash: 'w2' },
      { ...shop, plugin: 'p2' },
      { role: 'backend', id: 'late', adapter: 'rest', hash: 'x' },
    ],
    plugins: [
      { name: 'shop', hash: 'p2' },
      { name: 'late', hash: 'q' },
    ],
    fixed: { http: 'h2', log: 'l1' },
    live: { routes: 'r2', limits: 'm1' },
  }
  expect(planOf(running, next)).toEqual({
    against: 7,
    start: [{ role: 'backend', id: 'late', adapter: 'rest' }],
    replace: [
      { role: 'channel', id: 'web', adapter: 'rest', why: 'its keys, or a file they name, have changed' },
      { role: 'backend', id: 'shop', adapter: 'shop', why: 'its plugin has changed' },
    ],
    stop: [{ role: 'agent', id: 'shop', adapter: 'webhook' }],
    keep: [],
    plugins: [
      { name: 'shop', from: 'p1', to: 'p2' },
      { name: 'late', from: null, to: 'q' },
    ],
    live: ['routes'],
    nextStart: ['http'],
  })
  const other = { ...parts, components: [web, shop, { ...agent, adapter: 'assistant' }] }
  expect(planOf(running, other).replace).toMatchObject([{ id: 'shop', why: 'its adapter was webhook' }])
})

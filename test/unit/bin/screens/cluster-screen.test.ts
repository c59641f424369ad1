// The screen of `dragoman cluster`.
import { expect, test } from 'vitest'
import { clusterScreen } from '../../../../bin/screens/cluster-screen.ts'
import type { InstanceRow } from '../../../../core/operators/cluster.ts'

const now = Date.parse('2030-01-01T02:00:00.000Z')
const row = (name: string, more: Partial<InstanceRow> = {}): InstanceRow => ({
  id: name,
  name,
  worker: null,
  port: 8080,
  pid: 1,
  version: '1.0.0',
  startedAt: '2030-01-01T00:00:00.000Z',
  state: 'running',
  generation: 3,
  config: 'abc',
  connections: { http: 4, websocket: 5 },
  links: 6,
  partitions: 128,
  inFlight: 7,
  lagMs: 8,
  lastReload: null,
  problems: [],
  ...more,
})
const screen = (...rows: readonly InstanceRow[]): readonly string[] =>
  clusterScreen(rows, { ledger: { waiting: 9, deadLetters: 1 }, now })

test('a line for each instance, and nothing below where all is well', () => {
  const [head, , columns, one, two, ...rest] = screen(row('desk/1'), row('desk/2', { state: 'leaving' }))
  expect(head).toBe('2030-01-01T02:00:00Z   instances 2   waiting 9   dead letters 1')
  expect(columns?.split(/\s+/u).join(' ')).toBe(
    'INSTANCE STATE SINCE GENERATION CONFIG RELOAD HTTP WEBSOCKETS APPS PARTITIONS IN-FLIGHT LAG',
  )
  expect(one?.split(/\s+/u).join(' ')).toBe('desk/1 running 2h 3 abc - 4 5 6 128 7 8ms')
  expect(two).toMatch(/^desk\/2 +leaving /u)
  expect(rest).toEqual([])
})

test('below stands who runs other files, who refused a change and why, and who is lost', () => {
  const lines = screen(
    row('a', { lastReload: { at: '2030-01-01T01:00:00.000Z', error: null } }),
    row('b', {
      config: 'def',
      lastReload: {
        at: '2030-01-01T01:00:00.000Z',
        error: 'gateway.yaml:3:1: unknown key "lane"\n\u001b[2Jgateway.yaml:4:1: too',
      },
    }),
    row('c', { problems: ['plugin crm: it does not compile'] }),
    row('d', { state: 'lost', config: 'old' }),
  )
  expect(lines[3]).toMatch(/abc +ok /u)
  expect(lines[4]).toMatch(/def +REFUSED /u)
  expect(lines.slice(7)).toEqual([
    '',
    'They do not all run the same files and plugins: abc (a, c); def (b).',
    'b refused the change of 2030-01-01T01:00:00.000Z: gateway.yaml:3:1: unknown key "lane" [2Jgateway.yaml:4:1: too',
    'c: plugin crm: it does not compile',
    'd has said nothing for 10 s: its partitions go to the others.',
  ])
})

test('living instances of one name are told apart by their ports, and where these are the same by their ids', () => {
  const at = (id: string, port: number, more: Partial<InstanceRow> = {}): InstanceRow =>
    row('desk', { id, port, ...more })
  const names = (lines: readonly string[]): unknown => lines.slice(3, 5).map((line) => line.split(' ')[0])
  expect(names(screen(at('a', 8080), at('b', 8081)))).toEqual(['desk:8080', 'desk:8081'])
  const lines = screen(at('0f7c1d2e-a', 8080), at('5b3a9c4f-a', 8080, { problems: ['plugin crm: broken'] }))
  expect(names(lines)).toEqual(['desk#0f7c1d2e', 'desk#5b3a9c4f'])
  expect(lines.slice(6)).toEqual(['desk#5b3a9c4f: plugin crm: broken'])
  // Started again in the place of one that was killed.
  expect(names(screen(at('a', 8080), at('b', 8080, { state: 'lost' })))).toEqual(['desk', 'desk'])
})

// In a worker: what a plugin says in its log, whatever it gives as fields.
import { expect, test } from 'vitest'
import { createLog } from '../../../../core/log/log.ts'
import { scopeService } from '../../../../core/plugins/scope-service.ts'
import { workerScope } from '../../../../core/plugins/worker-scope.ts'
import { testScope } from '../../../../core/testing.ts'

const never = new AbortController().signal

test.each<[string, unknown, Readonly<Record<string, unknown>>]>([
  [
    'an error',
    new Error('no route', { cause: new Error('cable') }),
    { error: { message: 'no route', causes: ['cable'], stack: expect.any(String) } },
  ],
  ['a text', 'why', { value: 'why' }],
  ['a list', [1], { value: [1] }],
  ['null', null, {}],
  ['nothing', undefined, {}],
  ['an object', { a: 1, b: null }, { a: 1, b: null }],
])('%s in the place of a line’s fields is told, from a worker as in process', (_, fields, told) => {
  let lines = ''
  const log = createLog({ level: 'info', write: (text) => (lines += text) }).child('part')
  const services = scopeService({ ...testScope(), log })
  const tell = (method: string, [, ...args]: readonly unknown[]): void =>
    void services[method]?.(structuredClone(args), never)
  const rpc = { call: async () => undefined, tell, flush() {}, close() {} }
  const worker = workerScope(rpc, 1, { id: 'demo', responseLimitBytes: 7 })
  expect(worker).toMatchObject({ id: 'demo', responseLimitBytes: 7 })
  for (const each of [log, worker.log]) each.warn('away', fields as never) // as a plugin without types
  const line = { level: 'warn', time: expect.any(String), component: 'part', msg: 'away', ...told }
  const said = lines.trim().split('\n')
  expect(said.map((each) => JSON.parse(each) as unknown)).toEqual([line, line])
})

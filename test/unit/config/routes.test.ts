// Routes name what exists and can be reached.
import { expect, test } from 'vitest'
import { load, problemsOf } from './fakes.ts'

const COMPONENTS = `
backends:
  orders: { adapter: rest, url: x, operations: { GetOrder: { method: GET }, PutOrder: { method: POST } } }
  open: { adapter: rest, url: x, operations: { '*': { method: GET } } }
  legacy: { adapter: soap, wsdl: x, operations: { GetOrder: { safe: true } } }
agents:
  desk: { adapter: desk }
  crm-desk: { adapter: desk }
routes:
`
/** The first route is in line 10 and begins at column 5. */
const routes = (...lines: readonly string[]): string =>
  COMPONENTS + lines.map((line) => `  - ${line}\n`).join('')
const found = async (...lines: readonly string[]): Promise<readonly string[]> => problemsOf(routes(...lines))

test('a route has exactly one of agent, backend and notify; an event may have a reply alone', async () => {
  expect(await found('{ agent: desk, backend: orders }')).toEqual([
    '10:5: route 1: only one of agent, backend is possible: write a route for each',
  ])
  expect(await found('{ priority: low }')).toEqual([
    '10:5: route 1: one of "agent", "backend", "notify" is needed',
  ])
  expect(await found(`{ when: "kind = 'event'", reply: shipped }`)).toEqual([])
  expect(await found(`{ when: "kind = 'event'", agent: desk, reply: shipped }`)).toEqual([])
  expect(await found('{ notify: desk, reply: shipped }')).toEqual([])
  expect(await found('{ agent: desk, reply: shipped }', '5')).toEqual([
    `10:20: route 1: reply: it needs "notify", or a "when" with kind = 'event'`,
    '11:5: route 2: it is never reached: route 1 takes everything',
    '11:5: route 2: 5: invalid input: expected object, received number',
  ])
})

test('keys that say something only about agents or backends are refused elsewhere', async () => {
  expect(await found('{ backend: orders, fallback: desk, skills: [a] }')).toEqual([
    '10:24: route 1: fallback: it needs "agent" or "notify"',
    '10:40: route 1: skills: it needs "agent" or "notify"',
  ])
  expect(await found('{ agent: desk, operation: GetOrder, params: data }')).toEqual([
    '10:20: route 1: operation: it needs "backend"',
    '10:41: route 1: params: it needs "backend"',
  ])
  expect(await found('{ agent: desk, ordered: data.id }')).toEqual([
    '10:20: route 1: ordered: it needs "record: true": only what is stored has an order',
  ])
  expect(await found('{ agent: desk, fallback: desk }')).toEqual([
    '10:30: route 1: fallback: it must be another agent',
  ])
})

test('what a route names must be defined; the nearest name and the other kind are told', async () => {
  expect(await found('{ agent: crm }')).toEqual([
    '10:14: route 1: agent "crm" is not defined (did you mean "crm-desk"?)',
  ])
  expect(await found('{ agent: desk, fallback: nobody }')).toEqual([
    '10:30: route 1: agent "nobody" is not defined',
  ])
  expect(await found('{ notify: desc }')).toEqual([
    '10:15: route 1: agent "desc" is not defined (did you mean "desk"?)',
  ])
  expect(await found('{ backend: order }')).toEqual([
    '10:16: route 1: backend "order" is not defined (did you mean "orders"?)',
  ])
  expect(await found('{ agent: orders }')).toEqual([
    '10:14: route 1: agent "orders" is not defined: it is a backend (write backend: "orders")',
  ])
  expect(await found('{ backend: desk }')).toEqual([
    '10:16: route 1: backend "desk" is not defined: it is an agent (write agent: "desk")',
  ])
})

test('names are looked at also in a route that has another mistake, and in one beside a broken component', async () => {
  expect(await found('{ agent: crm, priorty: low }')).toEqual([
    '10:14: route 1: agent "crm" is not defined (did you mean "crm-desk"?)',
    '10:19: route 1: unknown key "priorty" (did you mean "priority"?)',
  ])
  expect(
    await problemsOf('agents: { desk: { adapter: desk, capcity: 1 } }\nroutes: [{ agent: desk }]'),
  ).toEqual(['1:34: agents.desk: unknown key "capcity" (did you mean "capacity"?)'])
})

test('an operation must be one of the backend’s where the file names them all', async () => {
  expect(await found('{ backend: orders, operation: GetOrdr }')).toEqual([
    '10:35: route 1: backend "orders" has no operation "GetOrdr" (did you mean "GetOrder"?)',
  ])
  expect(await found('{ backend: open, operation: Whatever }')).toEqual([])
  expect(await found('{ backend: legacy, operation: FromItsWsdl }')).toEqual([])
  expect(await found(`{ backend: orders, operation: "data.kind & 'Order'" }`)).toEqual([])
  expect(await found('{ backend: orders, operation: "data.(kind" }')).toEqual([
    expect.stringMatching(/^10:\d+: route 1: operation: not a JSONata expression: /),
  ])
})

test('a route behind one that takes everything, or the same, is never reached', async () => {
  expect(
    await found(
      `{ when: "type = 'a'", agent: desk }`,
      `{ when: " type = 'a'", agent: desk }`,
      '{ agent: desk }',
      '{ notify: desk }',
    ),
  ).toEqual([
    '11:5: route 2: it is never reached: route 1 has the same "when"',
    '13:5: route 4: it is never reached: route 3 takes everything',
  ])
  expect(await found('{ when: "true", agent: desk }', `{ when: "type = 'a'", agent: desk }`)).toEqual([
    '11:5: route 2: it is never reached: route 1 takes everything',
  ])
})

test('expressions and templates are compiled, each fault stands at its character', async () => {
  expect(
    await found(
      `{ when: "kind = 'evnt'", backend: orders, params: '{ "a": }', record: true, ordered: 'a b' }`,
    ),
  ).toEqual([
    `10:22: route 1: when: kind is never "evnt" (did you mean "event"?)`,
    '10:63: route 1: params: not a JSONata expression: the symbol "}" cannot be used as a unary operator',
    '10:93: route 1: ordered: not a JSONata expression: syntax error: "b"',
  ])
  expect(await found(`{ notify: desk, reply: "Order {{data.no}} is {{ x y }}." }`)).toEqual([
    '10:55: route 1: reply: not a JSONata expression: syntax error: "y"',
  ])
  expect(await found('{ notify: desk, reply: "Order {{data.no" }')).toEqual([
    '10:35: route 1: reply: {{ without }}',
  ])
})

test('a route keeps its place, and its timeout in milliseconds', async () => {
  const config = await load(
    routes(
      '{ when: "x", backend: orders, params: data, operation: GetOrder, timeout: 3s, record: true, ordered: data.id, priority: high }',
    ),
  )
  expect(config.routes).toEqual([
    {
      when: 'x',
      backend: 'orders',
      operation: 'GetOrder',
      params: 'data',
      timeoutMs: 3000,
      record: true,
      ordered: 'data.id',
      priority: 'high',
      position: { line: 10, column: 5 },
    },
  ])
})

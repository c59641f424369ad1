// plugins/_examples/postgres against a real PostgreSQL: the conformance suite through its worker, then each rule of its README.
import { GatewayError } from 'dragoman'
import type { Answer, Backend, Json } from 'dragoman'
import { testMessage, testPlugin, testScope } from 'dragoman/testing'
import fc from 'fast-check'
import { Client } from 'pg'
import { afterAll, expect, onTestFinished, test } from 'vitest'

import adapter from '../../../plugins/_examples/postgres/index.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { until } from '../../support/gateway.ts'
import { PostgresServer } from '../../support/postgres-server.ts'
import { createFrom } from '../../support/create-from.ts'

const certificate = makeCertificate()
afterAll(() => certificate[Symbol.dispose]())
const { cert, key } = certificate
const server = await PostgresServer.start({ tls: { cert, key } })
afterAll(() => server[Symbol.asyncDispose]())
const account = { host: '127.0.0.1', port: server.port, database: 'postgres', user: 'postgres' }
const never = new AbortController().signal

async function sql(text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client(account)
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(text)).rows
  } finally {
    await client.end()
  }
}

await sql(`
CREATE ROLE desk LOGIN PASSWORD 'open sesame';
CREATE TABLE orders (order_no text PRIMARY KEY, id bigint, total numeric(12,2), lines jsonb, ordered timestamptz);
INSERT INTO orders VALUES ('000777', 9007199254740993, 1.10, '[{"sku":"0012","price":1.10,"n":12345678901234567890}]', '2026-01-02 03:04:05.5+08'),
  ('000778', 18, 1280.00, '[]', NULL);
GRANT SELECT ON orders TO desk;
CREATE SEQUENCE numbers;
CREATE FUNCTION fail(code text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'secret inside' USING ERRCODE = code; END $$;
CREATE TYPE mood AS ENUM ('glad', 'sad');
`)

const GetOrder = {
  query: 'SELECT order_no AS "orderNo", id, total, lines, ordered FROM orders WHERE order_no = $1',
  parameters: ['orderNo'],
  one: true,
  notFound: 'OrderNotFound',
}
const order = {
  orderNo: '000777',
  id: '9007199254740993',
  total: '1.10',
  lines: [{ sku: '0012', price: '1.10', n: '12345678901234567890' }],
  ordered: '2026-01-01T19:04:05.5Z',
}

await testPlugin('postgres', {
  file: new URL('../../../plugins/_examples/postgres/index.ts', import.meta.url),
  backend: {
    config: { ...account, operations: { GetOrder } },
    calls: [
      { operation: 'GetOrder', params: { orderNo: '000777' }, answer: { data: order } },
      {
        operation: 'GetOrder',
        params: { orderNo: "x' OR '1'='1" },
        answer: { fault: { code: 'OrderNotFound', message: 'there is no such row' } },
      },
    ],
  },
})

async function open(operations: object, config: object = {}): Promise<Backend> {
  const made = createFrom(adapter.backend, { ...account, ...config, operations }, testScope({ id: 'orders' }))
  onTestFinished(() => made[Symbol.asyncDispose]())
  await made.start?.(never)
  return made
}

async function call(made: Backend, params: Json = {}, signal = never, operation = 'Ask'): Promise<Answer> {
  const message = testMessage({ kind: 'request', type: operation, data: params })
  return made.call({ operation, params, message, key: 'k', attempt: 1 }, signal)
}

const ask = async (query: string, more: object = {}): Promise<Backend> => open({ Ask: { query, ...more } })

async function failure(work: Promise<unknown>): Promise<GatewayError> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof GatewayError)) throw error
  return error
}

const values: readonly (readonly [string, Json])[] = [
  ['true', true],
  ['2147483647::int4', 2_147_483_647],
  ['9007199254740993::int8', '9007199254740993'],
  ['7::int8', '7'],
  ['1.10::numeric', '1.10'],
  ["'NaN'::numeric", 'NaN'],
  ['1.5::float8', 1.5],
  ['1e20::float8', '1e+20'],
  ["'Infinity'::float8", 'Infinity'],
  ["'007'::text", '007'],
  ["'2026-01-02'::date", '2026-01-02'],
  ["'2026-01-02 03:04:05'::timestamp", '2026-01-02T03:04:05'],
  ["'2026-01-02 03:04:05.123456+08'::timestamptz", '2026-01-01T19:04:05.123456Z'],
  ["'infinity'::timestamptz", 'infinity'],
  ["'03:04:05'::time", '03:04:05'],
  ["'1 month 2 hours'::interval", 'P1MT2H'],
  [`'{"a":1.10,"b":9007199254740993,"c":1}'::jsonb`, { a: '1.10', b: '9007199254740993', c: 1 }],
  [`'{"__proto__":{"x":1}}'::json`, JSON.parse('{"__proto__":{"x":1}}') as Json],
  ["'\\x00ff'::bytea", 'AP8='],
  ["'2b7e1516-28ae-d2a6-abf7-158809cf4f3c'::uuid", '2b7e1516-28ae-d2a6-abf7-158809cf4f3c'],
  ["'{1,NULL,3}'::int[]", [1, null, 3]],
  [
    "'{{1,2},{3,4}}'::int8[]",
    [
      ['1', '2'],
      ['3', '4'],
    ],
  ],
  ["'[0:1]={a,b}'::text[]", ['a', 'b']],
  [
    String.raw`ARRAY['a"b', 'c\d', 'e,f', 'NULL', '', '{}']`,
    ['a"b', String.raw`c\d`, 'e,f', 'NULL', '', '{}'],
  ],
  // Of all types this one alone has semicolons between its elements.
  ["ARRAY['(3,4),(1,2)', NULL, '(1,1),(0,0)']::box[]", ['(3,4),(1,2)', null, '(1,1),(0,0)']],
  ["'{}'::box[]", []],
  ["'{}'::numeric[]", []],
  ["ARRAY['2026-01-02 03:04:05+00'::timestamptz]", ['2026-01-02T03:04:05Z']],
  ["ARRAY['glad','sad']::mood[]", ['glad', 'sad']],
  ['int4range(1,5)', '[1,5)'],
  ['NULL', null],
]

test('every type as data: no digit is lost, moments are ISO 8601 (DESIGN §3)', async () => {
  const queries = values.map(([expression]) => [expression, { query: `SELECT ${expression} AS v` }] as const)
  const made = await open(Object.fromEntries(queries))
  for (const [expression, value] of values)
    expect(await call(made, {}, never, expression), expression).toStrictEqual({ data: [{ v: value }] })
})

test('a column called __proto__ stays a column', async () => {
  const { data } = await call(await ask('SELECT 1 AS "__proto__", 2 AS constructor'))
  expect(JSON.stringify(data)).toBe('[{"__proto__":1,"constructor":2}]')
})

test('whatever a parameter holds arrives as it is and is never part of the text', async () => {
  const made = await ask('SELECT $1::text AS text, $2::text[] AS list', { parameters: ['text', 'list'] })
  const awkward = ["'", '"', '\\', '$1', '{', '}', ',', ';', '--', 'NULL', '\n', '\u2028', '😀', '王', '']
  const unit = fc.oneof(
    fc.constantFrom(...awkward),
    fc.integer({ min: 1, max: 0xd7ff }).map((code) => String.fromCodePoint(code)),
  )
  const anyText = fc.array(unit, { maxLength: 12 }).map((units) => units.join(''))
  await fc.assert(
    fc.asyncProperty(anyText, fc.array(anyText, { minLength: 1, maxLength: 4 }), async (text, list) => {
      expect(await call(made, { text, list })).toStrictEqual({ data: [{ text, list }] })
    }),
    { numRuns: 50 },
  )
})

test.each<[string, Json, string]>([
  ['no object', [], 'no JSON object'],
  ['a parameter that is missing', { a: 1 }, '"b" is missing'],
  ['one that nobody knows', { a: 1, b: 'x', d: 1 }, 'no parameter "d"'],
  ['a NUL', { a: 1, b: 'x\u0000' }, 'U+0000'],
  ['half a surrogate pair', { a: 1, b: '\ud800' }, 'surrogate'],
  ['a text for a number', { a: 'one', b: 'x' }, 'invalid input syntax for type integer'],
  ['a number too large', { a: 99_999_999_999, b: 'x' }, 'out of range'],
  ['a day that is none', { a: 1, b: 'x', c: '2026-02-30' }, 'out of range'],
])('%s is the fault InvalidParameters', async (_, params, why) => {
  const parameters = ['a', 'b', { name: 'c', optional: true }]
  const made = await ask('SELECT $1::int AS a, $2::text AS b, $3::date AS c', { parameters })
  const { fault } = await call(made, params)
  expect(fault?.code).toBe('InvalidParameters')
  expect(fault?.message).toContain(why)
  expect(await call(made, { a: 1, b: String.raw`\u0000` })).toStrictEqual({
    data: [{ a: 1, b: String.raw`\u0000`, c: null }],
  })
})

test.each<[string, string, Json]>([
  ['a pattern that ends in its escape', "'ab' LIKE $1", 'a\\'],
  ['half a regular expression', "'x' ~ $1", '('],
  ['a limit below none', '0 IN (SELECT 0 LIMIT $1)', -1],
  ['a divisor of 0', '1 / $1::int > 0', 0],
])(
  '%s is the caller’s own mistake too, and none of the database (SQLSTATE 22)',
  async (_, condition, value) => {
    const made = await ask(`SELECT order_no FROM orders WHERE ${condition}`, { parameters: ['value'] })
    expect(await call(made, { value })).toMatchObject({ fault: { code: 'InvalidParameters' } })
  },
)

test('where a caller gives no values none of them is wrong', async () => {
  const made = await ask('SELECT 1 / (random() * 0)::int AS n')
  expect(await failure(call(made))).toMatchObject({ code: 'BACKEND_FAILED', detail: { sqlstate: '22012' } })
})

test('what the database does not take is said at the start, all of it at once, with the place', async () => {
  const wrong = open({
    Typo: { query: 'SELECT 1 FRM orders' },
    Gone: { query: 'SELECT * FROM no_such_table' },
    Twice: { query: 'SELECT 1 AS a, 2 AS a' },
    Fine: { query: 'SELECT 1' },
  })
  await expect(wrong).rejects.toThrow('operation "Typo": syntax error')
  await expect(wrong).rejects.toThrow(
    'operation "Gone": relation "no_such_table" does not exist (42P01, at character 15)',
  )
  await expect(wrong).rejects.toThrow('operation "Twice": two columns are called "a"')
  await expect(wrong).rejects.not.toThrow('Fine')
})

test.each([
  ["INSERT INTO orders (order_no) VALUES ('1') RETURNING order_no"],
  ['WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x'],
  ['SELECT * FROM orders FOR UPDATE'],
  ['DROP TABLE orders'],
])('%s is refused at the start: only what reads is taken', async (query) => {
  await expect(ask(query)).rejects.toThrow('operation "Ask"')
})

test('what writes by a function is refused by the database when it is called', async () => {
  const made = await ask("SELECT nextval('numbers')")
  const { code, message } = await failure(call(made))
  expect([code, message]).toStrictEqual([
    'BACKEND_FAILED',
    'orders: Ask would write, and is only allowed to read',
  ])
  const off = (name: string): object => ({ query: `SELECT set_config('${name}', 'off', false)` })
  const pool = { connections: 1 }
  const operations = {
    Ask: { query: "SELECT nextval('numbers')" },
    Now: off('transaction_read_only'),
    Next: off('default_transaction_read_only'),
  }
  const turned = await open(operations, { pool })
  await failure(call(turned, {}, never, 'Now'))
  await call(turned, {}, never, 'Next')
  expect((await failure(call(turned))).message).toContain('would write')
})

test('more rows or bytes than allowed is a fault that says so, and the next call is answered', async () => {
  const rows = await ask('SELECT generate_series(1, $1::int) AS n', { parameters: ['n'], maxRows: 10 })
  expect(await call(rows, { n: 10 })).toMatchObject({ data: { length: 10 } })
  expect(await call(rows, { n: 2_000_000 })).toMatchObject({
    fault: { code: 'TooManyRows', message: 'there are more than 10 rows' },
  })
  expect(await call(rows, { n: 1 })).toMatchObject({ data: [{ n: 1 }] })
  const bytes = await ask("SELECT repeat('x', $1::int) AS x", { parameters: ['n'], maxBytes: 100_000 })
  expect(await call(bytes, { n: 20_000_000 })).toMatchObject({ fault: { code: 'TooLarge' } })
  expect(await call(bytes, { n: 1 })).toMatchObject({ data: [{ x: 'x' }] })
})

test('one row: none is the fault that is named, two are a mistake of the query', async () => {
  const made = await ask('SELECT generate_series(1, $1::int) AS n', {
    parameters: ['n'],
    one: true,
    notFound: 'Nobody',
  })
  expect(await call(made, { n: 1 })).toStrictEqual({ data: { n: 1 } })
  expect(await call(made, { n: 0 })).toMatchObject({ fault: { code: 'Nobody' } })
  expect((await failure(call(made, { n: 2 }))).message).toContain('more than the one row')
})

/** How many sessions are at a query with this text in it. */
async function running(text: string): Promise<number> {
  const client = new Client(account)
  await client.connect()
  try {
    const { rows } = await client.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND position($1 IN query) > 0 AND pid <> pg_backend_pid()",
      [text],
    )
    return rows[0]?.n ?? 0
  } finally {
    await client.end()
  }
}

test('a call that ends early ends its query in the database too, and nobody else’s', async () => {
  const made = await ask('SELECT pg_sleep(60)')
  const other = await open({ Ask: { query: 'SELECT pg_sleep(1)::text AS done' } })
  const deadline = new AbortController()
  const ended = failure(call(made, {}, deadline.signal))
  await until(async () => ((await running('pg_sleep(60)')) === 1 ? true : undefined))
  const beside = call(other)
  deadline.abort(new GatewayError('DEADLINE_EXCEEDED', 'too late'))
  expect((await ended).message).toBe('too late')
  await until(async () => ((await running('pg_sleep(60)')) === 0 ? true : undefined))
  expect(await beside).toMatchObject({ data: [{ done: '' }] })
})

test('statementTimeoutMs ends a query by itself', async () => {
  const made = await open({ Ask: { query: 'SELECT pg_sleep(60)' } }, { statementTimeoutMs: 50 })
  expect((await failure(call(made))).code).toBe('DEADLINE_EXCEEDED')
})

test('no more connections than the pool has: who waits too long is told, and nothing was done', async () => {
  const locker = new Client(account)
  await locker.connect()
  onTestFinished(() => locker.end())
  await locker.query('SELECT pg_advisory_lock(1)')
  const query = 'SELECT pg_advisory_xact_lock(1)::text AS locked'
  const made = await open({ Ask: { query } }, { pool: { connections: 2, waitMs: 2000 } })
  const busy = [call(made), call(made)]
  await until(async () => ((await running('pg_advisory_xact_lock(1)')) === 2 ? true : undefined))
  const gone = new AbortController()
  const leaving = failure(call(made, {}, gone.signal))
  gone.abort(new GatewayError('DEADLINE_EXCEEDED', 'too late'))
  expect((await leaving).message).toBe('too late')
  const { code, notExecuted } = await failure(call(made))
  expect([code, notExecuted]).toStrictEqual(['BACKEND_FAILED', true])
  await locker.query('SELECT pg_advisory_unlock(1)')
  expect(await Promise.all(busy)).toMatchObject([{ data: [{}] }, { data: [{}] }])
  expect(await call(made)).toMatchObject({ data: [{}] })
})

test.each([
  ['40001', 'BACKEND_FAILED', true],
  ['40P01', 'BACKEND_FAILED', true],
  ['42P01', 'BACKEND_FAILED', false],
  ['53200', 'BACKEND_FAILED', false],
  ['XX000', 'BACKEND_FAILED', false],
  ['57014', 'DEADLINE_EXCEEDED', false],
])('SQLSTATE %s is %s, and the caller hears nothing of our insides', async (state, code, notExecuted) => {
  const made = await ask('SELECT fail($1)', { parameters: ['state'] })
  const error = await failure(call(made, { state }))
  expect([error.code, error.notExecuted, error.retry]).toStrictEqual([code, notExecuted, true])
  expect(error.message).not.toContain('secret inside')
})

test('a wrong password, database or table right is said at the start', async () => {
  await sql("ALTER SYSTEM SET password_encryption = 'scram-sha-256'")
  await expect(open({}, { database: 'nowhere' })).resolves.toBeDefined() // nothing to ask for
  await expect(open({ GetOrder }, { database: 'nowhere' })).rejects.toThrow(
    'database "nowhere" does not exist',
  )
  await expect(open({ GetOrder }, { user: 'nobody' })).rejects.toThrow('role "nobody" does not exist')
  const desk = await open({ GetOrder }, { user: 'desk', password: 'open sesame' })
  expect(await call(desk, { orderNo: '000778' }, never, 'GetOrder')).toMatchObject({
    data: { total: '1280.00', ordered: null },
  })
  await sql('REVOKE SELECT ON orders FROM desk')
  await expect(open({ GetOrder }, { user: 'desk' })).rejects.toThrow('permission denied for table orders')
})

test('TLS: the certificate is checked by the authority of the config, and not looked at only where that is said', async () => {
  const query = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
  const secured = async (ssl: object): Promise<Answer> =>
    call(await open({ Ask: { query } }, { host: 'localhost', ssl }))
  expect(await secured({ ca: cert })).toStrictEqual({ data: [{ ssl: true }] })
  expect(await secured({ verify: false })).toStrictEqual({ data: [{ ssl: true }] })
  const strange = await open({ Ask: { query } }, { host: 'localhost', ssl: {} })
  const { notExecuted, message } = await failure(call(strange))
  expect(notExecuted).toBe(true)
  expect(message).toContain('SELF_SIGNED')
  const named = await open({ Ask: { query } }, { ssl: { ca: cert, serverName: 'other.example' } })
  expect((await failure(call(named))).message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
})

test('the server goes and comes back: what was under way fails, nothing is sent while it is away, then all goes on', async () => {
  const made = await open({ Ask: { query: 'SELECT pg_sleep($1::float8)::text AS done', parameters: ['s'] } })
  const cut = failure(call(made, { s: 60 }))
  await until(async () => ((await running('float8)::text AS done')) === 1 ? true : undefined))
  await server.end()
  expect(await cut).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: false })
  expect(await failure(call(made, { s: 0 }))).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: true })
  await expect(made.probe?.(never)).rejects.toThrow('cannot be reached: ECONNREFUSED')
  const meanwhile = await open({ GetOrder, Ask: { query: 'SELECT order_no AS id, id FROM orders' } })
  await server.begin()
  expect(await call(made, { s: 0 })).toStrictEqual({ data: [{ done: '' }] })
  expect(await call(meanwhile, { orderNo: '000777' }, never, 'GetOrder')).toStrictEqual({ data: order })
  const { code, message } = await failure(call(meanwhile))
  expect(code).toBe('BACKEND_FAILED')
  expect(message).toContain('operation "Ask": two columns are called "id": rename one of them with AS')
  await made.probe?.(never)
})

// The sap-rfc example in a running gateway, between programs of other people's making: PHP's SoapServer where SAP would be, PHP's SoapClient, zeep and Python's XML before it.
import { execFile, execFileSync, spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { post } from '../support/rest.ts'

const fixtures = join(import.meta.dirname, '../fixtures/sap')
const example = join(import.meta.dirname, '../../plugins/_examples/sap-rfc')
// Debian's own Python: another one on the PATH does not see Debian's packages.
const PYTHON = '/usr/bin/python3'
const run = promisify(execFile)

function isThere(command: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(command, [...args], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
const isReady =
  isThere('php', '-r', 'new ReflectionClass("SoapServer"); new DOMDocument();') &&
  isThere(PYTHON, '-c', 'import zeep')
const skip = !isReady && process.env['CI'] !== 'true'

const open = new AsyncDisposableStack()
let gateway: GatewayProcess
let idocs: string

async function startSystem(root: string): Promise<number> {
  const port = await freePort()
  const php = spawn('php', ['-S', `127.0.0.1:${port}`, join(fixtures, 'system.php')], {
    env: { ...process.env, IDOCS: idocs },
    stdio: 'ignore',
    cwd: root,
  })
  open.defer(() => void php.kill('SIGKILL'))
  await until(
    () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        ({ status }) => (status === 401 ? true : undefined),
        () => undefined,
      ),
    30_000,
  )
  return port
}

beforeAll(async () => {
  if (skip) return
  const root = await mkdtemp(join(tmpdir(), 'sap-'))
  open.defer(() => rm(root, { recursive: true, force: true, maxRetries: 3 }))
  idocs = join(root, 'idocs.jsonl')
  const port = await startSystem(root)
  const directory = join(root, 'gateway')
  await cp(example, join(directory, 'plugins/sap-rfc'), { recursive: true })
  const fields = {
    VBELN: { alpha: 10 },
    MATNR: { alpha: 18, strip: true },
    ERDAT: 'date',
    GUEBG: 'date',
    EDATU: 'date',
    SINCE: 'date',
    ERZET: 'time',
    NETWR: 'decimal',
    WMENG: 'decimal',
    LIFSK: 'flag',
    DATUM: 'date',
    MENGE: 'decimal',
  }
  const tables = ['ITEMS', 'RETURN', 'ITEMS.SCHEDULES']
  const erp = {
    adapter: 'sap-rfc',
    url: `http://127.0.0.1:${port}`,
    client: '100',
    language: 'EN',
    user: 'DESK',
    fields,
  }
  const config = {
    channels: {
      web: { adapter: 'rest' },
      sap: {
        adapter: 'sap-rfc',
        path: '/sap/bc/soap/rfc',
        fields,
        functions: { Z_DESK_ORDER_GET: { tables } },
        operations: {
          Z_DESK_ORDER_GET: { kind: 'request' },
          ORDERS05: {
            kind: 'event',
            type: "'order.received'",
            sender: "'erp'",
            conversation: "'the-orders'",
          },
        },
      },
    },
    backends: {
      erp: {
        ...erp,
        password: 'geheim',
        breaker: { minimumCalls: 1000 }, // it crashes on order here
        operations: {
          Z_DESK_ORDER_GET: { safe: true, tables },
          GetHeadOnly: { safe: true, function: 'Z_DESK_ORDER_GET' },
          SendOrder: {
            idempotent: true,
            idoc: 'ORDERS05',
            control: { MESTYP: 'ORDERS', SNDPRN: 'DESK', RCVPRN: 'ERPCLNT100' },
          },
        },
      },
      locked: { ...erp, password: 'wrong', operations: { Locked: { function: 'Z_DESK_ORDER_GET' } } },
    },
    agents: { nobody: { adapter: 'webhook', url: 'http://127.0.0.1:9/' } },
    routes: [
      { when: "type = 'Locked'", backend: 'locked' },
      { when: "kind = 'request'", backend: 'erp' },
      { agent: 'nobody' },
    ],
    plugins: './plugins',
  }
  gateway = await startGateway({ yaml: JSON.stringify(config), directory })
  open.use(gateway)
})
afterAll(() => open.disposeAsync())

const ask = async (operation: string, params: unknown) => {
  const { status, body } = await post<unknown>(`${gateway.base}/v1/requests/${operation}`, params)
  return { status, body }
}
const said = async (command: string, ...args: readonly string[]): Promise<unknown> => {
  const { stdout } = await run(command, [...args])
  return JSON.parse(stdout)
}
const order = {
  HEAD: {
    VBELN: '0000000777',
    KUNNR: '0000004711',
    NAME1: 'Müller & 王 <AG>',
    ERDAT: '2024-02-29',
    ERZET: '23:59:00',
    NETWR: '12345678901234567.10',
  },
}

describe.skipIf(skip)(
  `the sap-rfc example${skip ? ' (needs the Debian packages php-cli php-soap php-xml python3-zeep)' : ''}`,
  () => {
    test('a REST request is answered by a SOAP server of the same description: nested tables, padded numbers, no dates, exact decimals', async () => {
      expect(await ask('Z_DESK_ORDER_GET', { VBELN: '777', SINCE: '2024-01-01' })).toEqual({
        status: 200,
        body: {
          HEAD: { ...order.HEAD, GUEBG: null, LIFSK: true, MANDT: '100EN2024-01-01' },
          ITEMS: [
            {
              POSNR: '000010',
              MATNR: '42',
              SCHEDULES: [
                { EDATU: '2024-03-01', WMENG: '1.500' },
                { EDATU: null, WMENG: '0.001' },
              ],
            },
            { POSNR: '000020', MATNR: '42', SCHEDULES: [] },
          ],
          RETURN: [{ TYPE: 'W', ID: 'V1', NUMBER: '555', MESSAGE: 'credit limit' }],
        },
      })
      const { body } = await ask('GetHeadOnly', { VBELN: 777 })
      expect(Object.keys(body as object)).toEqual(['HEAD']) // an object of parameters
    })

    test('RETURN and exceptions are the business’s "no"; a crash in it and a wrong password are not', async () => {
      expect(await ask('Z_DESK_ORDER_GET', { VBELN: '778' })).toMatchObject({
        status: 422,
        body: { code: 'V1302' },
      })
      expect(await ask('Z_DESK_ORDER_GET', { VBELN: '404' })).toMatchObject({
        status: 422,
        body: { code: 'NOT_FOUND' },
      })
      const crash = await ask('Z_DESK_ORDER_GET', { VBELN: '500' })
      expect(crash).toMatchObject({ status: 502, body: { code: 'BACKEND_FAILED' } })
      expect(JSON.stringify(crash.body)).not.toContain('division')
      await until(() => gateway.log().includes('division by zero') || undefined) // a log comes by its own pipe
      expect((await ask('Locked', { VBELN: '777' })).status).toBeGreaterThanOrEqual(400)
    })

    test('PHP’s SoapClient calls a function module here', async () => {
      const answers = await said(
        'php',
        join(fixtures, 'client.php'),
        join(fixtures, 'order.wsdl'),
        `${gateway.base}/sap/bc/soap/rfc`,
        '0000000777',
        '0000000778',
      )
      expect(answers).toEqual({
        '0000000777': {
          HEAD: { ...order.HEAD, GUEBG: '0000-00-00', LIFSK: 'X', MANDT: '100EN0000-00-00' },
          ITEMS: {
            item: [
              {
                POSNR: '000010',
                MATNR: '000000000000000042',
                SCHEDULES: {
                  item: [
                    { EDATU: '2024-03-01', WMENG: '1.500' },
                    { EDATU: '0000-00-00', WMENG: '0.001' },
                  ],
                },
              },
              { POSNR: '000020', MATNR: '000000000000000042', SCHEDULES: {} },
            ],
          },
          RETURN: { item: [{ TYPE: 'W', ID: 'V1', NUMBER: '555', MESSAGE: 'credit limit' }] },
        },
        '0000000778': {
          faultcode: 'SOAP-ENV:Server',
          faultstring: 'V1302',
          detail: {
            'Z_DESK_ORDER_GET.Exception': { Name: 'V1302', Text: 'Order 0000000778 does not exist' },
          },
        },
      })
    })

    test('zeep calls it too, and reads the types of the description', async () => {
      const answers = await said(
        PYTHON,
        join(fixtures, 'client.py'),
        join(fixtures, 'order.wsdl'),
        `${gateway.base}/sap/bc/soap/rfc`,
        '0000000777',
        '0000000500',
      )
      expect(answers).toMatchObject({
        '0000000777': {
          HEAD: { ...order.HEAD, GUEBG: '0000-00-00' },
          ITEMS: {
            item: [
              { POSNR: '000010', SCHEDULES: { item: [{ WMENG: '1.500' }, { WMENG: '0.001' }] } },
              { POSNR: '000020' },
            ],
          },
        },
        '0000000500': { code: 'SOAP-ENV:Server', detail: { type: 'BACKEND_FAILED' } },
      })
    })

    test('IDocs of Python’s making are events, each number once, in UTF-16 too', async () => {
      const answers = await said(
        PYTHON,
        join(fixtures, 'idoc.py'),
        `${gateway.base}/sap/bc/soap/rfc`,
        '0000000000000001',
        '0000000000000002',
        '0000000000000001',
        '',
      )
      expect(answers).toEqual([
        [200, 'taken: 800/0000000000000001'],
        [200, 'taken: 800/0000000000000002'],
        [200, 'taken: 800/0000000000000001'],
        [400, expect.stringContaining('no DOCNUM')],
      ])
      const response = await fetch(`${gateway.base}/v1/conversations/the-orders/messages?after=0`)
      const { messages } = (await response.json()) as {
        messages: { type: string; externalId: string; data: unknown }[]
      } // a log page
      const orders = messages.filter(({ type }) => type === 'order.received')
      expect(orders.map(({ externalId }) => externalId)).toEqual([
        '800/0000000000000001',
        '800/0000000000000002',
      ])
      expect(orders[0]?.data).toMatchObject({
        E1EDK01: [{ NAME: 'Müller & 王 <AG>' }],
        E1EDK03: [{ DATUM: null }],
        E1EDP01: [{ POSEX: '000010', MENGE: '-5.000', E1EDP19: [{ IDTNR: '000000000000000042' }] }],
      })
    })

    test('an IDoc that is sent is read by PHP’s DOM, with its number and the client', async () => {
      const params = {
        E1EDK01: { CURCY: 'EUR' },
        E1EDK03: [{ IDDAT: '002', DATUM: null }],
        E1EDKT1: [{ TDLINE: 'Müller & 王 ]]> <AG>' }],
        E1EDP01: [{ MENGE: -5 }, { MENGE: '0.001', E1EDP19: [{ IDTNR: '42' }] }],
      }
      const { status, body } = await ask('SendOrder', params)
      expect(status).toBe(200)
      const line = (await readFile(idocs, 'utf8')).trimEnd().split('\n').at(-1) ?? ''
      expect(JSON.parse(line)).toEqual({
        type: 'ORDERS05',
        begin: ['1'],
        segments: ['EDI_DC40', 'E1EDK01', 'E1EDK03', 'E1EDKT1', 'E1EDP01', 'E1EDP01', 'E1EDP19'],
        docnum: [(body as { DOCNUM: string }).DOCNUM], // what SendOrder answers
        mestyp: ['ORDERS'],
        client: '100',
        text: ['Müller & 王 ]]> <AG>'],
        menge: ['5-', '0.001'],
        datum: ['00000000'],
      })
    })
  },
)

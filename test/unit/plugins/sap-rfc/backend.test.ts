import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

import { testMessage, testPlugin, testScope } from 'dragoman/testing'
import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Json } from 'dragoman'
import { afterAll, describe, expect, test } from 'vitest'

import { docnumOf } from '../../../../plugins/_examples/sap-rfc/idoc.ts'
import adapter from '../../../../plugins/_examples/sap-rfc/index.ts'
import { fault, soap } from './samples.ts'

interface Seen {
  readonly request: IncomingMessage
  readonly body: string
}
interface Told {
  readonly status?: number
  readonly type?: string
  readonly body: string
}

const seen: Seen[] = []
let told: Told = { body: '' }
const server = createServer((request, response) => {
  const pieces: Buffer[] = []
  request.on('data', (piece: Buffer) => pieces.push(piece))
  request.on('end', () => {
    const body = Buffer.concat(pieces).toString('utf8')
    seen.push({ request, body })
    const {
      status = 200,
      type = 'text/xml; charset=utf-8',
      body: answer,
    } = body.includes('RFC_PING') ? { body: soap('<urn:RFC_PING.Response/>') } : told
    response.writeHead(status, { 'content-type': type }).end(answer)
  })
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
const { port } = server.address() as AddressInfo // it listens on TCP

const config = {
  url: `http://127.0.0.1:${port}`,
  client: '100',
  language: 'en',
  user: 'DESK',
  password: 'pä:ss',
  fields: { VBELN: { alpha: 10 }, ERDAT: 'date', NETWR: 'decimal' },
  operations: {
    Ping: { function: 'RFC_PING' },
    GetOrder: {
      function: 'BAPI_ORDER_GET',
      tables: ['ITEMS', 'RETURN'],
      exceptions: ['NO_AUTHORITY'],
      set: { LANGU: 'E' },
    },
    BAPI_PLAIN: { return: false },
    SendOrder: {
      idoc: 'ORDERS05',
      control: { MESTYP: 'ORDERS', SNDPRN: 'DESK', RCVPRN: 'ERPCLNT800' },
      fields: { DATUM: 'date' },
    },
  },
}

await testPlugin('sap-rfc', {
  file: new URL('../../../../plugins/_examples/sap-rfc/index.ts', import.meta.url),
  backend: { config, calls: [{ operation: 'Ping', params: {}, answer: { data: {} } }] },
})

async function open(): Promise<Backend> {
  const validated = await adapter.backend?.config['~standard'].validate(config)
  if (validated === undefined || validated.issues !== undefined)
    throw new TypeError(JSON.stringify(validated))
  const backend = adapter.backend?.create(validated.value, testScope({ id: 'erp' }))
  if (backend === undefined) throw new TypeError('sap-rfc has no backend')
  return backend
}

async function ask(operation: string, params: Json, answer: Told, key = 'key-1'): Promise<Answer> {
  told = answer
  seen.length = 0
  const call: BackendCall = {
    operation,
    params,
    key,
    attempt: 1,
    message: testMessage({ kind: 'request', type: operation, data: params }),
  }
  return (await open()).call(call, AbortSignal.timeout(10_000))
}
const failure = async (work: Promise<unknown>): Promise<GatewayError> =>
  work.then(
    () => expect.unreachable(),
    (error: unknown) => {
      if (error instanceof GatewayError) return error
      throw error
    },
  )

describe('function modules', () => {
  test('client, language and user go along; values are written and read by their types', async () => {
    const answer = await ask(
      'GetOrder',
      { VBELN: 777, SINCE: null },
      {
        body: soap(
          '<urn:BAPI_ORDER_GET.Response><HEAD><VBELN>0000000777</VBELN><ERDAT>0000-00-00</ERDAT><NETWR>     1.10-</NETWR></HEAD><ITEMS/><RETURN><item><TYPE>W</TYPE></item></RETURN></urn:BAPI_ORDER_GET.Response>',
        ),
      },
    )
    expect(answer).toEqual({
      data: {
        HEAD: { VBELN: '0000000777', ERDAT: null, NETWR: '-1.10' },
        ITEMS: [],
        RETURN: [{ TYPE: 'W' }],
      },
    })
    const [{ request, body } = expect.unreachable()] = seen
    expect(request.url).toBe('/sap/bc/soap/rfc?sap-client=100&sap-language=EN')
    expect(request.headers.authorization).toBe(`Basic ${Buffer.from('DESK:pä:ss').toString('base64')}`)
    expect(body).toContain('<VBELN>0000000777</VBELN><SINCE/><LANGU>E</LANGU><ITEMS/><RETURN/>')
  })

  test('RETURN of type E is a business fault with its number and text', async () => {
    const body = soap(
      '<urn:BAPI_ORDER_GET.Response><RETURN><item><TYPE>E</TYPE><ID>V1</ID><NUMBER>302</NUMBER><MESSAGE>no order 778</MESSAGE></item></RETURN></urn:BAPI_ORDER_GET.Response>',
    )
    expect(await ask('GetOrder', {}, { body })).toMatchObject({
      fault: { code: 'V1302', message: 'no order 778' },
    })
    const plain = soap('<urn:BAPI_PLAIN.Response><RETURN><TYPE>E</TYPE></RETURN></urn:BAPI_PLAIN.Response>')
    expect(await ask('BAPI_PLAIN', {}, { body: plain })).toEqual({ data: { RETURN: { TYPE: 'E' } } })
  })

  test('an exception of the function is a business fault; so is a fault the config names', async () => {
    const own = fault(
      '<n0:BAPI_ORDER_GET.Exception xmlns:n0="urn:sap-com:document:sap:rfc:functions"><Name>NOT_FOUND</Name><Text>none</Text></n0:BAPI_ORDER_GET.Exception>',
      'NOT_FOUND',
    )
    expect(await ask('GetOrder', {}, { status: 500, body: own })).toEqual({
      fault: { code: 'NOT_FOUND', message: 'none' },
    })
    expect(await ask('GetOrder', {}, { status: 500, body: fault('', 'NO_AUTHORITY') })).toEqual({
      fault: { code: 'NO_AUTHORITY', message: 'NO_AUTHORITY' },
    })
  })

  test.each<[string, Told, RegExp]>([
    [
      'a fault of the runtime',
      {
        status: 500,
        body: fault('<e><type>RABAX</type><message>secret</message></e>', 'Internal Server Error'),
      },
      /failed in SAP: Internal Server Error: RABAX$/,
    ],
    ['a wrong password', { status: 401, type: 'text/html', body: '<html/>' }, /refuses the user/],
    ['a service that is off', { status: 404, type: 'text/html', body: '' }, /SICF/],
    ['a logon page', { type: 'text/html', body: '<html/>' }, /logon page/],
    ['a proxy that is out of order', { status: 502, type: 'text/html', body: '' }, /answered with 502/],
    ['no XML', { body: 'oops' }, /cannot be read: it is no well-formed XML/],
    ['another document', { body: '<x/>' }, /it is <x>, no envelope/],
    [
      'another answer',
      { body: soap('<urn:RFC_READ_TABLE.Response/>') },
      /it answers RFC_READ_TABLE.Response/,
    ],
    ['a DOCTYPE', { body: '<!DOCTYPE a><a/>' }, /DOCTYPE/],
  ])('%s is BACKEND_FAILED', async (_what, answer, why) => {
    const error = await failure(ask('GetOrder', {}, answer))
    expect(error).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: false })
    expect(error.message).toMatch(why)
    expect(error.message).not.toContain('secret')
  })

  test.each<[string, Json, RegExp]>([
    ['GetOrder', { VBELN: '12345678901' }, /VBELN: "12345678901" is longer/],
    ['GetOrder', { 'a b': 1 }, /no name/],
    ['GetOrder', ['x'], /takes an object/],
    ['GetOrder', { LANGU: 'D' }, /LANGU is fixed/],
    ['SendOrder', { E1EDK03: [{ DATUM: 'soon' }] }, /DATUM: "soon" is no date/],
    ['SendOrder', { EDI_DC40: { DOCNO: '1' } }, /no field DOCNO/],
    ['SendOrder', { EDI_DC40: { DOCNUM: 1 } }, /EDI_DC40.DOCNUM is no text/],
  ])('%s %j is the caller’s mistake, and nothing goes out', async (operation, params, why) => {
    const error = await failure(ask(operation, params, { body: '' }))
    expect(error).toMatchObject({ code: 'DECODE_FAILED', notExecuted: true })
    expect(error.message).toMatch(why)
    expect(seen).toHaveLength(0)
  })
})

describe('IDocs', () => {
  test('an IDoc goes out with a number that is the same for each try of one call', async () => {
    const params = { E1EDK01: [{ CURCY: 'EUR' }], E1EDP01: [{ POSEX: '000010', E1EDP19: { IDTNR: '42' } }] }
    const sent = { type: 'text/html', body: '<html>ok</html>' }
    expect(await ask('SendOrder', params, sent, 'key-7')).toEqual({ data: { DOCNUM: docnumOf('key-7') } })
    const [first] = seen
    await ask('SendOrder', params, sent, 'key-7')
    expect(seen[0]?.body).toBe(first?.body)
    expect(first?.request.url).toBe('/sap/bc/idoc_xml?sap-client=100&sap-language=EN')
    expect(first?.body).toContain(
      `<MANDT>100</MANDT><DOCNUM>${docnumOf('key-7')}</DOCNUM><DIRECT>2</DIRECT><IDOCTYP>ORDERS05</IDOCTYP><MESTYP>ORDERS</MESTYP>`,
    )
    expect(first?.body).toContain(
      '<E1EDP01 SEGMENT="1"><POSEX>000010</POSEX><E1EDP19 SEGMENT="1"><IDTNR>42</IDTNR></E1EDP19></E1EDP01>',
    )
  })

  test('a refused IDoc is BACKEND_FAILED', async () => {
    expect(await failure(ask('SendOrder', { E1: [{}] }, { status: 500, body: '' }))).toMatchObject({
      code: 'BACKEND_FAILED',
    })
  })
})

test.each([
  [{ X: { idoc: 'ORDERS05', function: 'F' } }, /calls a function module or sends an IDoc/],
  [{ X: { idoc: 'ORDERS05', set: { A: '1' } } }, /an IDoc has no parameters/],
  [{ X: { function: 'lower' } }, /in capitals/],
  [{ X: { fields: { A: 'datum' } } }, /Invalid/],
])('the config %j is refused', async (operations, why) => {
  const validated = await adapter.backend?.config['~standard'].validate({ ...config, operations })
  expect(JSON.stringify(validated?.issues)).toMatch(why)
})

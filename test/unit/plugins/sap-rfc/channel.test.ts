import { testHost, testPlugin, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'
import { GatewayError } from 'dragoman'
import { describe, expect, test } from 'vitest'

import { contentOf } from '../../../../plugins/_examples/sap-rfc/rfc.ts'
import adapter from '../../../../plugins/_examples/sap-rfc/index.ts'
import { membersIn } from '../../../../plugins/_examples/sap-rfc/values.ts'
import { readXml } from '../../../../plugins/_examples/sap-rfc/xml.ts'
import { orders05, soap } from './samples.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const headers = { 'content-type': 'text/xml; charset=utf-8' }
const config = {
  path: '/sap/rfc',
  fields: { VBELN: { alpha: 10, strip: true }, ERDAT: 'date', DATUM: 'date', MENGE: 'decimal' },
  functions: { Z_GET: { tables: ['ITEMS', 'RETURN'], return: 'table' } },
}
const call = soap(
  '<urn:Z_GET><VBELN>0000000777</VBELN><HEAD><ERDAT>00000000</ERDAT></HEAD><ITEMS/></urn:Z_GET>',
)

await testPlugin('sap-rfc', {
  file: new URL('../../../../plugins/_examples/sap-rfc/index.ts', import.meta.url),
  channel: {
    config,
    request: { path: '/sap/rfc', headers, body: bytes(call) },
    draft: { kind: 'request', type: 'Z_GET', data: { VBELN: '777', HEAD: { ERDAT: null }, ITEMS: [] } },
    reply: { data: { ITEMS: [{ POSNR: '000010' }] }, origin: 'backend' },
  },
})

async function open(): Promise<TestHost> {
  const validated = await adapter.channel?.config['~standard'].validate(config)
  if (validated === undefined || validated.issues !== undefined)
    throw new TypeError(JSON.stringify(validated))
  const channel = adapter.channel?.create(validated.value, testScope())
  const host = testHost()
  await channel?.start(host, new AbortController().signal)
  return host
}
const post = async (
  host: TestHost,
  body: string,
): Promise<{ status: number; text: string; headers: object }> => {
  const response = await host.handle({ path: '/sap/rfc', headers, body: bytes(body) })
  return { status: response.status, text: response.body as string, headers: response.headers ?? {} } // the channel answers texts
}
const said = (text: string): unknown => {
  const content = contentOf(readXml(bytes(text)))
  return content.kind === 'function'
    ? {
        [content.name]: membersIn(content.element, {
          types: {},
          tables: [],
          style: { dates: 'plain', minus: 'before' },
        }),
      }
    : content
}

describe('function modules', () => {
  test('an answer has the fields and the empty tables SAP programs expect', async () => {
    const host = await open()
    host.answer({ data: { HEAD: { VBELN: '777', ERDAT: null } }, origin: 'backend' })
    const { status, text } = await post(host, call)
    expect(status).toBe(200)
    expect(said(text)).toEqual({
      'Z_GET.Response': { HEAD: { VBELN: '0000000777', ERDAT: '0000-00-00' }, ITEMS: '', RETURN: '' },
    })
  })

  test('a business fault is a row in RETURN where the config says so, else an exception of the function', async () => {
    const host = await open()
    host.answer({ fault: { code: 'V1302', message: 'no order 777' }, origin: 'backend' })
    expect(said((await post(host, call)).text)).toMatchObject({
      'Z_GET.Response': { RETURN: [{ TYPE: 'E', ID: 'V1', NUMBER: '302', MESSAGE: 'no order 777' }] },
    })
    const other = await post(host, call.replaceAll('Z_GET', 'Z_OTHER'))
    expect(other.status).toBe(500)
    expect(said(other.text)).toMatchObject({ exception: { code: 'V1302', message: 'no order 777' } })
  })

  test('a refusal is a fault as the runtime writes it, with the side whose fault it is', async () => {
    const host = await open()
    host.answer(new GatewayError('BREAKER_OPEN', 'out of order \u0001', { retryAfterMs: 100 }))
    const { status, text, headers: own } = await post(host, call)
    expect(status).toBe(500)
    expect(text).toContain('<faultcode>SOAP-ENV:Server</faultcode>')
    expect(said(text)).toEqual({
      kind: 'fault',
      words: ['out of order ?', 'BREAKER_OPEN'],
      message: 'out of order ?',
    })
    expect(own).toMatchObject({ 'retry-after': '1' })
    const wrong = await post(host, soap('<F xmlns="urn:other"/>'))
    expect(wrong.text).toContain('<faultcode>SOAP-ENV:Client</faultcode>')
  })

  test('an answer that cannot be written is said as such', async () => {
    const host = await open()
    host.answer({ data: { ERDAT: 'soon' }, origin: 'backend' })
    expect(said((await post(host, call)).text)).toMatchObject({
      words: [expect.stringContaining('"soon" is no date'), 'ENCODE_FAILED'],
    })
  })

  test.each([
    ['GET', '/sap/rfc', 405],
    ['POST', '/sap/rfc/x', 404],
  ])('%s %s is %d', async (method, path, status) => {
    expect(await (await open()).handle({ method, path })).toMatchObject({ status })
  })
})

describe('IDocs', () => {
  test('an IDoc is an event; its number is the id, so that SAP may send it again', async () => {
    const host = await open()
    const { status, text } = await post(host, orders05('0000000000123456'))
    expect([status, text]).toEqual([200, 'taken: 800/0000000000123456\n'])
    expect(host.drafts).toMatchObject([
      {
        kind: 'event',
        type: 'ORDERS05',
        externalId: '800/0000000000123456',
        data: { E1EDP01: [{ MENGE: '10.000' }, { MENGE: '-5.000' }] },
      },
    ])
    expect(host.drafts[0]?.raw?.bytes).toHaveLength(bytes(orders05('0000000000123456')).byteLength)
  })

  test('several in one document are several messages, acknowledged together', async () => {
    const host = await open()
    const [, first] = /(<IDOC .*<\/IDOC>)/s.exec(orders05('1')) ?? []
    const { text } = await post(
      host,
      `<ORDERS05>${first}${first?.replace('<DOCNUM>1<', '<DOCNUM>2<')}</ORDERS05>`,
    )
    expect(text).toBe('taken: 800/0000000000000001, 800/0000000000000002\n')
    expect(host.drafts.map(({ externalId, raw }) => [externalId, raw])).toEqual([
      ['800/0000000000000001', undefined],
      ['800/0000000000000002', undefined],
    ])
  })

  test('what is not stored is not acknowledged: SAP sends it again', async () => {
    const host = await open()
    host.answer(new GatewayError('STORE_UNAVAILABLE', 'no store', { retryAfterMs: 5000 }))
    expect(await post(host, orders05('1'))).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
    host.answer({ fault: { code: 'X', message: 'no' }, origin: 'backend' })
    expect(await post(host, orders05('1'))).toMatchObject({
      status: 422,
      text: 'IDoc 800/0000000000000001: X: no\n',
    })
  })

  test('one without a number is refused: it could be taken twice', async () => {
    const host = await open()
    expect(await post(host, orders05(''))).toMatchObject({ status: 400 })
    expect(host.drafts).toHaveLength(0)
  })
})

import { describe, expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import { testChannel } from 'dragoman/testing'
import adapter from '../../../../adapters/webservice/index.ts'
import { compileOperations } from '../../../../core/components/operations.ts'
import { encodeExtended, encodeText } from '../../../../adapters/xml/charset.ts'
import { dataOf, fixtures, path, serve, textOf } from './service.ts'

testChannel('webservice', {
  adapter,
  config: { path },
  request: {
    path,
    headers: { 'content-type': 'text/xml; charset=utf-8' },
    body: new TextEncoder().encode('<GetOrder><orderNo>000777</orderNo></GetOrder>'),
  },
  draft: { kind: 'request', type: 'GetOrder', data: { orderNo: '000777' } },
  reply: { origin: 'backend', data: { status: 'NEW' } },
})

const request = '<GetOrder><orderNo>000777</orderNo></GetOrder>'

describe('a document', () => {
  test('is the operation its root names, and is answered by NAMEResponse', async () => {
    await using running = await serve({ reply: () => ({ data: { orderNo: '000777', total: '1.10' } }) })
    const response = await running.post(request)
    expect([response.status, response.headers?.['content-type']]).toEqual([200, 'text/xml; charset=utf-8'])
    expect(textOf(response)).toBe(
      '<?xml version="1.0" encoding="utf-8"?>\n<GetOrderResponse><orderNo>000777</orderNo><total>1.10</total></GetOrderResponse>',
    )
    expect(running.host.drafts[0]).toMatchObject({ type: 'GetOrder', data: { orderNo: '000777' } })
  })

  test('is answered in its own namespace, its children as the caller qualifies them', async () => {
    await using running = await serve()
    const qualified = await running.post('<e:Get xmlns:e="urn:erp"><e:no>1</e:no></e:Get>')
    expect(textOf(qualified)).toContain('<GetResponse xmlns="urn:erp"><no>1</no></GetResponse>')
    const unqualified = await running.post('<e:Get xmlns:e="urn:erp"><no>1</no></e:Get>')
    expect(textOf(unqualified)).toContain('<GetResponse xmlns="urn:erp"><no xmlns="">1</no></GetResponse>')
  })

  test('is answered in the namespace of the channel where it has one', async () => {
    await using running = await serve({ config: { namespace: 'urn:new' } })
    expect(textOf(await running.post(request))).toContain('<GetOrderResponse xmlns="urn:new">')
  })

  test('whose root is no operation is the one the path names', async () => {
    await using running = await serve({ operations: { GetOrder: { kind: 'request' } } })
    const below = { path: `${path}/GetOrder` }
    const response = await running.post('<Request><orderNo>7</orderNo></Request>', {}, below)
    expect([response.status, running.host.drafts[0]?.type]).toEqual([200, 'GetOrder'])
    expect(textOf(response)).toContain('<GetOrderResponse>')
  })

  test('of application/xml is answered as that', async () => {
    await using running = await serve()
    const response = await running.post(request, { 'content-type': 'application/xml' })
    expect(response.headers?.['content-type']).toBe('application/xml; charset=utf-8')
  })

  test.each([
    ['gbk', 'text/xml; charset=GBK', ''],
    ['gbk', 'text/xml', '<?xml version="1.0" encoding="GBK"?>'],
    ['gb18030', 'text/xml; charset="gb18030"', ''],
    ['big5', 'text/xml', '<?xml version="1.0" encoding="Big5"?>'],
    ['utf-16', 'text/xml; charset=utf-16le', ''],
  ])('in %s (%s %s) is answered in it, header and declaration too', async (charset, type, declaration) => {
    await using running = await serve()
    const label = /charset="?([^"]+)/u.exec(type)?.[1] ?? charset
    const body = encodeExtended(`${declaration}<查询><名>王小明</名></查询>`, label.toLowerCase())
    const response = await running.post(body ?? '', { 'content-type': type })
    expect(dataOf(running)).toEqual({ 名: '王小明' })
    expect(response.headers?.['content-type']).toBe(`text/xml; charset=${charset}`)
    expect(textOf(response).replace(/^\uFEFF/u, '')).toBe(
      `<?xml version="1.0" encoding="${charset}"?>\n<查询Response><名>王小明</名></查询Response>`,
    )
  })

  test('that does not say its charset is in UTF-8 (XML 1.0 §4.3.3), else in that of the channel', async () => {
    await using running = await serve({ config: { charset: 'GB18030' } })
    const response = await running.post(encodeText('<Get><名>王小明</名></Get>', 'gb18030') ?? '', {
      'content-type': 'text/xml',
    })
    expect(dataOf(running)).toEqual({ 名: '王小明' })
    expect(response.headers?.['content-type']).toBe('text/xml; charset=gb18030')
    await running.post('<Get><名>王小明</名></Get>', { 'content-type': 'text/xml' })
    expect(dataOf(running)).toEqual({ 名: '王小明' })
    const ascii = await running.post('<Get/>', { 'content-type': 'text/xml' })
    expect(ascii.headers?.['content-type']).toBe('text/xml; charset=gb18030')
    const inUtf8 = await running.post('<?xml version="1.0" encoding="UTF-8"?><Get><名>王</名></Get>', {
      'content-type': 'text/xml',
    })
    expect(inUtf8.headers?.['content-type']).toBe('text/xml; charset=utf-8')
  })

  test('has the lists and types the config names, however many came', async () => {
    const config = {
      lists: ['Get/line', 'GetResponse/line'],
      types: { 'Get/count': 'int', 'Get/@on': 'boolean' },
    }
    await using running = await serve({ config })
    await running.post('<Get on="1"><count> 3 </count><line>a</line></Get>')
    expect(dataOf(running)).toEqual({ '@on': true, count: 3, line: ['a'] })
    await running.post('<Get/>')
    expect(dataOf(running)).toEqual({ line: [] })
    const refused = await running.post('<Get><count>12abc</count></Get>')
    expect(refused.status).toBe(400)
    expect(textOf(refused)).toContain('Get/count')
  })

  test('of an operation that is not offered, and of SOAP, is refused', async () => {
    await using running = await serve({ operations: { GetOrder: { kind: 'request' } } })
    expect((await running.post('<DropTables/>')).status).toBe(404)
    const envelope = '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'
    const refused = await running.post(envelope)
    expect([refused.status, textOf(refused).includes('SOAP')]).toEqual([400, true])
    expect(running.host.drafts).toHaveLength(0)
  })

  test('with hostile names stays data, and the prototype stays as it was', async () => {
    await using running = await serve()
    const response = await running.post(
      '<constructor><__proto__ polluted="1"><toString>x</toString></__proto__></constructor>',
    )
    expect(textOf(response)).toContain('<__proto__ polluted="1"><toString>x</toString></__proto__>')
    expect(Object.keys(dataOf(running) as object)).toEqual(['__proto__'])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test.each([
    ['a DOCTYPE', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'],
    ['what is not well-formed', '<a><b></a>'],
    ['nothing', ''],
    ['bytes that are not of the charset', new Uint8Array([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e])],
    ['too much depth', `${'<a>'.repeat(300)}${'</a>'.repeat(300)}`],
    ['an unknown charset', '<?xml version="1.0" encoding="klingon"?><a/>'],
  ])('that is %s is refused as a document', async (_what, body) => {
    await using running = await serve()
    const response = await running.post(body, { 'content-type': 'text/xml' })
    expect([response.status, running.host.drafts.length]).toEqual([400, 0])
    expect(textOf(response)).toMatch(/<fault><code>DECODE_FAILED<\/code><message>xml \d+:\d+: /u)
  })
})

describe('an answer', () => {
  test('that is stale says so in the document and in HTTP (RFC 9211)', async () => {
    const asOf = '2026-01-01T00:00:00Z'
    await using running = await serve({
      scope: { now: () => Date.parse(asOf) + 90_500 },
      reply: () => ({ origin: 'cache', data: { '@stale': 'no', total: '1' }, stale: true, asOf }),
    })
    const response = await running.post(request)
    expect(textOf(response)).toContain('<GetOrderResponse stale="true"><total>1</total>')
    expect(response.headers).toMatchObject({ age: '90', 'cache-status': 'dragoman; hit; detail=stale' })
  })

  test('that is only text is the text; nothing is an empty document', async () => {
    await using running = await serve({ reply: () => ({ parts: [{ kind: 'text', text: 'on its way' }] }) })
    expect(textOf(await running.post(request))).toContain('<GetOrderResponse>on its way</GetOrderResponse>')
    await using silent = await serve({ reply: () => ({}) })
    expect(textOf(await silent.post(request))).toContain('<GetOrderResponse/>')
  })

  test('to a request that was queued is 202 with its id', async () => {
    await using running = await serve({ reply: () => undefined })
    const response = await running.post(request)
    expect([response.status, textOf(response).includes('<id>m1</id>')]).toEqual([202, true])
  })

  test('to a message or an event comes when it is stored, with id and sequence', async () => {
    await using running = await serve({
      operations: { Say: { kind: 'message' }, Shipped: { kind: 'event' } },
      reply: () => undefined,
    })
    for (const name of ['Say', 'Shipped']) {
      const response = await running.post(`<${name}><text>hello</text></${name}>`)
      expect([response.status, response.carries]).toEqual([200, undefined])
      expect(textOf(response)).toMatch(
        /<(\w+)Response><id>m\d<\/id><conversation>c<\/conversation><sequence>\d<\/sequence><duplicate>false<\/duplicate><\/\1Response>/u,
      )
    }
  })

  test('of a business fault is a fault document with the status the business system gave, else 422', async () => {
    const fault = { code: 'NOT_\u0001SHIPPED', message: 'not <shipped> yet', detail: { since: '2026' } }
    await using running = await serve({ reply: () => ({ fault }) })
    const response = await running.post('<Get xmlns="urn:erp"/>')
    expect([response.status, response.carries]).toEqual([422, 'm1'])
    expect(textOf(response)).toContain(
      String.raw`<fault xmlns="urn:erp"><code>NOT_\u0001SHIPPED</code><message>not &lt;shipped&gt; yet</message><detail><since>2026</since></detail></fault>`,
    )
    await using conflicting = await serve({ reply: () => ({ fault, metadata: { 'http:status': '409' } }) })
    expect((await conflicting.post('<Get/>')).status).toBe(409)
  })

  test('that cannot be XML is a fault of ours, not a lost character', async () => {
    await using running = await serve({ reply: () => ({ data: { note: '\u0000' } }) })
    const response = await running.post(request)
    expect([response.status, textOf(response).includes('ENCODE_FAILED')]).toEqual([500, true])
  })
})

describe('with a schema', () => {
  const schema = new URL('order-service.wsdl', fixtures).pathname
  const config = { schema }
  const orders = 'urn:example:orders:v1'

  test('types, lists and names come from it', async () => {
    await using running = await serve({
      config,
      reply: () => ({
        data: [{ '@ticketId': '9007199254740993', '@status': 'NEW', opened: '2024-01-01T00:00:00Z' }],
      }),
    })
    const response = await running.post(`<ListTickets xmlns="${orders}"><count>1</count></ListTickets>`)
    expect(dataOf(running)).toEqual({ count: 1 })
    expect(textOf(response)).toContain(
      `<ListTicketsResponse xmlns="${orders}"><ListTicketsResult><Ticket ticketId="9007199254740993" status="NEW"><opened>`,
    )
  })

  test('a wrong value is refused with its path, and so is the wrong namespace', async () => {
    await using running = await serve({ config })
    const wrong = await running.post(`<GetTicket xmlns="${orders}"><ticketId>12abc</ticketId></GetTicket>`)
    expect([wrong.status, textOf(wrong).includes('GetTicket/ticketId')]).toEqual([400, true])
    const foreign = await running.post('<GetTicket xmlns="urn:other"><ticketId>1</ticketId></GetTicket>')
    expect([foreign.status, textOf(foreign).includes(`{${orders}}GetTicket`)]).toEqual([400, true])
    expect(running.host.drafts).toHaveLength(0)
  })

  test('a message fills what the schema declares as its answer', async () => {
    await using running = await serve({
      config,
      operations: { AddComment: { kind: 'message' } },
      reply: () => undefined,
    })
    const body = `<AddComment xmlns="${orders}"><ticketId>1</ticketId></AddComment>`
    expect(textOf(await running.post(body))).toContain('<AddCommentResult>m1</AddCommentResult>')
  })
})

test('an Idempotency-Key is the id of the draft, traceparent goes along, the bytes are kept', async () => {
  await using running = await serve()
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await running.post(request, { 'idempotency-key': '"a b"', traceparent })
  expect(running.host.drafts[0]).toMatchObject({ externalId: 'a b', metadata: { traceparent } })
  expect(new TextDecoder().decode(running.host.drafts[0]?.raw?.bytes)).toBe(request)
  const twice = await running.post(request, { 'idempotency-key': 'a, b' })
  expect(twice.status).toBe(400)
})

test("an Idempotency-Key and the operation's externalId must agree: one of them is not dropped", async () => {
  const erp = compileOperations('erp', { GetOrder: { kind: 'request', externalId: 'orderNo' } })
  await using running = await serve({ operations: erp.list, draft: (...given) => erp.draft(...given) })
  const refused = await running.post(request, { 'idempotency-key': 'k' })
  expect([refused.status, textOf(refused)]).toEqual([
    400,
    expect.stringContaining('Idempotency-Key "k" and the body\'s id "000777" differ'),
  ])
  await running.post(request, { 'idempotency-key': '000777' })
  expect(running.host.drafts.map(({ externalId }) => externalId)).toEqual(['000777'])
})

test('errors that say when to come back do so in HTTP', async () => {
  const busy = new GatewayError('BREAKER_OPEN', 'the order system rests', { retryAfterMs: 2500 })
  await using running = await serve({ reply: () => busy })
  expect((await running.post(request)).headers).toMatchObject({ 'retry-after': '3' })
})

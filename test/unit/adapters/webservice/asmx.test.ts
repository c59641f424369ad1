import { describe, expect, test } from 'vitest'
import type { Json } from 'dragoman'
import { encodeText } from '../../../../adapters/xml/charset.ts'
import { writeForm } from '../../../../adapters/webservice/form.ts'
import { bytesOf, dataOf, fixtures, path, serve, textOf } from './service.ts'

const orders = 'urn:example:orders:v1'
const described = { schema: new URL('order-service.wsdl', fixtures).pathname }

describe('fields', () => {
  test('of a query and of a form are the parameters, texts as they are', async () => {
    await using running = await serve()
    const fields = { id: '007', n: '1e5', tel: '+8613800138000', price: '1.10', s: '  x  ', e: '' }
    const query = writeForm(Object.entries(fields), 'utf-8')
    await running.get(`/Find?${query}`)
    expect(dataOf(running)).toEqual(fields)
    await running.form('/Find', query)
    expect(dataOf(running)).toEqual(fields)
    expect(running.host.drafts.map(({ type, kind }) => [kind, type])).toEqual([
      ['request', 'Find'],
      ['request', 'Find'],
    ])
  })

  test('are decoded in the charset of the channel, a form in its own where it says it', async () => {
    await using running = await serve({ config: { charset: 'gb18030', namespace: 'urn:erp' } })
    const response = await running.get(`/Echo?name=${writeForm([['x', '王小明']], 'gb18030').slice(2)}`)
    expect(dataOf(running)).toEqual({ name: '王小明' })
    expect(response.headers?.['content-type']).toBe('text/xml; charset=gb18030')
    expect(textOf(response)).toContain('<?xml version="1.0" encoding="gb18030"?>')
    await running.form('/Echo', 'name=%E7%8E%8B', 'UTF-8')
    expect(dataOf(running)).toEqual({ name: '王' })
    const refused = await running.get('/Echo?name=%FF%FF')
    expect([refused.status, running.host.drafts.length]).toEqual([500, 2])
  })

  test('may stand in raw bytes, with plus signs, stray percent signs and no value', async () => {
    await using running = await serve({ config: { charset: 'gbk' } })
    const raw = Buffer.from(encodeText('王', 'gbk') ?? []).toString('latin1')
    await running.get(`/Echo?a=x+y&b=100%&c=${raw}&d=&=nameless&e&f=%zz&g=a=b`)
    expect(dataOf(running)).toEqual({ a: 'x y', b: '100%', c: '王', d: '', f: '%zz', g: 'a=b' })
  })

  test.each(['utf-8', 'gbk', 'big5'])(
    "written by JScript's escape() are UTF-16, whatever the charset (%s)",
    async (charset) => {
      await using running = await serve({ config: { charset } })
      await running.get('/Echo?a=%u738B%u5c0F%20x&b=%uD83D%uDE00!&%u540D=%25u738B&c=%u12g4%u&d=%U738B')
      expect(dataOf(running)).toEqual({ a: '王小 x', b: '😀!', 名: '%u738B', c: '%u12g4%u', d: '%U738B' })
    },
  )

  test('that hold half a surrogate pair, as escape() of a text that was cut, have U+FFFD there, as in ASP.NET', async () => {
    await using running = await serve()
    await running.get('/Echo?a=%uD83D&b=%uDE00%uD83D&c=x%uD83D%20%uDE00&d=%uD83D%uD83D%uDE00')
    expect(dataOf(running)).toEqual({ a: '\uFFFD', b: '\uFFFD\uFFFD', c: 'x\uFFFD \uFFFD', d: '\uFFFD😀' })
  })

  test('that hold a bare percent sign before u and four hexadecimal digits are read so too, as in ASP.NET', async () => {
    await using running = await serve()
    await running.get('/Echo?a=50%uabcd&b=50%25uabcd')
    expect(dataOf(running)).toEqual({ a: '50\uABCD', b: '50%uabcd' })
  })

  test('are lists and typed by the config; a repeated one is a list', async () => {
    const config = { lists: ['Find/tag'], types: { 'Find/count': 'int' } }
    await using running = await serve({ config })
    await running.get('/Find?tag=a&count=3&id=1&id=2')
    expect(dataOf(running)).toEqual({ tag: ['a'], count: 3, id: ['1', '2'] })
    expect(textOf(await running.get('/Find?count=x'))).toBe(
      'System.ArgumentException: Cannot convert x to System.Int32.\n' +
        'Parameter name: type ---> System.FormatException: Input string was not in a correct format.\n',
    )
  })

  test('that the config names are needed, in any case of letters; others are ignored', async () => {
    await using running = await serve({ config: { parameters: { Add: ['a', 'b'] } } })
    await running.get('/Add?B=2&A=1&c=3')
    expect(dataOf(running)).toEqual({ a: '1', b: '2' })
    expect(textOf(await running.get('/Add?a=1'))).toBe(
      'System.InvalidOperationException: Missing parameter: b.\n',
    )
  })

  test('called __proto__ and constructor are data', async () => {
    await using running = await serve()
    await running.get('/Echo?__proto__=1&constructor=2')
    expect(Object.entries(dataOf(running) as object)).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ])
  })

  test('are at most a thousand', async () => {
    await using running = await serve()
    expect((await running.get(`/Echo?${'a=1&'.repeat(1001)}`)).status).toBe(500)
  })

  test('none are none', async () => {
    await using running = await serve()
    await running.get('/Ping')
    await running.handle({ path: `${path}/Ping`, headers: {} })
    expect(running.host.drafts.map(({ data }) => data)).toEqual([{}, {}])
  })

  test('with the words of .NET are read: True, Infinity, a date', async () => {
    const schema = new URL('asmx-types.xsd', fixtures).pathname
    await using running = await serve({ config: { schema } })
    await running.get('/Try?flag=True&size=Infinity&when=2026-01-31&ids=1&ids=2&words=a')
    expect(dataOf(running)).toEqual({
      flag: true,
      size: 'INF',
      when: '2026-01-31',
      ids: { int: [1, 2] },
      words: ['a'],
    })
    await running.get('/Try?flag=false&size=1.5&when=2026-01-31T10:00:00Z')
    expect(dataOf(running)).toEqual({
      flag: false,
      size: 1.5,
      when: '2026-01-31T10:00:00Z',
      ids: { int: [] },
      words: [],
    })
    expect(textOf(await running.get('/Try?flag=yes&size=1&when=x'))).toContain('System.Boolean')
  })
})

describe('results', () => {
  async function answer(data: Json, config: Record<string, unknown> = {}): Promise<string> {
    await using running = await serve({
      config: { namespace: 'urn:erp', ...config },
      reply: () => ({ data }),
    })
    return textOf(await running.get('/Get')).split('\n')[1] ?? ''
  }

  test('say their type in the root', async () => {
    expect(await answer('007')).toBe('<string xmlns="urn:erp">007</string>')
    expect(await answer(3)).toBe('<int xmlns="urn:erp">3</int>')
    expect(await answer(3_000_000_000)).toBe('<long xmlns="urn:erp">3000000000</long>')
    expect(await answer(1.5)).toBe('<double xmlns="urn:erp">1.5</double>')
    expect(await answer(true)).toBe('<boolean xmlns="urn:erp">true</boolean>')
    expect(await answer(['a', ''])).toMatch(
      /^<ArrayOfString .*><string>a<\/string><string\/><\/ArrayOfString>$/u,
    )
    expect(await answer(['a', 1])).toMatch(/^<ArrayOfAnyType .*<anyType>1<\/anyType><\/ArrayOfAnyType>$/u)
    expect(await answer({ total: '1.10' })).toMatch(/^<GetResult .*><total>1.10<\/total><\/GetResult>$/u)
    expect(await answer({ GetResult: 'x' })).toBe('<string xmlns="urn:erp">x</string>')
    expect(await answer(null)).toMatch(/^<string .*xsi:nil="true"\/>$/u)
  })

  test('by a schema have its types, whether the result alone or the whole response came', async () => {
    const ticket = { '@ticketId': '1', '@status': 'NEW', subject: 'T', opened: '2024-01-01T00:00:00Z' }
    for (const data of [ticket, { GetTicketResult: ticket }]) {
      await using running = await serve({ config: described, reply: () => ({ data }) })
      const text = textOf(await running.get('/GetTicket?ticketId=1'))
      expect(text).toMatch(/<Ticket .*ticketId="1" status="NEW"><subject>T<\/subject>/u)
      expect(text).toContain(`xmlns="${orders}"`)
    }
  })

  test('that do not fit the schema are a fault of ours', async () => {
    await using running = await serve({ config: described, reply: () => ({ data: 'twelve' }) })
    const response = await running.get('/AddPrices?a=1&b=2')
    expect([response.status, textOf(response).includes('ENCODE_FAILED')]).toEqual([500, true])
  })

  test('that are stale are marked in the root and in HTTP', async () => {
    const asOf = '2026-01-01T00:00:00Z'
    await using running = await serve({
      scope: { now: () => Date.parse(asOf) + 60_000 },
      reply: () => ({ data: 'NEW', stale: true, asOf, origin: 'cache' }),
    })
    const response = await running.get('/Get')
    expect(textOf(response)).toContain('<string stale="true">NEW</string>')
    expect(response.headers).toMatchObject({ age: '60' })
  })

  test('of a message are what was stored; of an operation without result nothing', async () => {
    await using running = await serve({
      operations: { Say: { kind: 'message' } },
      reply: () => undefined,
    })
    expect(textOf(await running.form('/Say', 'text=hi'))).toMatch(/<SayResult .*<id>m1<\/id>/u)
    await using silent = await serve({ reply: () => ({}) })
    const response = await silent.get('/Notify?id=1')
    expect([response.status, bytesOf(response).length, response.headers?.['content-type']]).toEqual([
      200,
      0,
      undefined,
    ])
  })
})

describe('refusals', () => {
  test('GET can be switched off, POST stays', async () => {
    await using running = await serve({ config: { get: false } })
    const response = await running.get('/Echo?a=1')
    expect([response.status, response.headers?.['allow']]).toEqual([405, 'POST'])
    expect(textOf(response)).toContain(
      "Request format is unrecognized for URL unexpectedly ending in '/Echo'.",
    )
    expect((await running.form('/Echo', 'a=1')).status).toBe(200)
  })

  test('HEAD carries nothing out', async () => {
    await using running = await serve()
    expect((await running.handle({ method: 'HEAD', path: `${path}/Echo` })).status).toBe(405)
    expect(running.host.drafts).toHaveLength(0)
  })

  test('an operation that is not offered and one with structured parameters have no name here', async () => {
    await using running = await serve({ config: described })
    for (const name of ['Nope', 'CreateOrder'])
      expect(textOf(await running.get(`/${name}?x=1`))).toBe(
        `System.InvalidOperationException: ${name} Web Service method name is not valid.\n`,
      )
    expect(running.host.drafts).toHaveLength(0)
  })

  test('another format than a form is told as the original tells it', async () => {
    await using running = await serve()
    const response = await running.handle({
      path: `${path}/Echo`,
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode('{}'),
    })
    expect([response.status, textOf(response)]).toEqual([
      500,
      'System.InvalidOperationException: Request format is invalid: application/json.\n',
    ])
    const atThePath = await running.handle({ headers: { 'content-type': 'application/json' } })
    expect(atThePath.status).toBe(415)
  })

  test('markup is refused only where requests are validated', async () => {
    await using strict = await serve({ config: { requestValidation: true } })
    expect(textOf(await strict.get('/Echo?a=%3Cb%3E'))).toContain('HttpRequestValidationException')
    await using lenient = await serve()
    expect((await lenient.get('/Echo?a=%3Cb%3E')).status).toBe(200)
    expect((await strict.get('/Echo?a=1%3C2%20%26%20x')).status).toBe(200)
  })
})

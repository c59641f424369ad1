import { describe, expect, test } from 'vitest'
import type { Json, Reply } from 'dragoman'
import { GatewayError } from 'dragoman'
import { dataOf, serve, textOf } from './service.ts'
import { call, result } from './xmlrpc-calls.ts'

/** What one value becomes as data. */
async function decoded(value: string): Promise<unknown> {
  await using running = await serve()
  const answer = result(await running.post(call('echo', value)))
  const { params } = (dataOf(running) ?? {}) as { params?: readonly Json[] }
  return params === undefined ? answer : params[0]
}

/** The answer to `get` with this data behind it, its value as text. */
async function written(reply: Partial<Reply>, config: Record<string, unknown> = {}): Promise<string> {
  await using running = await serve({ config, reply: () => reply })
  const text = textOf(await running.post(call('get')))
  return /<param><value>(.*)<\/value><\/param>/su.exec(text)?.[1] ?? text
}

describe('a value', () => {
  test.each<[string, string, Json]>([
    ['int', '<int>-5</int>', -5],
    ['i4 with a sign and zeros', '<i4> +007 </i4>', 7],
    ['i8', '<i8>9007199254740993</i8>', '9007199254740993'],
    ['int beyond 32 bits', '<int>2147483648</int>', '2147483648'],
    ['double that is infinite', '<double>INF</double>', 'INF'],
    ['ex:i8 of Apache', '<e:i8 xmlns:e="http://ws.apache.org/xmlrpc/namespaces/extensions">5</e:i8>', '5'],
    ['boolean', '<boolean>1</boolean>', true],
    ['boolean 0', '<boolean>0</boolean>', false],
    ['string', '<string>  &lt;x&gt; 1.10 </string>', '  <x> 1.10 '],
    ['string without a type', ' 007 ', ' 007 '],
    ['string that is empty', '<string/>', ''],
    ['no type and nothing', '', ''],
    ['double', '<double>-12.214</double>', -12.214],
    ['double that a number cannot say', '<double>0.10000000000000000001</double>', '0.10000000000000000001'],
    ['double of Python', '<double>1e+16</double>', 1e16],
    ['dateTime.iso8601', '<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>', '19980717T14:08:55'],
    [
      'dateTime with hyphens',
      '<dateTime.iso8601>2026-01-31T10:00:00Z</dateTime.iso8601>',
      '2026-01-31T10:00:00Z',
    ],
    ['base64 over lines', '<base64>\neW91\n IGNh\n</base64>', 'eW91IGNh'],
    ['nil', '<nil/>', null],
    ['array', '<array><data><value>a</value><value><int>1</int></value></data></array>', ['a', 1]],
    ['array of nothing', '<array><data/></array>', []],
    ['array of Apache without data', '<array/>', []],
  ])('%s', async (_type, value, data) => {
    expect(await decoded(value)).toEqual(data)
  })

  test.each([
    ['an int beyond 64 bits', '<int>9223372036854775808</int>'],
    ['an i8 beyond 64 bits', '<i8>9223372036854775808</i8>'],
    ['text as int', '<int>12abc</int>'],
    ['nothing as int', '<int/>'],
    ['words as a double', '<double>infinite</double>'],
    ['a boolean in words', '<boolean>true</boolean>'],
    ['a date that is none', '<dateTime.iso8601>yesterday</dateTime.iso8601>'],
    ['base64 that is none', '<base64>?</base64>'],
    ['an unknown type', '<decimal>1</decimal>'],
    ['a foreign namespace', '<int xmlns="urn:x">1</int>'],
    ['two things', '<int>1</int><int>2</int>'],
    ['text beside a type', 'x<int>1</int>'],
    ['elements in a string', '<string><b/></string>'],
    [
      'a member twice',
      '<struct><member><name>a</name><value/></member><member><name>a</name><value/></member></struct>',
    ],
    ['a member without name', '<struct><member><value/></member></struct>'],
    ['a bare array', '<array><value/></array>'],
  ])('that is %s is refused, and nothing is carried out', async (_what, value) => {
    await using running = await serve()
    expect(result(await running.post(call('echo', value)))).toMatchObject({
      fault: [-32602, expect.stringMatching(/^DECODE_FAILED: xml-rpc: /u)],
    })
    expect(running.host.drafts).toHaveLength(0)
  })

  test('called __proto__ or constructor stays data', async () => {
    await using running = await serve()
    const struct =
      '<struct><member><name>__proto__</name><value><struct><member><name>polluted</name><value>1</value></member></struct></value></member></struct>'
    expect(result(await running.post(call('constructor', struct)))).toEqual(
      JSON.parse('{"__proto__":{"polluted":"1"}}'),
    )
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })
})

describe('parameters', () => {
  test('are a list under "params", one struct alone is the data itself', async () => {
    await using running = await serve()
    await running.post(call('find', 'a', '<int>1</int>'))
    await running.post(call('find'))
    await running.post('<methodCall><methodName>find</methodName></methodCall>')
    await running.post(call('find', '<struct><member><name>no</name><value>7</value></member></struct>'))
    await running.post(
      call(
        'find',
        '<struct><member><name>params</name><value><array><data/></array></value></member></struct>',
      ),
    )
    expect(running.host.drafts.map(({ data }) => data)).toEqual([
      { params: ['a', 1] },
      { params: [] },
      { params: [] },
      { no: '7' },
      { params: [{ params: [] }] },
    ])
  })

  test('have names where the config gives them; too many are refused', async () => {
    await using running = await serve({ config: { parameters: { find: ['no', 'full'] } } })
    await running.post(call('find', '<struct/>', '<boolean>1</boolean>'))
    await running.post(call('find', '7'))
    expect(running.host.drafts.map(({ data }) => data)).toEqual([{ no: {}, full: true }, { no: '7' }])
    expect(result(await running.post(call('find', '1', '2', '3')))).toMatchObject({
      fault: [-32602, expect.anything()],
    })
  })
})

describe('an answer', () => {
  test('is typed by its JSON', async () => {
    expect(await written({ data: 7 })).toBe('<int>7</int>')
    expect(await written({ data: 3_000_000_000 })).toBe('<i8>3000000000</i8>')
    expect(await written({ data: 0.1 })).toBe('<double>0.1</double>')
    expect(await written({ data: 1e21 })).toBe('<double>1000000000000000000000.0</double>')
    expect(await written({ data: '9007199254740993' })).toBe('<string>9007199254740993</string>')
    expect(await written({ data: null })).toBe('<nil/>')
    expect(await written({ data: { a: [true, ''], '': {} } })).toBe(
      '<struct><member><name>a</name><value><array><data><value><boolean>1</boolean></value><value><string></string></value></data></array></value></member><member><name></name><value><struct></struct></value></member></struct>',
    )
  })

  test('without data is an empty string, which every client reads; text is text', async () => {
    expect(await written({})).toBe('<string></string>')
    expect(await written({ parts: [{ kind: 'text', text: 'hello' }] })).toBe('<string>hello</string>')
  })

  test('has the types the config gives, whatever lists are on the way', async () => {
    const types = {
      'getResponse/id': 'long',
      'getResponse/line/at': 'xs:dateTime',
      'getResponse/line/image': 'base64Binary',
      'getResponse/sum': 'decimal',
    }
    const data = { id: '12', line: [{ at: '2026-01-31T10:00:00', image: 'AAE=' }], sum: '1.10' }
    const text = await written({ data }, { types })
    for (const one of [
      '<i8>12</i8>',
      '<dateTime.iso8601>20260131T10:00:00</dateTime.iso8601>',
      '<base64>AAE=</base64>',
      '<double>1.10</double>',
    ])
      expect(text).toContain(one)
    expect(await written({ data: { id: 'twelve' } }, { types })).toContain('ENCODE_FAILED')
  })

  test('has integers of numbers of JSON that a double would change, which are text', async () => {
    const data = { n: '5.0', id: '90071992547409930e-1' }
    const text = await written({ data }, { types: { 'getResponse/n': 'int', 'getResponse/id': 'long' } })
    expect(text).toContain('<int>5</int>')
    expect(text).toContain('<i8>9007199254740993</i8>')
  })

  test('has the types the business system said beside it', async () => {
    const metadata = { 'xmlrpc:types': '{"/a/0":"double","/b":"i8","/c":"nonsense"}' }
    expect(await written({ data: { a: [1], b: '5', c: 'x' }, metadata })).toMatch(
      /<double>1\.0<\/double>.*<i8>5<\/i8>.*<string>x<\/string>/u,
    )
    expect(await written({ data: 'x', metadata: { 'xmlrpc:types': '{' } })).toBe('<string>x</string>')
  })

  test('that repeats the base64 or the date of the call keeps its type, unless that was a string too', async () => {
    await using running = await serve({ reply: () => ({ data: { image: 'AAE=', name: 'abc' } }) })
    const image = '<base64>AAE=</base64>'
    expect(textOf(await running.post(call('put', image, 'abc')))).toContain(image)
    expect(textOf(await running.post(call('put', image, 'AAE=')))).not.toContain(image)
    expect(textOf(await running.post(call('put', '<i8>5</i8>')))).not.toContain('i8')
  })

  test('in the charset of the caller', async () => {
    await using running = await serve()
    const body = Buffer.concat([
      Buffer.from(
        '<?xml version="1.0" encoding="GBK"?><methodCall><methodName>echo</methodName><params><param><value>',
      ),
      Buffer.from([0xcd, 0xf5]),
      Buffer.from('</value></param></params></methodCall>'),
    ])
    const response = await running.post(body, { 'content-type': 'text/xml' })
    expect(dataOf(running)).toEqual({ params: ['王'] })
    expect(response.headers?.['content-type']).toBe('text/xml; charset=gbk')
    await using echo = await serve({ reply: () => ({ data: '王😀' }) })
    expect(textOf(await echo.post(body, { 'content-type': 'text/xml' }))).toContain(
      '<string>王&#x1F600;</string>',
    )
  })

  test('that is stale says so in HTTP, and in itself if it is a struct', async () => {
    const asOf = '2026-01-01T00:00:00Z'
    await using running = await serve({
      scope: { now: () => Date.parse(asOf) + 5000 },
      reply: () => ({ data: { no: '7' }, stale: true, asOf }),
    })
    const response = await running.post(call('get'))
    expect(result(response)).toEqual({ no: '7', stale: true })
    expect(response.headers).toMatchObject({ age: '5', 'cache-status': 'dragoman; hit; detail=stale' })
  })

  test('to a message is what was stored', async () => {
    await using running = await serve({ operations: { say: { kind: 'message' } }, reply: () => undefined })
    expect(result(await running.post(call('say', 'hello')))).toEqual({
      id: 'm1',
      conversation: 'c',
      sequence: 1,
      duplicate: false,
    })
  })
})

describe('a fault', () => {
  test.each([
    ['4', [4, 'Too many <parameters> ü']],
    ['-7', [-7, 'Too many <parameters> ü']],
    ['99999999999', [-32500, '99999999999: Too many <parameters> ü']],
    ['NOT_SHIPPED', [-32500, 'NOT_SHIPPED: Too many <parameters> ü']],
    ['KNOWN', [404, 'Too many <parameters> ü']],
    ['__proto__', [-32500, '__proto__: Too many <parameters> ü']],
  ])('of the business with the code %s', async (code, fault) => {
    await using running = await serve({
      config: { faultCodes: { KNOWN: 404 } },
      reply: () => ({ fault: { code, message: 'Too many <parameters> ü' } }),
    })
    expect(result(await running.post(call('fail')))).toEqual({ fault })
  })

  test('tells what kind of failure it is (Fault Code Interoperability)', async () => {
    await using running = await serve({ operations: { echo: { kind: 'request' } } })
    const codeOf = async (body: string): Promise<unknown> => result(await running.post(body))
    expect(await codeOf('<methodCall><broken')).toMatchObject({ fault: [-32700, expect.anything()] })
    expect(await codeOf('<!DOCTYPE x><methodCall/>')).toMatchObject({ fault: [-32700, expect.anything()] })
    expect(await codeOf('<methodCall/>')).toMatchObject({ fault: [-32600, expect.anything()] })
    expect(await codeOf('<methodCall><methodName> </methodName></methodCall>')).toMatchObject({
      fault: [-32600, expect.anything()],
    })
    expect(await codeOf(call('nope'))).toMatchObject({ fault: [-32601, expect.anything()] })
  })

  test('names what it refuses also where that is no character of XML', async () => {
    await using running = await serve({ reply: () => new GatewayError('BACKEND_FAILED', 'it said \u0000') })
    expect(result(await running.post(call('x')))).toEqual({
      fault: [-32033, String.raw`BACKEND_FAILED: it said \u0000`],
    })
  })
})

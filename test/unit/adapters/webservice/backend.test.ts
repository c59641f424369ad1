import { readFile } from 'node:fs/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { GatewayError } from 'dragoman'
import { testBackend, testMessage } from 'dragoman/testing'
import adapter from '../../../../adapters/webservice/index.ts'
import { decodeText, encodeText } from '../../../../adapters/xml/charset.ts'
import { asked, dialects, type Canned, type Seen } from './canned.ts'
import { ask, loop, makeBackend } from './loop.ts'
import { addressOf, fixtures } from './service.ts'

const textOf = (seen: Seen): string => new TextDecoder().decode(seen.body)

testBackend('webservice', {
  adapter,
  config: { dialect: 'pox', url: 'http://erp.example.com/', operations: { GetOrder: {} } },
  scope: {
    fetch: async () => new Response('<R><no>007</no></R>', { headers: { 'content-type': 'text/xml' } }),
  },
  calls: [{ operation: 'GetOrder', params: { no: '7' }, answer: { data: { no: '007' } } }],
})

describe('plain XML', () => {
  test('sends a document in its charset and namespace, and reads the answer in the answer’s', async () => {
    const { answer, seen } = await asked(
      { dialect: 'pox', charset: 'GBK', namespace: 'urn:erp' },
      { type: 'text/xml; charset=big5', body: encodeText('<R><名>王</名></R>', 'big5') ?? '' },
      { 名: '王小明', empty: '', line: ['1', '2'] },
    )
    expect(answer).toEqual({ data: { 名: '王' } })
    expect([seen.method, seen.url]).toEqual(['POST', 'http://erp.example.com/service'])
    expect(seen.headers.get('content-type')).toBe('text/xml; charset=gbk')
    expect(decodeText(seen.body, 'gbk')).toBe(
      '<?xml version="1.0" encoding="gbk"?>\n<GetOrder xmlns="urn:erp"><名>王小明</名><empty/><line>1</line><line>2</line></GetOrder>',
    )
  })

  test('sends the stable key, the trace and what headers the config says', async () => {
    const headers = { Authorization: "'Basic ' & $message.sender.id", 'x-no': 'no', 'x-none': 'nothing' }
    const { seen } = await asked({ dialect: 'pox', headers }, { body: '<R/>' }, { no: '7' })
    expect(Object.fromEntries(seen.headers)).toMatchObject({
      'idempotency-key': 'key-1',
      traceparent: testMessage().traceparent,
      authorization: 'Basic ann',
      'x-no': '7',
    })
    expect(seen.headers.has('x-none')).toBe(false)
  })

  test.each([
    ['a line end, which would begin another header (RFC 9110 §5.5)', '7\r\nx-evil: 1'],
    ['a character beyond Latin-1', '王'],
  ])(
    'a parameter that would bring %s into a header is the caller’s mistake, and nothing is sent',
    async (_, no) => {
      const calling = asked({ dialect: 'pox', headers: { 'x-no': 'no' } }, { body: '<R/>' }, { no })
      await expect(calling).rejects.toMatchObject({ code: 'DECODE_FAILED', notExecuted: true })
    },
  )

  test('reads an answer without a stated charset in the configured one', async () => {
    const body = encodeText('<R>王</R>', 'gb18030') ?? ''
    const { answer } = await asked({ dialect: 'pox', charset: 'gb18030' }, { type: 'text/xml', body })
    expect(answer).toEqual({ data: '王' })
  })

  test('reads types and lists by the config or the schema', async () => {
    const { answer } = await asked(
      { dialect: 'pox', types: { 'R/count': 'int' }, lists: ['R/line'] },
      { body: '<R><count>3</count><line>a</line></R>' },
    )
    expect(answer).toEqual({ data: { count: 3, line: ['a'] } })
    const schema = new URL('order-service.wsdl', fixtures).pathname
    const ticket =
      '<ListTicketsResponse xmlns="urn:example:orders:v1"><ListTicketsResult/></ListTicketsResponse>'
    const typed = await asked({ dialect: 'pox', schema }, { body: ticket })
    expect(typed.answer).toEqual({ data: { ListTicketsResult: { Ticket: [] } } })
  })

  test('shapes the answer by result, and finds a no in it by fault', async () => {
    const operations = {
      '*': {
        result: '{ "no": order.no, "left": $headers."x-left", "cookies": $headers."set-cookie" }',
        fault: 'error.code != "0" ? { "code": error.code, "message": error.text }',
      },
    }
    const good = '<R><error><code>0</code></error><order><no>7</no></order></R>'
    const headers = { 'x-left': '5' }
    const cookies = ['sid=1; Path=/', 'lang=de']
    const { answer } = await asked({ dialect: 'pox', operations }, { body: good, headers, cookies })
    expect(answer).toEqual({ data: { no: '7', left: '5', cookies } })
    const bad = '<R><error><code>12</code><text>sold out</text></error></R>'
    const refused = await asked({ dialect: 'pox', operations }, { body: bad })
    expect(refused.answer).toEqual({ fault: { code: '12', message: 'sold out' } })
  })

  test('goes where path says, with what the address has', async () => {
    const operations = { '*': { path: '/{operation}.do' } }
    const { seen } = await asked(
      { dialect: 'pox', url: 'http://erp.example.com/x/?v=1', operations },
      { body: '<R/>' },
    )
    expect(seen.url).toBe('http://erp.example.com/x/GetOrder.do?v=1')
  })

  test.each(['.', '..'])(
    'an operation named %j stays in its place of the path: it is refused',
    async (name) => {
      const config = { dialect: 'asmx-get', url: 'http://erp.example.com/x', operations: { '*': {} } }
      const fetched = () => expect.unreachable('it went out')
      await using backend = await makeBackend(config, fetched)
      await expect(ask(backend, name, {})).rejects.toMatchObject({ code: 'DECODE_FAILED', notExecuted: true })
    },
  )

  test('an empty answer is one without data', async () => {
    expect((await asked({ dialect: 'pox' }, { type: '', body: '' })).answer).toEqual({})
  })
})

describe('ASMX', () => {
  test('asks by GET and by POST in its charset', async () => {
    const params = { no: '7', name: '王', tags: { string: ['a', 'b'] }, ids: [1, 2], gone: null }
    const body = '<string xmlns="urn:erp">done</string>'
    const got = await asked({ dialect: 'asmx-get', charset: 'gbk' }, { body }, params)
    expect([got.seen.method, got.seen.url]).toEqual([
      'GET',
      'http://erp.example.com/service/GetOrder?no=7&name=%CD%F5&tags=a&tags=b&ids=1&ids=2',
    ])
    expect(got.answer).toEqual({ data: 'done' })
    const posted = await asked({ dialect: 'asmx-post', charset: 'gbk' }, { body }, params)
    expect([posted.seen.method, posted.seen.url, textOf(posted.seen)]).toEqual([
      'POST',
      'http://erp.example.com/service/GetOrder',
      'no=7&name=%CD%F5&tags=a&tags=b&ids=1&ids=2',
    ])
    expect(posted.seen.headers.get('content-type')).toBe('application/x-www-form-urlencoded; charset=gbk')
  })

  test('a SoapException is the business system’s no, any other exception a breakage', async () => {
    const text = (exception: string): Canned => ({
      status: 500,
      type: 'text/plain; charset=utf-8',
      body: `${exception}: Ticket not found\n  at Shop.Get (Int64 id)\n`,
    })
    const { answer } = await asked(
      { dialect: 'asmx-get' },
      text('System.Web.Services.Protocols.SoapException'),
    )
    expect(answer).toEqual({ fault: { code: 'Server', message: 'Ticket not found' } })
    await expect(asked({ dialect: 'asmx-get' }, text('System.NullReferenceException'))).rejects.toMatchObject(
      {
        code: 'BACKEND_FAILED',
      },
    )
  })

  test('structures cannot be form fields, and nothing is sent', async () => {
    for (const params of [{ a: { b: 'c' } }, 'text', [1]])
      await expect(asked({ dialect: 'asmx-get' }, {}, params)).rejects.toMatchObject({
        code: 'DECODE_FAILED',
        notExecuted: true,
      })
  })
})

describe('XML-RPC', () => {
  const response = (value: string): string =>
    `<?xml version="1.0"?><methodResponse><params><param><value>${value}</value></param></params></methodResponse>`

  test('a fault is the business system’s no', async () => {
    const { answer } = await asked(
      { dialect: 'xmlrpc' },
      {
        body: '<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>4</int></value></member><member><name>faultString</name><value><string>Too many &lt;parameters&gt;</string></value></member></struct></value></fault></methodResponse>',
      },
    )
    expect(answer).toEqual({ fault: { code: '4', message: 'Too many <parameters>' } })
  })

  test('positions come from params, from a list, or by name from the config', async () => {
    const config = { dialect: 'xmlrpc' }
    const body = response('<i8>9007199254740993</i8>')
    for (const params of [{ params: ['a', 1] }, ['a', 1]]) {
      const { seen, answer } = await asked(config, { body }, params)
      expect(textOf(seen)).toContain(
        '<param><value><string>a</string></value></param><param><value><int>1</int></value></param>',
      )
      expect(answer).toEqual({
        data: '9007199254740993',
        metadata: { 'xmlrpc:types': '{"":"i8"}' },
      })
    }
    const named = { ...config, operations: { GetOrder: { parameters: ['no', 'full'] } } }
    const { seen } = await asked(named, { body }, { full: true, no: '7' })
    expect(textOf(seen)).toContain('<string>7</string></value></param><param><value><boolean>1</boolean>')
    for (const params of [{ full: true }, { no: '7', more: 1 }, '7'])
      await expect(asked(named, { body }, params)).rejects.toMatchObject({
        code: 'DECODE_FAILED',
        notExecuted: true,
      })
  })

  test('what came by XML-RPC goes on and comes back as the types it had', async () => {
    await using both = await loop({ dialect: 'xmlrpc' })
    const params = { params: ['9007199254740993', 'AAE=', 1, '20240229T23:59:59'] }
    const types = {
      '/params/0': 'i8',
      '/params/1': 'base64',
      '/params/2': 'double',
      '/params/3': 'dateTime.iso8601',
    }
    const message = {
      ...testMessage({ kind: 'request', type: 'echo', data: params }),
      metadata: { 'xmlrpc:types': JSON.stringify(types) },
    }
    const { seen } = { seen: both.sent }
    await both.call('echo', params, message)
    const sent = new TextDecoder().decode(seen().init.body as Uint8Array)
    for (const value of [
      '<i8>9007199254740993</i8>',
      '<base64>AAE=</base64>',
      '<double>1.0</double>',
      '<dateTime.iso8601>20240229T23:59:59</dateTime.iso8601>',
    ])
      expect(sent).toContain(value)
    await both.call('echo', { params: ['changed by a route'] }, message)
    expect(new TextDecoder().decode(seen().init.body as Uint8Array)).toContain(
      '<string>changed by a route</string>',
    )
  })

  test('types of the config make an i8 of a text', async () => {
    const types = { 'GetOrder/params': 'long' }
    const { seen } = await asked({ dialect: 'xmlrpc', types }, { body: response('') }, { params: ['5'] })
    expect(textOf(seen)).toContain('<i8>5</i8>')
  })

  test('an answer that is shaped is no longer what its types were noted for', async () => {
    const operations = { '*': { result: '$' } }
    const { answer } = await asked({ dialect: 'xmlrpc', operations }, { body: response('<i8>5</i8>') })
    expect(answer).toEqual({ data: '5' })
  })
})

describe('what is no answer', () => {
  test.each(dialects)('%s: another status is a breakage', async (dialect) => {
    for (const status of [301, 401, 403, 404, 408, 425, 429, 500, 502, 503]) {
      const failed = asked({ dialect }, { status, type: 'text/plain', body: 'no' })
      await expect(failed).rejects.toMatchObject({ code: 'BACKEND_FAILED', notExecuted: status === 429 })
    }
  })

  test.each(dialects)('%s: hostile or broken bodies are breakages', async (dialect) => {
    for (const body of [
      '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
      '<a>',
      '{}',
      '\u0000',
    ])
      await expect(asked({ dialect }, { body })).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  })

  test('425 speaks of the moment also where a fault comes with it (RFC 8470 §5.2)', async () => {
    const early = { status: 425, body: '<fault><code>E</code><message>early</message></fault>' }
    await expect(asked({ dialect: 'pox' }, early)).rejects.toMatchObject({ detail: { status: 425 } })
  })

  test('Retry-After is told on, seconds and a date (RFC 9110 §10.2.3)', async () => {
    const failed = asked({ dialect: 'pox' }, { status: 503, headers: { 'retry-after': '7' } })
    await expect(failed).rejects.toMatchObject({ retryAfterMs: 7000 })
    const past = asked(
      { dialect: 'pox' },
      { status: 429, headers: { 'retry-after': 'Sat, 31 Jan 2015 09:00:30 GMT' } },
    )
    await expect(past).rejects.toMatchObject({ retryAfterMs: 0 })
  })

  test('names of Object.prototype in an answer stay data', async () => {
    const { answer } = await asked(
      { dialect: 'pox' },
      { body: '<R><__proto__><polluted>1</polluted></__proto__></R>' },
    )
    expect(JSON.stringify(answer)).toBe('{"data":{"__proto__":{"polluted":"1"}}}')
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test('an operation that is not there is refused', async () => {
    const backend = await makeBackend(
      { dialect: 'pox', url: 'http://erp.example.com/', operations: { Get: {} } },
      fetch,
    )
    await expect(ask(backend, 'Put', {})).rejects.toMatchObject({ code: 'NO_ROUTE', notExecuted: true })
  })
})

describe('another gateway of ours', () => {
  test.each(['pox', 'xmlrpc'] as const)(
    '%s: its business faults are the business’s, its errors breakages',
    async (dialect) => {
      const fault = { code: '404', message: 'no such order' }
      await using refusing = await loop({ dialect }, { reply: () => ({ fault }) })
      expect(await refusing.call('Get', {})).toEqual({ fault })
      await using broken = await loop({ dialect }, { reply: () => new GatewayError('NO_ROUTE', 'nobody') })
      if (dialect === 'pox')
        await expect(broken.call('Get', {})).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
      else expect(await broken.call('Get', {})).toMatchObject({ fault: { code: '-32601' } })
    },
  )

  test('by form a business fault too', async () => {
    await using refusing = await loop(
      { dialect: 'asmx-post' },
      { reply: () => ({ fault: { code: 'X', message: 'no such order' } }) },
    )
    expect(await refusing.call('Get', {})).toEqual({ fault: { code: 'Server', message: 'no such order' } })
    await using broken = await loop(
      { dialect: 'asmx-post' },
      { reply: () => new GatewayError('BREAKER_OPEN', 'rests') },
    )
    await expect(broken.call('Get', {})).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  })
})

test('a schema of a URL that is not there keeps no backend from starting, and nothing is called without it (SEMANTICS 3)', async () => {
  const text = await readFile(new URL('order-service.wsdl', fixtures), 'utf8')
  let up = false
  const urls: string[] = []
  const fetched: typeof fetch = async (input) => {
    urls.push(addressOf(input))
    if (!up) throw new GatewayError('BACKEND_FAILED', 'cannot connect', { notExecuted: true })
    return new Response(urls.at(-1)?.endsWith('wsdl') === true ? text : '<R/>', {
      headers: { 'content-type': 'text/xml' },
    })
  }
  const url = 'http://erp.example.com/service'
  const now = vi.spyOn(Date, 'now')
  onTestFinished(() => now.mockRestore())
  await using backend = await makeBackend({ dialect: 'pox', url, schema: `${url}?wsdl` }, fetched)
  await expect(ask(backend, 'GetOrder', {})).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    notExecuted: true,
  })
  expect(urls).toEqual([`${url}?wsdl`]) // not asked again within the pause
  up = true
  now.mockReturnValue(new Date().getTime() + 2000)
  await expect(ask(backend, 'GetOrder', {})).resolves.toEqual({ data: '' })
  expect(urls.slice(1)).toEqual([`${url}?wsdl`, url])
  await expect(makeBackend({ dialect: 'pox', url, schema: '/no/such.xsd' }, fetched)).rejects.toThrow(
    /no\/such\.xsd/u,
  )
})

// What real XML-RPC servers answer: from the business system, and on to a caller of XML-RPC.
import { describe, expect, test } from 'vitest'
import type { Answer } from 'dragoman'
import { encodeText } from '../../../../adapters/xml/charset.ts'
import { ask, makeBackend } from './loop.ts'
import { bytesOf, serve, textOf, type Running } from './service.ts'
import { call } from './xmlrpc-calls.ts'

/** The answer of a business system that says this inside `methodResponse`. */
async function answered(inside: string): Promise<Answer> {
  const body = `<?xml version="1.0"?><methodResponse>${inside}</methodResponse>`
  await using backend = await makeBackend(
    { dialect: 'xmlrpc', url: 'http://erp.example.com/RPC2' },
    async () => new Response(body, { headers: { 'content-type': 'text/xml' } }),
  )
  return ask(backend, 'write', {})
}

/** What a caller of XML-RPC gets for it. */
async function told(answer: Answer): Promise<string> {
  await using running = await serve({ reply: () => answer })
  return textOf(await running.post(call('write')))
}

const value = (inside: string): string => `<params><param><value>${inside}</value></param></params>`

describe('an answer', () => {
  test.each([
    ['an int beyond 32 bits (Perl)', '<int>5000000000</int>', '5000000000', 'i8'],
    ['an i4 below -32 bits', '<i4>-5000000000</i4>', '-5000000000', 'i8'],
    ['no number (Python)', '<double>nan</double>', 'nan', 'double'],
    ['infinity (Python)', '<double>-inf</double>', '-inf', 'double'],
    ['infinity (Java)', '<double>Infinity</double>', 'Infinity', 'double'],
    ['infinity (XSD)', '<double>INF</double>', 'INF', 'double'],
  ])('of %s is its text, and goes on as its type', async (_what, inside, data, type) => {
    const answer = await answered(value(inside))
    expect(answer).toEqual({ data, metadata: { 'xmlrpc:types': `{"":"${type}"}` } })
    expect(await told(answer)).toContain(`<${type}>${data}</${type}>`)
  })

  test('without a value, as XMLRPC::Lite writes it, has no data', async () => {
    expect(await answered('<params/>')).toEqual({})
    expect(await answered('<params>\n</params>')).toEqual({})
    expect(await told({})).toContain(value('<string></string>'))
  })

  test.each(['<int>99999999999999999999</int>', '<double>many</double>', '<double>infinite</double>'])(
    'of %s is none',
    async (inside) => {
      await expect(answered(value(inside))).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
    },
  )
})

describe('a fault', () => {
  const fault = (code: string, text = 'nope'): string =>
    `<fault><value><struct><member><name>faultCode</name><value>${code}</value></member><member><name>faultString</name><value>${text}</value></member></struct></value></fault>`

  test.each([
    ['a word', '<string>STOCK.EMPTY</string>', 'STOCK.EMPTY'],
    ['a word without a type', 'Server', 'Server'],
  ])('whose code is %s keeps it; a caller has it before the text', async (_what, code, kept) => {
    const answer = await answered(fault(code))
    expect(answer).toEqual({ fault: { code: kept, message: 'nope' } })
    expect(await told(answer)).toMatch(new RegExp(`<int>-32500</int>.*<string>${kept}: nope</string>`, 'u'))
  })

  test.each([
    ['text', '<string>4711</string>', '4711'],
    ['a double', '<double>4711.0</double>', '4711'],
    ['nothing', '<string/>', '0'],
  ])('whose code is a number as %s goes on as that number', async (_what, code, kept) => {
    const answer = await answered(fault(code))
    expect(answer).toEqual({ fault: { code: kept, message: 'nope' } })
    expect(await told(answer)).toContain(`<int>${kept}</int>`)
  })

  test.each([
    ['<int>5</int>', '5'],
    ['<boolean>1</boolean>', 'true'],
    ['<struct><member><name>a</name><value>b</value></member></struct>', '{"a":"b"}'],
    ['', '4711'],
    ['<string> </string>', '4711'],
  ])('whose text is %s says what there is, or its code', async (text, message) => {
    expect(await answered(fault('<int>4711</int>', text))).toEqual({ fault: { code: '4711', message } })
  })
})

describe('on a channel whose callers speak GB18030 if they do not say what they speak', () => {
  const speaksGb = (answer: Answer): Promise<Running> =>
    serve({ config: { charset: 'gb18030' }, reply: () => answer })
  const silent = { 'content-type': 'text/xml' }

  test('a call of ASCII alone is answered as every reader understands, expat too: ASCII that is called UTF-8', async () => {
    await using running = await speaksGb({ data: '王😀' })
    const response = await running.post(call('get', 'x'), silent)
    expect(response.headers?.['content-type']).toBe('text/xml; charset=utf-8')
    expect(Buffer.from(bytesOf(response)).toString('latin1')).toBe(
      '<?xml version="1.0" encoding="utf-8"?>\n<methodResponse><params><param><value><string>&#x738B;&#x1F600;</string></value></param></params></methodResponse>',
    )
  })

  test('so are its faults, and a call that is not well-formed', async () => {
    await using running = await speaksGb({ fault: { code: '7', message: '王' } })
    for (const body of [call('get'), '<methodCall><get></methodCall>', '<methodCall><other/></methodCall>']) {
      const response = await running.post(body, silent)
      expect(response.headers?.['content-type']).toBe('text/xml; charset=utf-8')
      expect(textOf(response)).toContain('<?xml version="1.0" encoding="utf-8"?>\n<methodResponse><fault>')
      expect(Buffer.from(bytesOf(response)).every((octet) => octet < 128)).toBe(true)
    }
  })

  test('one that speaks GB18030, or says so, is answered in it', async () => {
    await using running = await speaksGb({ data: '王' })
    for (const [body, type] of [
      [call('get', '王'), 'text/xml'],
      [call('get'), 'text/xml; charset=gb18030'],
      [call('get').replace('?>', ' encoding="gb18030"?>'), 'text/xml'],
    ] as const) {
      const response = await running.post(encodeText(body, 'gb18030') ?? '', { 'content-type': type })
      expect(response.headers?.['content-type']).toBe('text/xml; charset=gb18030')
      expect(Buffer.from(bytesOf(response)).includes(Buffer.from([0xcd, 0xf5]))).toBe(true)
    }
  })
})

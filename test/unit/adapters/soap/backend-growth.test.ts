// Answers of systems that have grown since their description was written (DESIGN §16: unknown members are ignored).
import type { Json } from 'dragoman'
import { describe, expect, test } from 'vitest'
import { call, open, wire, xml } from './caller.ts'
import { bodyText, envelope, orders, serve, wsdl } from './service.ts'

const endpoint = 'http://x.example/ws'

async function answered(name: string, operation: string, params: Json, text: string): Promise<Json> {
  await using backend = await open({ wsdl: wsdl(name), endpoint }, { fetch: wire(() => xml(text)).fetch })
  return (await call(backend, operation, params)).data ?? null
}

describe('in document style', () => {
  const whoAmI = (inner: string, attributes = ''): Promise<Json> =>
    answered(
      'orders',
      'WhoAmI',
      {},
      envelope(`<o:WhoAmIResponse xmlns:o="${orders}" ${attributes}>${inner}</o:WhoAmIResponse>`),
    )

  test('an element or an attribute that is not in the schema is kept beside what is', async () => {
    expect(await whoAmI('<o:user>x</o:user><o:since>2026</o:since>')).toEqual({ user: 'x', since: '2026' })
    expect(await whoAmI('<o:user>x</o:user>', 'node="7"')).toEqual({ '@node': '7', user: 'x' })
  })

  test('a value the schema has stays what it is, whatever attribute comes with it', async () => {
    expect(await whoAmI('<o:user id="u1">x</o:user>')).toEqual({ user: 'x' })
  })
})

/** As PHP's SoapServer writes it without a WSDL. */
const php = (inner: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="urn:example:errands" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><SOAP-ENV:Body>${inner}</SOAP-ENV:Body></SOAP-ENV:Envelope>
`

describe('in rpc style', () => {
  test('what a void operation returns all the same is kept', async () => {
    const text = php('<ns1:doVoidResponse><return xsi:nil="true"/></ns1:doVoidResponse>')
    expect(await answered('errands-rpcenc', 'doVoid', {}, text)).toEqual({ return: null })
  })

  test('parts nobody declared are kept beside the declared ones, by the types they say', async () => {
    const text = php(
      '<ns1:runResponse><return xsi:type="xsd:string">x</return><took xsi:type="xsd:int">7</took><by xsi:type="ns1:Nobody"><name>a</name></by><by>b</by></ns1:runResponse>',
    )
    expect(await answered('errands-rpcenc', 'run', { s: 'x' }, text)).toEqual({
      return: 'x',
      took: { '@type': 'int', '#text': 7 },
      by: [{ name: 'a' }, 'b'],
    })
  })

  test('in literal too, and a member of a struct', async () => {
    const inner = '<ticket><id>1</id><title>t</title><level>9</level></ticket><node>a</node>'
    const text = envelope(`<n:getTicketResponse xmlns:n="urn:example:legacy">${inner}</n:getTicketResponse>`)
    const got = await answered('legacy-rpclit', 'getTicket', { ticketId: '1' }, text)
    expect(got).toEqual({ ticket: { id: '1', title: 't', level: '9' }, node: 'a' })
  })

  test('an integer PHP says to be an xsd:int and is none is its text where anything may stand', async () => {
    const text = php(
      '<ns1:echoAnyResponse><return xsi:type="xsd:int">9007199254740993</return></ns1:echoAnyResponse>',
    )
    expect(await answered('errands-rpcenc', 'echoAny', { a: 1 }, text)).toEqual({
      return: '9007199254740993',
    })
  })
})

test('what a SOAP caller cannot be told of it is left out of his answer', async () => {
  await using running = await serve({
    config: { wsdl: wsdl('errands-rpcenc') },
    reply: () => ({ origin: 'backend', data: { return: null } }),
  })
  const response = await running.post(envelope('<m:doVoid xmlns:m="urn:example:errands"/>'))
  expect(response.status).toBe(200)
  expect(bodyText(response)).toMatch(/<ns\d:doVoidResponse [^>]*\/>/u)
})

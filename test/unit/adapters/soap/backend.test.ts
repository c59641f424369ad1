import { describe, expect, test } from 'vitest'
import type { Answer } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import { call, open, ticketAnswer, wire, xml } from './caller.ts'
import { captures } from './corpus.ts'
import { answer } from './semantics.ts'
import { bodyText, envelope, orders, serve, soap12, wsdl, type Running } from './service.ts'

const base = { wsdl: wsdl('orders'), endpoint: 'http://orders.example/ws' }

describe('a request', () => {
  test('of 1.1 has a quoted SOAPAction of the WSDL (WS-I BP 1.1 R2744)', async () => {
    const { fetch, sent } = wire(() => xml(ticketAnswer()))
    await using backend = await open(base, { fetch })
    await expect(call(backend, 'WhoAmI', {})).resolves.toEqual({ data: { user: 'x' } })
    expect(sent[0]?.url).toBe('http://orders.example/ws')
    expect(sent[0]?.headers.get('soapaction')).toBe(`"${orders}/WhoAmI"`)
    expect(sent[0]?.headers.get('content-type')).toBe('text/xml; charset=utf-8')
    expect(sent[0]?.text).toContain(`<ns1:WhoAmI/>`)
    expect(sent[0]?.headers.get('traceparent')).toBe(testMessage().traceparent) // W3C Trace Context §3.2
    expect(sent[0]?.text).not.toContain('traceparent')
  })

  test('of 1.2 has the action parameter and no SOAPAction (SOAP 1.2 Part 2 §6.5)', async () => {
    const { fetch, sent } = wire(() => xml(ticketAnswer(soap12), 200, 'application/soap+xml'))
    await using backend = await open({ ...base, version: '1.2' }, { fetch })
    await call(backend, 'WhoAmI', {})
    expect(sent[0]?.headers.get('soapaction')).toBeNull()
    expect(sent[0]?.headers.get('content-type')).toBe(
      `application/soap+xml; charset=utf-8; action="${orders}/WhoAmI"`,
    )
    expect(sent[0]?.text).toContain(soap12)
  })

  test('carries the header blocks its binding declares, and no others', async () => {
    const { fetch, sent } = wire(() => xml(ticketAnswer()))
    await using backend = await open(base, { fetch })
    await call(
      backend,
      'WhoAmI',
      {},
      { 'soap:AuthHeader': '{"user":"alice","token":"t"}', 'soap:Other': '"secret"' },
    )
    expect(sent[0]?.text).toContain(
      '<s:Header><ns1:AuthHeader><ns1:user>alice</ns1:user><ns1:token>t</ns1:token></ns1:AuthHeader></s:Header>',
    )
    expect(sent[0]?.text).not.toContain('secret')
  })

  test('with addressing has our stable key as MessageID', async () => {
    const { fetch, sent } = wire(() => xml(ticketAnswer()))
    await using backend = await open({ ...base, addressing: true }, { fetch })
    await call(backend, 'WhoAmI', {})
    expect(sent[0]?.text).toContain(`<wsa:MessageID>urn:uuid:${testMessage().id}</wsa:MessageID>`)
    expect(sent[0]?.text).toContain(`<wsa:Action>${orders}/WhoAmI</wsa:Action>`)
  })

  test('with a user has a UsernameToken', async () => {
    const { fetch, sent } = wire(() => xml(ticketAnswer()))
    await using backend = await open(
      { ...base, security: { user: 'gw', password: 'pw', passwordType: 'digest', timestamp: true } },
      { fetch },
    )
    await call(backend, 'WhoAmI', {})
    expect(sent[0]?.text).toMatch(/<wsse:Security>.*<wsu:Timestamp>.*<wsse:Username>gw<.*#PasswordDigest/su)
  })

  test('of parameters the schema does not allow is not sent', async () => {
    const { fetch, sent } = wire(() => xml(ticketAnswer()))
    await using backend = await open(base, { fetch })
    const refused = { code: 'DECODE_FAILED', notExecuted: true }
    await expect(call(backend, 'GetTicket', { ticketId: 'x' })).rejects.toMatchObject(refused)
    const header = { 'soap:AuthHeader': String.raw`{"user":"a\u0001b","token":"t"}` } // XML 1.0 §2.2 has no such character
    await expect(call(backend, 'WhoAmI', {}, header)).rejects.toMatchObject(refused)
    await expect(call(backend, 'Nope', {})).rejects.toMatchObject({ code: 'NO_ROUTE' })
    expect(sent).toEqual([])
  })
})

describe('answers captured from real servers are read the same', () => {
  const cases = [
    ['orders', 'jaxws-11', undefined],
    ['orders', 'jaxws-12', '1.2'],
    ['orders', 'php-11', undefined],
    ['orders', 'zeep-12', '1.2'],
    ['legacy-rpclit', 'php-lit', undefined],
    ['legacy-rpclit', 'jaxws-lit', undefined],
    ['legacy-rpcenc', 'php-enc', undefined],
    ['legacy-rpcenc', 'soaplite-enc', undefined],
  ] as const

  test.each(cases)('%s by %s', async (name, client, version) => {
    await using channel = await serve({ config: { wsdl: wsdl(name) } })
    for (const capture of captures(client)) {
      const { fetch } = wire(
        () =>
          new Response(Buffer.from(capture.body), {
            status: capture.status,
            headers: { 'content-type': version === '1.2' ? 'application/soap+xml' : 'text/xml' },
          }),
      )
      await using backend = await open(
        { wsdl: wsdl(name), endpoint: 'http://x.example/', ...(version === undefined ? {} : { version }) },
        { fetch },
      )
      await channel.handle({ ...capture.request, path: '/orders' })
      const draft = channel.host.drafts.at(-1)
      const got = await call(backend, draft?.type ?? '', draft?.data ?? {})
      const want = answer(draft?.type ?? '', draft?.data, draft?.metadata)
      expect(comparable(got), capture.name).toEqual(comparable(want))
    }
  })
})

/** Decimals by value, fault codes whatever the version, encoded arrays as literal ones, absent as nothing. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable)
  if (value === 'Receiver') return 'Server'
  if (typeof value === 'string')
    return /^\d+\.\d+$/u.test(value) ? value.replace(/0+$/u, '').replace(/\.$/u, '') : value
  if (typeof value !== 'object' || value === null) return value
  const members = Object.entries(value).filter(
    // the JAX-WS reference drops a nil echo
    ([key, one]) => one !== null && one !== undefined && key !== 'metadata' && key !== 'comment',
  )
  const items = members.find(([key]) => key === 'item')
  if (items !== undefined && members.length === 1 && Array.isArray(items[1])) return comparable(items[1])
  return Object.fromEntries(members.map(([key, one]) => [key, comparable(one)]))
}

describe('through a SOAP channel and a SOAP backend', () => {
  const behind =
    (running: Running): typeof fetch =>
    async (input, init) => {
      const request = new Request(input, init)
      const response = await running.handle({
        method: request.method,
        headers: Object.fromEntries(request.headers),
        body: new Uint8Array(await request.arrayBuffer()),
      })
      return new Response(response.body instanceof Uint8Array ? Buffer.from(response.body) : null, {
        status: response.status,
        headers: { ...response.headers },
      })
    }

  test.each([
    ['orders', '1.1', 'zeep-11'],
    ['orders', '1.2', 'zeep-12'],
    ['legacy-rpclit', '1.1', 'zeep-lit'],
    ['legacy-rpcenc', '1.1', 'php-enc'],
    ['legacy-rpcenc', '1.2', 'php-enc'],
  ])('%s in %s: what goes in comes out', async (name, version, client) => {
    await using server = await serve({ config: { wsdl: wsdl(name) } })
    await using reader = await serve({ config: { wsdl: wsdl(name) } })
    await using backend = await open(
      { wsdl: wsdl(name), endpoint: 'http://x.example/', version },
      { fetch: behind(server) },
    )
    for (const capture of captures(client)) {
      await reader.handle({ ...capture.request, path: '/orders' })
      const asked = reader.host.drafts.at(-1)
      const got = await call(backend, asked?.type ?? '', asked?.data ?? {}, asked?.metadata)
      expect(server.host.drafts.at(-1)?.data, capture.name).toEqual(asked?.data)
      expect(comparable(got)).toEqual(comparable(answer(asked?.type ?? '', asked?.data, asked?.metadata)))
    }
  })

  test.each(['in', 'both'])('MTOM goes there, and back where the channel says so (%s)', async (mtom) => {
    await using server = await serve({ config: { mtom } })
    await using backend = await open({ ...base, mtom: true }, { fetch: behind(server) })
    const binVal = Buffer.alloc(4000, 'x').toString('base64')
    const scalars = {
      longVal: '1',
      intVal: 1,
      decVal: '1',
      moneyVal: '1',
      dblVal: 1,
      boolVal: true,
      dtVal: '2024-02-29T00:00:00Z',
      dateVal: '2024-02-29',
      binVal,
      enumVal: 'NEW',
      code: '1',
      text: 't',
      wsText: ' ',
      emptyText: '',
    }
    const got = await call(backend, 'EchoScalars', { in: scalars })
    expect(got.data).toEqual({ out: scalars })
    expect(server.host.drafts[0]?.raw?.mediaType).toMatch(/^multipart\/related/u)
  })
})

const fault = (inner: string): string => envelope(`<s:Fault>${inner}</s:Fault>`)

describe('a fault', () => {
  const faulty = async (text: string, status = 500): Promise<Answer> => {
    await using backend = await open(base, { fetch: wire(() => xml(text, status)).fetch })
    return call(backend, 'GetTicket', { ticketId: '7' })
  }
  test('is a business fault with typed detail, one member naming the declared fault', async () => {
    const detail = `<detail><o:TicketNotFound xmlns:o="${orders}"><o:code>404</o:code><o:ticketId>9007199254740993</o:ticketId></o:TicketNotFound></detail>`
    await expect(
      faulty(fault(`<faultcode>s:Server</faultcode><faultstring>Ticket not found</faultstring>${detail}`)),
    ).resolves.toEqual({
      fault: {
        code: 'Server',
        message: 'Ticket not found',
        detail: { TicketNotFound: { code: 404, ticketId: '9007199254740993' } },
      },
    })
  })

  test('with undeclared detail keeps it untyped, whatever its names', async () => {
    const { fault: got } = await faulty(
      fault(
        '<faultcode>Client.Bad</faultcode><faultstring>x</faultstring><detail><a>007</a><a>1e5</a><__proto__>p</__proto__></detail>',
      ),
    )
    expect(got?.code).toBe('Client.Bad')
    expect(JSON.stringify(got?.detail)).toBe('{"a":["007","1e5"],"__proto__":"p"}')
    expect(({} as Record<string, unknown>)['p']).toBeUndefined()
  })

  test('answered with 200 is one all the same', async () => {
    expect(
      (await faulty(fault('<faultcode>s:Client</faultcode><faultstring>no</faultstring>'), 200)).fault,
    ).toEqual({ code: 'Client', message: 'no' })
  })

  test.each([
    ['MustUnderstand', 500],
    ['VersionMismatch', 500],
    ['Server', 503],
  ])('%s with %i is a breakage: it is not about business', async (code, status) => {
    await expect(
      faulty(fault(`<faultcode>s:${code}</faultcode><faultstring>x</faultstring>`), status),
    ).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  })
})

describe('an answer that is none is BACKEND_FAILED', () => {
  const deep = `${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}`
  test.each([
    ['not XML', xml('hello')],
    ['HTML with 200', xml('<html/>', 200, 'text/html')],
    ['500 without a fault', xml('oops', 500, 'text/plain')],
    ['500 with an ordinary answer', xml(ticketAnswer(), 500)],
    ['302 in plain text', xml('elsewhere', 302, 'text/plain')],
    ['400 in plain text', xml('no', 400, 'text/plain')],
    ['410 in HTML', xml('<html/>', 410, 'text/html')],
    ['501 in plain text', xml('no', 501, 'text/plain')],
    ['404', xml('', 404)],
    ['425 with a fault', xml(fault('<faultcode>s:Server</faultcode><faultstring>x</faultstring>'), 425)],
    ['an empty body', xml('')],
    ['another version', xml(ticketAnswer(soap12))],
    ['another answer', xml(envelope(`<o:CreateOrderResponse xmlns:o="${orders}"/>`))],
    ['a DOCTYPE', xml(`<!DOCTYPE a>${ticketAnswer()}`)],
    ['20,000 levels', xml(envelope(deep))],
    [
      'a value its schema refuses',
      xml(envelope(`<o:WhoAmIResponse xmlns:o="${orders}"><o:user><o:nope/></o:user></o:WhoAmIResponse>`)),
    ],
    [
      'a header that must be understood',
      xml(
        ticketAnswer().replace(
          '<s:Body>',
          '<s:Header><x xmlns="urn:x" s:mustUnderstand="1"/></s:Header><s:Body>',
        ),
      ),
    ],
  ])('%s: its status says that an answer came', async (_what, response) => {
    await using backend = await open(base, { fetch: wire(() => response).fetch })
    await expect(call(backend, 'WhoAmI', {})).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      detail: { status: response.status },
      notExecuted: false,
    })
  })

  test('ids and references named __proto__ stay data', async () => {
    const evil = envelope(
      '<n:echoStringResponse xmlns:n="urn:example:legacy"><s href="#__proto__"/></n:echoStringResponse><multiRef id="__proto__">pwned</multiRef>',
    )
    await using backend = await open(
      { wsdl: wsdl('legacy-rpcenc'), endpoint: 'http://x.example/' },
      { fetch: wire(() => xml(evil)).fetch },
    )
    await expect(call(backend, 'echoString', { s: 'a' })).resolves.toEqual({ data: { s: 'pwned' } })
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('pwned')
    expect(({} as Record<string, unknown>)['s']).toBeUndefined()
  })

  test('too many requests proves that nothing was executed (SEMANTICS 3)', async () => {
    const busy = new Response('', { status: 429, headers: { 'retry-after': '7' } })
    await using backend = await open(base, { fetch: wire(() => busy).fetch })
    await expect(call(backend, 'WhoAmI', {})).rejects.toMatchObject({ notExecuted: true, retryAfterMs: 7000 })
  })

  test('Retry-After is told also where the body is no envelope', async () => {
    const busy = new Response('busy', {
      status: 500,
      headers: { 'content-type': 'text/plain', 'retry-after': '30' },
    })
    await using backend = await open(base, { fetch: wire(() => busy).fetch })
    await expect(call(backend, 'WhoAmI', {})).rejects.toMatchObject({ retryAfterMs: 30_000 })
  })

  test('Retry-After may be a date (RFC 9110 §10.2.3)', async () => {
    const later = new Date(Date.now() + 3_600_000).toUTCString()
    const busy = new Response('', { status: 503, headers: { 'retry-after': later } })
    await using backend = await open(base, { fetch: wire(() => busy).fetch })
    const inAnHour: unknown = expect.toSatisfy((ms: number) => ms > 3_000_000 && ms <= 3_600_000)
    await expect(call(backend, 'WhoAmI', {})).rejects.toMatchObject({ retryAfterMs: inAnHour })
  })
})

describe('one-way', () => {
  test.each([202, 200, 204])('is done with %i and nothing', async (status) => {
    await using backend = await open(base, { fetch: wire(() => new Response(null, { status })).fetch })
    await expect(call(backend, 'NotifyShipment', { orderId: '1', carrier: 'DHL' })).resolves.toEqual({})
  })
})

test('the channel under test answers (the tests above need it)', async () => {
  await using running = await serve()
  expect(bodyText(await running.post(envelope(`<m:WhoAmI xmlns:m="${orders}"/>`)))).toContain('(none)')
})

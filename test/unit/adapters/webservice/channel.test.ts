import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import { addressOf, dataOf, fixtures, path, serve, textOf } from './service.ts'

describe('one path', () => {
  test('tells dialects apart by what arrives', async () => {
    await using running = await serve()
    const body = '<?xml version="1.0"?>\n<!-- c --><methodCall><methodName>Get</methodName></methodCall>'
    const answers = [
      await running.post('<Get/>'),
      await running.post(body),
      await running.get('/Get?a=1'),
      await running.form('/Get', 'a=1'),
      await running.post(body, { 'content-type': 'application/xml' }, { path: `${path}/RPC2` }),
      await running.post('<methodCall xmlns="urn:mine"/>'),
      await running.handle({ headers: {}, body: new TextEncoder().encode('<Get/>') }),
    ].map((response) =>
      textOf(response)
        .split('\n')[1]
        ?.replace(/[ >/].*/u, ''),
    )
    expect(answers).toEqual([
      '<GetResponse',
      '<methodResponse',
      '<GetResult',
      '<GetResult',
      '<methodResponse',
      '<methodCallResponse',
      '<GetResponse',
    ])
  })

  test.each(['PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
    '%s is 405 with Allow (RFC 9110 §15.5.6)',
    async (method) => {
      await using running = await serve()
      const response = await running.handle({ method })
      expect([response.status, response.headers?.['allow']]).toEqual([405, 'GET, POST'])
    },
  )

  test('has one level of operations below it, and no description', async () => {
    await using running = await serve()
    expect((await running.get('/Get/more')).status).toBe(404)
    expect((await running.get('?wsdl')).status).toBe(404)
    expect((await running.form('', 'a=1')).status).toBe(500)
    expect((await running.form('/', 'a=1')).status).toBe(500)
    expect(running.host.drafts).toHaveLength(0)
  })

  test('carries nothing out for a page of another site, unless the config says so', async () => {
    const headers = { 'sec-fetch-site': 'cross-site' }
    const asked = [
      { method: 'GET', path: `${path}/Get`, headers },
      { headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' }, path: `${path}/Get` },
      { headers, body: new TextEncoder().encode('<Get/>') },
    ]
    await using running = await serve()
    for (const request of asked) expect((await running.handle(request)).status).toBe(403)
    expect((await running.handle({ method: 'GET', headers })).status).toBe(200)
    const same = { method: 'GET', path: `${path}/Get`, headers: { 'sec-fetch-site': 'same-origin' } }
    expect((await running.handle(same)).status).toBe(200)
    await using open = await serve({ config: { crossSite: true } })
    for (const request of asked) expect((await open.handle(request)).status).toBe(200)
  })

  test('carries nothing out for a page of another site over plain http either, where only Origin tells', async () => {
    await using running = await serve()
    const posted = (origin: string) => ({
      headers: { origin, 'content-type': 'application/x-www-form-urlencoded' },
      path: `${path}/Get`,
    })
    for (const origin of ['http://evil.example', 'null'])
      expect((await running.handle(posted(origin))).status).toBe(403)
    expect(running.host.drafts).toHaveLength(0)
    expect((await running.handle(posted('http://127.0.0.1:8080'))).status).toBe(200)
  })

  test('of a customer speaks for the customer, of a program for the channel', async () => {
    await using running = await serve()
    await running.handle({
      method: 'GET',
      path: `${path}/Get`,
      identity: { role: 'customer', id: 'ann' },
    })
    await running.get('/Get')
    expect(running.host.drafts.map(({ sender }) => sender)).toEqual([
      { id: 'ann', role: 'customer' },
      { id: 'test', role: 'system' },
    ])
  })
})

describe('the help page', () => {
  const operations = {
    GetOrder: { kind: 'request', example: { orderNo: "it's <7>" } },
    Deep: { kind: 'request', example: { lines: { line: ['a'] } } },
  } as const

  test('lists the operations and describes one, nothing of it is markup of somebody else', async () => {
    await using running = await serve({
      operations: { ...operations, '<script>': { kind: 'request' } },
      config: { title: 'ERP <old>', help: { GetOrder: 'An order & its lines' } },
    })
    const page = await running.get('')
    expect([page.status, page.headers?.['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    expect(page.headers?.['content-security-policy']).toContain("default-src 'none'")
    const text = textOf(page)
    expect(text).toContain('<a href="?op=GetOrder">GetOrder</a><p>An order &amp; its lines</p>')
    expect(text).toContain('<h1>ERP &lt;old&gt;</h1>')
    expect(text).not.toContain('<script>')
    expect(textOf(await running.get('?op=%3Cscript%3E'))).not.toContain('<script>')
    const missing = await running.get('?op=<b>')
    expect([missing.status, textOf(missing).includes('<b><b>')]).toEqual([404, false])
    expect((await running.handle({ method: 'HEAD' })).status).toBe(200)
  })

  test('shows commands for every way there is', async () => {
    await using running = await serve({ operations })
    const text = textOf(await running.get('?op=GetOrder'))
    expect([...text.matchAll(/<h3>(.*)<\/h3>/gu)].map(([, dialect]) => dialect)).toEqual([
      'HTTP GET',
      'HTTP POST',
      'XML',
      'XML-RPC',
    ])
    expect(textOf(await running.get('?op=Deep'))).not.toContain('HTTP GET')
  })

  test('of an open channel says so; it can be switched off', async () => {
    await using running = await serve()
    expect(textOf(await running.get(''))).toContain('Any operation is taken')
    await using hidden = await serve({ config: { page: false } })
    expect((await hidden.get('')).status).toBe(404)
  })

  test('has a form for an operation of simple parameters', async () => {
    await using running = await serve({
      config: { schema: new URL('order-service.wsdl', fixtures).pathname, charset: 'gb18030' },
    })
    const text = textOf(await running.get('?op=AddComment'))
    expect(text).toContain(`<form method="get" action="${path}/AddComment" accept-charset="gb18030">`)
    expect(text).toContain('<input name="ticketId">')
    expect(text).toContain('Result: string')
    expect(textOf(await running.get('?op=CreateOrder'))).not.toContain('<form')
  })
})

describe('the hint', () => {
  test('is a command for the first request with an example', async () => {
    await using running = await serve({
      operations: {
        Say: { kind: 'message' },
        Other: { kind: 'request' },
        GetOrder: { kind: 'request', example: { orderNo: "it's" } },
      },
    })
    expect(running.channel.hint?.('http://127.0.0.1:8080')).toBe(
      String.raw`curl -s 'http://127.0.0.1:8080/erp/service' -H 'Content-Type: text/xml; charset=utf-8' -d '<GetOrder><orderNo>it'\''s</orderNo></GetOrder>'`,
    )
  })

  test('is made of the schema, or there is none', async () => {
    await using described = await serve({ config: { schema: new URL('asmx-types.xsd', fixtures).pathname } })
    expect(described.channel.hint?.('http://h')).toContain('<flag>')
    await using open = await serve()
    expect(open.channel.hint?.('http://h')).toBeUndefined()
  })
})

describe('a channel of operations only', () => {
  test('leaves the path itself to another', async () => {
    await using running = await serve({
      config: { serve: 'operations' },
      operations: { Get: { kind: 'request' }, 'a/b': { kind: 'request' } },
    })
    expect((await running.get('/Get')).status).toBe(200)
    expect(() => running.get('')).toThrow('nothing serves')
    expect(running.channel.hint?.('http://h')).toContain(`http://h${path}/Get`)
  })

  test('has to know its operations', async () => {
    await expect(serve({ config: { serve: 'operations' } })).rejects.toMatchObject({ code: 'DECODE_FAILED' })
  })
})

describe('a schema', () => {
  test('may include and import others beside it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'webservice-'))
    const xs = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
    await writeFile(
      join(folder, 'main.xsd'),
      `<xs:schema ${xs} xmlns:c="urn:common" targetNamespace="urn:erp" elementFormDefault="qualified"><xs:include schemaLocation="part.xsd"/><xs:import namespace="urn:common" schemaLocation="common.xsd"/></xs:schema>`,
    )
    await writeFile(
      join(folder, 'part.xsd'),
      `<xs:schema ${xs} xmlns:c="urn:common" targetNamespace="urn:erp" elementFormDefault="qualified"><xs:import namespace="urn:common" schemaLocation="common.xsd"/><xs:element name="Get"><xs:complexType><xs:sequence><xs:element name="no" type="c:No"/></xs:sequence></xs:complexType></xs:element></xs:schema>`,
    )
    await writeFile(
      join(folder, 'common.xsd'),
      `<xs:schema ${xs} targetNamespace="urn:common"><xs:simpleType name="No"><xs:restriction base="xs:int"/></xs:simpleType></xs:schema>`,
    )
    await using running = await serve({ config: { schema: join(folder, 'main.xsd') } })
    await running.post('<Get xmlns="urn:erp"><no>7</no></Get>')
    expect(dataOf(running)).toEqual({ no: 7 })
  })

  test('at a URL is fetched; it may not lead to another host or to a file', async () => {
    const asked: string[] = []
    const schema = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:erp"><xs:import namespace="urn:a" schemaLocation="http://evil.example/a.xsd"/><xs:import namespace="urn:b" schemaLocation="file:///etc/passwd"/><xs:element name="Get" type="xs:string"/></xs:schema>`
    const fetched: typeof fetch = async (input) => {
      asked.push(addressOf(input))
      return new Response(schema, { headers: { 'content-type': 'text/xml' } })
    }
    await using running = await serve({
      config: { schema: 'http://erp.example/main.xsd' },
      scope: { fetch: fetched },
    })
    expect(asked).toEqual(['http://erp.example/main.xsd'])
    expect((await running.post('<Get xmlns="urn:erp">x</Get>')).status).toBe(200)
  })

  test.each([
    ['is not there', '/nowhere/at/all.xsd'],
    ['is something else', new URL('xmlrpc/01-python-echo.xml', fixtures).pathname],
  ])('that %s stops the start', async (_what, schema) => {
    await expect(serve({ config: { schema } })).rejects.toMatchObject({ code: 'DECODE_FAILED' })
  })
})

test.each([
  [{ charset: 'klingon' }, 'charset'],
  [{ types: { 'Get/x': 'integerish' } }, 'simple type'],
  [{ faultCodes: { X: 2 ** 40 } }, '2147483647'],
])('the config %j is refused', async (config, words) => {
  await expect(serve({ config })).rejects.toThrow(words)
})

test('a schema of a URL that is not there keeps no channel from starting: each dialect says it until it is', async () => {
  const text = await readFile(new URL('order-service.wsdl', fixtures), 'utf8')
  let up = false
  let now = 0
  await using running = await serve({
    config: { schema: 'http://erp.example.com/service?wsdl' },
    scope: {
      now: () => now,
      fetch: async () => {
        if (up) return new Response(text, { headers: { 'content-type': 'text/xml' } })
        throw new GatewayError('BACKEND_FAILED', 'cannot connect', { notExecuted: true })
      },
    },
  })
  const pox = await running.post('<GetTicket><ticketId>1</ticketId></GetTicket>')
  expect([pox.status, pox.headers?.['retry-after'], textOf(pox)]).toEqual([
    503,
    '1',
    expect.stringContaining('<code>OVERLOADED</code>'),
  ])
  const rpc = await running.post('<methodCall><methodName>GetTicket</methodName></methodCall>')
  expect([rpc.status, textOf(rpc)]).toEqual([200, expect.stringContaining('<int>-32020</int>')])
  const asmx = await running.get('/GetTicket?ticketId=1')
  expect([asmx.status, textOf(asmx)]).toEqual([500, expect.stringContaining('OVERLOADED')])
  expect(running.host.drafts).toEqual([])
  up = true
  now += 2000
  await running.post('<ListTickets xmlns="urn:example:orders:v1"/>')
  expect(running.host.drafts).toMatchObject([{ type: 'ListTickets' }])
  expect(textOf(await running.handle({ method: 'GET' }))).toContain('ListTickets') // the names are of the schema
  await expect(serve({ config: { schema: '/no/such.xsd' } })).rejects.toThrow(/no\/such\.xsd/u)
})

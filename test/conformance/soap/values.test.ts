// Requirements 51 to 67 of the 67 that a SOAP endpoint owes its callers: values, encodings, descriptions, its neighbours. By their numbers.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadDocuments } from '../../../adapters/soap/documents.ts'
import { readXmlText } from '../../../adapters/xml/read.ts'
import { attribute, childElements, textOf } from '../../../adapters/xml/tree.ts'
import type { XmlElement } from '../../../adapters/xml/tree.ts'
import {
  CALLER,
  ORDERS,
  XSI,
  addComment,
  echo,
  entryOf,
  envelope,
  faultIn,
  find,
  getTicket,
  startWorld,
  valueIn,
} from './world.ts'
import type { World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

/** What the JSON service was asked last. */
const lastAsked = (): unknown => world.asked.at(-1)?.data

async function echoed(said: Parameters<typeof echo>[0]): Promise<Record<string, string | undefined>> {
  const answer = await world.post(envelope(echo(said)))
  return Object.fromEntries(Object.keys(said).map((name) => [name, valueIn(answer, name)]))
}

const COMMON = 'urn:example:common:v1'
const order = (attributes: string, items: string): string =>
  `<m:CreateOrder xmlns:m="${ORDERS}" xmlns:c="${COMMON}"><m:order ${attributes}><m:customerRef>007</m:customerRef><m:externalId>1</m:externalId><m:orderDate>2024-02-29T00:00:00Z</m:orderDate><m:shipTo country="GB"><c:line>x</c:line><c:postcode>y</c:postcode></m:shipTo>${items}<m:status>NEW</m:status></m:order></m:CreateOrder>`
const item = (sku: string): string =>
  `<m:item lineNo="1"><m:sku>${sku}</m:sku><m:qty>1.50</m:qty><m:price currency="EUR">10.50</m:price></m:item>`

describe('values', () => {
  test('#51 numbers are exact and keep their scale (XSD 1.0 Part 2 §3.2.3, §3.3.13)', async () => {
    const said = {
      longVal: '9007199254740993',
      intVal: '-2147483648',
      decVal: '12345678901234567890.123456789',
      moneyVal: '1.10',
    }
    expect(await echoed(said)).toEqual(said)
    expect(lastAsked()).toMatchObject({ in: { ...said, intVal: -2147483648 } })
    const most = { longVal: '9223372036854775807', decVal: '-0.10' }
    expect(await echoed(most)).toEqual(most)
  })

  test.each([
    ['longVal', ['12abc', '', '9223372036854775808', '0x1', '1e0', '1.0', '1 2']],
    ['intVal', ['2147483648', '1.5']],
    ['decVal', ['1e5', 'NaN', '1,5', '--1']],
    ['dblVal', ['Infinity', '1.e', 'abc']],
    ['boolVal', ['yes', 'TRUE', '2']],
    ['binVal', ['A', 'AA*=', 'AAB=']],
  ] as const)('#52 what is no %s is refused, never made one (XSD 1.0 Part 2)', async (name, values) => {
    for (const value of values)
      expect([value, faultIn(await world.post(envelope(echo({ [name]: value }))))]).toEqual([
        value,
        CALLER['1.1'],
      ])
  })

  test('#53 enumerations, moments and xsi:type are held to the schema (XSD 1.0)', async () => {
    for (const wrong of [
      { enumVal: 'BOGUS' },
      { dtVal: '2024-13-45T99:00:00' },
      { dtVal: '2023-02-29T00:00:00' },
      { dtVal: '2024-02-29 00:00:00' },
      { dateVal: '2024-00-01' },
    ])
      expect(faultIn(await world.post(envelope(echo(wrong))))).toBe(CALLER['1.1'])
    for (const type of ['m:Nope', 'x:Company', `m:Order`]) {
      const party = `<m:EchoParty xmlns:m="${ORDERS}" xmlns:c="${COMMON}" xmlns:i="${XSI}"><m:party i:type="${type}"><c:name>x</c:name></m:party></m:EchoParty>`
      expect(faultIn(await world.post(envelope(party)))).toBe(CALLER['1.1'])
    }
  })

  test('#54 white space is kept in strings and means nothing around others; +1 and 001 are numbers (XSD 1.0 Part 2 §4.3.6)', async () => {
    const kept = { text: '  two  spaces\n line2\t ', wsText: ' ' }
    expect(await echoed(kept)).toEqual(kept)
    for (const id of ['\n  1 \t', '+1', '0000000001'])
      expect(valueIn(await world.post(envelope(getTicket(id))), 'subject')).toBe('T1')
    expect(await echoed({ intVal: ' 007 ', boolVal: ' 1\n' })).toEqual({ intVal: '7', boolVal: 'true' })
  })

  test('#55 a dateTime keeps its fraction and offset, a date does not move (XSD 1.0 Part 2 §3.2.7)', async () => {
    for (const dtVal of [
      '2024-02-29T23:59:59.123456789+05:30',
      '2024-02-29T24:00:00',
      '-0044-03-15T12:00:00Z',
      '2024-02-29T00:00:00.10',
    ])
      expect(await echoed({ dtVal, dateVal: '2024-02-29' })).toEqual({ dtVal, dateVal: '2024-02-29' })
    expect(await echoed({ dateVal: '2024-02-29+14:00' })).toEqual({ dateVal: '2024-02-29+14:00' })
  })

  test.each([
    ['absent', '', {}],
    ['nil by "true"', '<m:comment i:nil="true"/>', { comment: null }],
    ['nil by "1", another prefix', `<m:comment xmlns:z="${XSI}" z:nil="1"></m:comment>`, { comment: null }],
    ['empty', '<m:comment></m:comment>', { comment: '' }],
    ['not nil', '<m:comment i:nil="false">x</m:comment>', { comment: 'x' }],
  ])('#56 %s is told from the others, both ways (XSD 1 §2.6.2)', async (what, comment, data) => {
    const answer = await world.post(envelope(addComment(comment)))
    expect(lastAsked()).toEqual({ ticketId: '1', ...data })
    const back = find(entryOf(answer), 'comment')
    const kind =
      back === undefined
        ? 'absent'
        : attribute(back, 'nil', XSI) === 'true'
          ? 'nil'
          : textOf(back) === ''
            ? 'empty'
            : 'not nil'
    expect(what.startsWith(kind)).toBe(true)
  })

  test('#56 nil with content is refused', async () => {
    expect(faultIn(await world.post(envelope(addComment('<m:comment i:nil="true">x</m:comment>'))))).toBe(
      CALLER['1.1'],
    )
  })

  test.each([0, 1, 3])('#57 a list of %i is a list, both ways (XSD 1 §3.9)', async (count) => {
    const answer = await world.post(
      envelope(`<m:ListTickets xmlns:m="${ORDERS}"><m:count>${count}</m:count></m:ListTickets>`),
    )
    expect(childElements(entryOf(answer))).toHaveLength(count)
    if (count === 0) return
    await world.post(envelope(order('channel="WEB"', item('a').repeat(count))))
    expect(lastAsked()).toMatchObject({
      order: { item: Array.from({ length: count }, () => ({ sku: 'a', tag: [] })), shipTo: { line: ['x'] } },
    })
  })

  test('#58 attributes, their defaults, text with an attribute, both ways (XSD 1 §3.4.4)', async () => {
    const answer = await world.post(envelope(order('channel="WEB"', item('a'))))
    expect(lastAsked()).toMatchObject({
      order: {
        '@channel': 'WEB',
        '@priority': 5,
        item: [{ '@lineNo': 1, price: { '@currency': 'EUR', '#text': '10.50' } }],
      },
    })
    expect(valueIn(answer, 'seen')).toContain('channel=WEB|priority=5|')
    const ticket = find(entryOf(await world.post(envelope(getTicket()))), 'ticket')
    expect(ticket === undefined ? [] : [attribute(ticket, 'ticketId'), attribute(ticket, 'status')]).toEqual([
      '9007199254740991',
      'NEW',
    ])
    expect(faultIn(await world.post(envelope(order('priority="x" channel="WEB"', item('a')))))).toBe(
      CALLER['1.1'],
    )
  })

  test('#59 a derived type by xsi:type, both ways (WS-I BP 1.1 R1017)', async () => {
    const company = `<m:EchoParty xmlns:m="${ORDERS}" xmlns:c="${COMMON}" xmlns:i="${XSI}"><m:party i:type="c:Company"><c:name>ACME</c:name><c:vatId>GB007</c:vatId></m:party></m:EchoParty>`
    const party = find(entryOf(await world.post(envelope(company))), 'party')
    expect(lastAsked()).toEqual({ party: { '@type': 'Company', name: 'ACME', vatId: 'GB007' } })
    const said = party === undefined ? '' : (attribute(party, 'type', XSI) ?? '')
    expect([party?.namespaces.get(said.split(':')[0] ?? ''), said.split(':')[1]]).toEqual([COMMON, 'Company'])
  })
})

const LEGACY = 'urn:example:legacy'
const names = ({ uri, local }: XmlElement): string => `{${uri}}${local}`

describe('rpc', () => {
  test('#60 literal: the wrapper is qualified, its parts are not, and in order (WS-I BP 1.1 R2735, R2729, R2755, R2301)', async () => {
    const body = `<m:createTicket xmlns:m="${LEGACY}"><title>x</title><priority>7</priority><tags><item>a</item></tags><due>2024-02-29T00:00:00Z</due></m:createTicket>`
    const entry = entryOf(await world.post(envelope(body), { path: '/legacy-lit' }))
    expect([names(entry), childElements(entry).map(names)]).toEqual([
      `{${LEGACY}}createTicketResponse`,
      ['{}ticketId'],
    ])
    expect(lastAsked()).toEqual({
      title: 'x',
      priority: 7,
      tags: { item: ['a'] },
      due: '2024-02-29T00:00:00Z',
    })
  })

  test('#61 encoded: references anywhere, any item name, arrayType or none; outwards types said and no reference (SOAP 1.1 §5, §7)', async () => {
    const types = `xmlns:i="${XSI}" xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:e="http://schemas.xmlsoap.org/soap/encoding/"`
    const ticket = (tags: string): string =>
      `<m:echoTicket xmlns:m="${LEGACY}" ${types}><ticket href="#t"/></m:echoTicket><multiRef id="t" ${types}><id>1</id><title>T</title><owner href="#p"/><watcher href="#p"/><due>2024-02-29T00:00:00Z</due>${tags}<open>1</open></multiRef><multiRef id="p"><login>ann</login><phone>0044</phone></multiRef>`
    for (const tags of [
      '<tags e:arrayType="x:string[2]" i:type="e:Array"><item>a</item><item>b</item></tags>',
      '<tags><string>a</string><other href="#s"/></tags>',
    ]) {
      const answer = await world.post(envelope(`${ticket(tags)}<multiRef id="s">b</multiRef>`), {
        path: '/legacy-enc',
      })
      expect(answer.status).toBe(200)
      expect(lastAsked()).toMatchObject({
        ticket: { id: '1', tags: ['a', 'b'], owner: { login: 'ann' }, watcher: { login: 'ann' }, open: true },
      })
      expect(answer.body).toMatch(/<tags[^>]* \w+:arrayType="\w+:string\[2\]"/u)
      expect(answer.body).toMatch(/<id xsi:type="xsd:long">1</u)
      expect(answer.body).not.toMatch(/href=|multiRef|\bid="/u)
    }
  })

  test('#62 a wrapper that is nil is an empty one, as SOAP::Lite sends it', async () => {
    expect(
      valueIn(
        await world.post(envelope(`<m:WhoAmI xmlns:m="${ORDERS}" xmlns:i="${XSI}" i:nil="true"/>`)),
        'user',
      ),
    ).toBe('(none)')
  })
})

describe('around it', () => {
  test('#63 MTOM is taken, and may be answered plainly (XOP 1.0 §3)', async () => {
    const bytes = readFileSync(
      new URL('../../fixtures/soap/corpus/extras-mtom-jaxws-11/01-EchoScalars.req', import.meta.url),
    )
    const end = bytes.indexOf('\r\n\r\n')
    const type = /^content-type: (.*)$/imu.exec(bytes.subarray(0, end).toString('latin1'))?.[1]?.trim() ?? ''
    const answer = await world.post(bytes.subarray(end + 4), { headers: { 'content-type': type } })
    expect(answer.status).toBe(200)
    const { in: asked } = lastAsked() as { in: { binVal: string; text: string } } // the request has both
    expect([Buffer.from(asked.binVal, 'base64').length, asked.text]).toEqual([5000, 'MTOM ü'])
  })

  test('#64 ?wsdl in any case has our own address, our own imports, and nothing that leads elsewhere', async () => {
    for (const query of ['wsdl', 'WSDL', 'Wsdl', 'singleWsdl']) {
      const { status, body } = await world.get(`/orders?${query}`)
      const addresses = [...body.matchAll(/location="(http[^"]*)"/giu)].map(([, location]) => location)
      expect([status, new Set(addresses)]).toEqual([200, new Set([`http://127.0.0.1/orders`])])
      expect([...body.matchAll(/schemaLocation="([^"]*)"/gu)]).toEqual([])
    }
    expect((await world.get('/legacy-enc?wsdl')).body).not.toMatch(/schemaLocation="http:\/\/schemas/u)
  })

  test('#65 a WSDL is fetched within limits: hosts allowed by name, circles end, nothing is shared', async () => {
    const hits: string[] = []
    const wsdl = (inside: string): string =>
      `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:w">${inside}</definitions>`
    const server = createServer((request, response) => {
      hits.push(request.url ?? '')
      const next = Number(/\d+$/u.exec(request.url ?? '')?.[0]) + 1
      if (request.url === '/circle') response.end(wsdl('<import namespace="urn:w" location="/circle"/>'))
      else if (request.url === '/away')
        response.end(wsdl('<import namespace="urn:x" location="http://127.0.0.2:1/secret"/>'))
      else if (request.url === '/file')
        response.end(wsdl('<import namespace="urn:x" location="file:///etc/passwd"/>'))
      else response.end(wsdl(`<import namespace="urn:w" location="/endless${next}"/>`))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // it listens on TCP
    const load = (path: string) => loadDocuments(`http://127.0.0.1:${port}${path}`, { fetch, imports: [] })
    const [one, other] = [await load('/circle'), await load('/circle')]
    expect([one.all.length, hits, one.main === other.main]).toEqual([1, ['/circle', '/circle'], false])
    await expect(load('/away')).rejects.toThrow('which is not allowed')
    await expect(load('/file')).rejects.toThrow('which is not allowed')
    await expect(load('/endless0')).rejects.toThrow('imports more than')
    server.close()
  })

  test('#66 ASMX by GET and POST, and plain XML, beside it (the captured service is in asmx-corpus.test.ts)', async () => {
    const got = await world.get('/erp/GetOrder?orderNo=000777')
    expect([got.status, got.body]).toEqual([200, expect.stringMatching(/<orderNo>000777<\/orderNo>/u)])
    const form = await world.post('orderNo=000777', {
      path: '/erp/GetOrder',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expect([form.status, form.body]).toEqual([200, got.body])
    expect((await world.get('/erp')).body).toContain('GetOrder')
    const plain = await world.post('<GetOrder><orderNo>000777</orderNo></GetOrder>', { path: '/erp' })
    expect([plain.status, readXmlText(plain.body.replace(/^<\?.*?\?>/u, '')).local]).toEqual([
      200,
      'GetOrderResponse',
    ])
  })

  test('#67 XML-RPC: a fault for what is no method, nil and i8, and its length (XML-RPC)', async () => {
    const call = (name: string, value: string): string =>
      `<?xml version="1.0"?><methodCall><methodName>${name}</methodName><params><param><value><struct><member><name>a</name><value>${value}</value></member></struct></value></param></params></methodCall>`
    const nobody = await world.post(call('Nope', '<int>1</int>'), { path: '/erp' })
    expect([nobody.status, nobody.body]).toEqual([200, expect.stringMatching(/<int>-32601<\/int>/u)])
    const eight = await world.post(call('GetOrder', '<i8>9007199254740993</i8>'), { path: '/erp' })
    expect([eight.body.includes('9007199254740993'), eight.headers.get('content-length')]).toEqual([
      true,
      String(Buffer.byteLength(eight.body)),
    ])
    expect((await world.post(call('GetOrder', '<nil/>'), { path: '/erp' })).body).toMatch(/<nil\/>/u)
    expect(lastAsked()).toEqual({ a: null })
  })
})

test('each of the 67 has a test of its number', () => {
  const texts = ['http', 'envelope', 'values'].map((name) =>
    readFileSync(new URL(`${name}.test.ts`, import.meta.url), 'utf8'),
  )
  const numbers = texts.flatMap((one) =>
    [...one.matchAll(/['`]#(\d+) /gu)].map(([, number]) => Number(number)),
  )
  expect([...new Set(numbers)].toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: 67 }, (_, index) => index + 1),
  )
})

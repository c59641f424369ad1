import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Draft, HttpRequest, HttpResponse, Json, Reply } from 'dragoman'
import { readXml } from '../../../../adapters/xml/read.ts'
import { childElements, textOf as textIn, type XmlElement } from '../../../../adapters/xml/tree.ts'
import { bytesOf, fixtures, serve, textOf } from './service.ts'

// What a real ASP.NET service was asked, and what it answered.
const folder = new URL('asmx/', fixtures)
const all = readdirSync(folder)
  .filter((file) => file.endsWith('.req'))
  .map((file) => file.replace(/\.req$/u, ''))
  .toSorted()
/** The original fails at its own help page for an operation. */
const better = '21-op-page'

interface Wire {
  readonly first: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

function wire(file: string): Wire {
  const bytes = readFileSync(new URL(file, folder))
  const end = bytes.indexOf('\r\n\r\n')
  const [first = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const headers = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const
  })
  return { first, headers: Object.fromEntries(headers), body: bytes.subarray(end + 4) }
}

function request(name: string): Partial<HttpRequest> & { readonly path: string } {
  const { first, headers, body } = wire(`${name}.req`)
  const [method = '', target = ''] = first.split(' ')
  const [path = '', query = ''] = target.split('?', 2)
  return { method, path, query, headers, body }
}

function ticket(index: number): Json {
  return {
    '@ticketId': String(9007199254740990n + BigInt(index)),
    '@status': 'NEW',
    subject: `T${index}`,
    opened: '2024-01-01T00:00:00Z',
    comment: Array.from({ length: index - 1 }, (_, at) => `c${at + 1}`),
  }
}

/** What the captured service does, on JSON. */
function business({ type, data }: Draft): Partial<Reply> {
  const given = data as Readonly<Record<string, string>> // objects of texts, by the schema
  switch (type) {
    case 'AddPrices': {
      const cents = (price = ''): number => Math.round(Number(price) * 100)
      const sum = (cents(given['a']) + cents(given['b'])) / 100
      return { data: given['b']?.includes('.') === true ? sum.toFixed(2) : String(sum) }
    }
    case 'GetTicket':
      return given['ticketId'] === '1'
        ? { data: ticket(1) }
        : { fault: { code: 'Server', message: 'Ticket not found' } }
    case 'ListTickets':
      return { data: Array.from({ length: Number(given['count']) }, (_, at) => ticket(at + 1)) }
    case 'AddComment':
      return { data: { AddCommentResult: given['comment'] === '' ? 'empty' : `value:${given['comment']}` } }
    default:
      return {}
  }
}

const config = {
  path: '/OrderService.asmx',
  title: 'OrderServiceAsmx',
  schema: new URL('order-service.wsdl', fixtures).pathname,
  requestValidation: true,
}

/** Names, namespaces, attributes and text; white space between elements is the original's indentation. */
function plain({ uri, local, attributes, children, ...element }: XmlElement): unknown {
  const elements = childElements({ uri, local, attributes, children, ...element })
  return {
    name: `{${uri}}${local}`,
    attributes: attributes.map((one) => `{${one.uri}}${one.local}=${one.value}`).toSorted(),
    content:
      elements.length > 0 ? elements.map(plain) : textIn({ uri, local, attributes, children, ...element }),
  }
}

/** The original's words for a refusal; in its build the places of values were left open. */
function refusalPattern(body: Uint8Array): RegExp {
  const [first = '', second = ''] = new TextDecoder().decode(body).split('\n')
  const lines = [first, ...(second.startsWith('Parameter name') ? [second] : [])].join('\n')
  const words = lines.replace(/\(comment=.*/u, '{0}').replaceAll(/[.*+?^$()|[\]\\]/gu, String.raw`\$&`)
  return new RegExp(`^${words.replaceAll(/\{\d\}/gu, '.+')}`, 'u')
}

function compare(wanted: Wire, got: HttpResponse): void {
  const status = Number(wanted.first.split(' ')[1])
  expect(got.status).toBe(status)
  const type = wanted.headers['content-type']
  if (type === undefined) {
    expect([got.headers?.['content-type'], bytesOf(got).length]).toEqual([undefined, 0])
    return
  }
  expect(got.headers?.['content-type']?.split(';')[0]).toBe(type.split(';')[0])
  if (type.startsWith('text/plain')) expect(textOf(got)).toMatch(refusalPattern(wanted.body))
  if (type.startsWith('text/xml'))
    expect(plain(readXml(bytesOf(got)).root)).toEqual(plain(readXml(wanted.body).root))
}

describe('the captures of a real ASP.NET service', () => {
  test('are those by GET and form POST; what is SOAP in them is the soap adapter’s', () => {
    expect(all).toHaveLength(23)
  })

  test.each(all.filter((name) => name !== better))('%s', async (name) => {
    await using running = await serve({ config, reply: business })
    compare(wire(`${name}.res`), await running.handle(request(name)))
  })

  test('20-help-page names the operations the original names', async () => {
    await using running = await serve({ config, reply: business })
    const page = textOf(await running.handle(request('20-help-page')))
    const original = new TextDecoder().decode(wire('20-help-page.res').body)
    const names = new Set([...original.matchAll(/op=(\w+)/gu)].map(([, name = '']) => name))
    expect(names.size).toBe(9)
    for (const name of names) expect(page).toContain(`?op=${name}"`)
  })

  test('21-op-page, where the original fails, describes the operation', async () => {
    await using running = await serve({ config, reply: business })
    const response = await running.handle(request('21-op-page'))
    expect(response.status).toBe(200)
    expect(textOf(response)).toContain('<td>ticketId</td><td>long</td>')
  })

  test('12 and 15 go through where requests are not validated: no character is lost', async () => {
    await using running = await serve({ config: { ...config, requestValidation: false }, reply: business })
    for (const name of ['12-get-encoded', '15-post-encoded']) {
      const response = await running.handle(request(name))
      expect(textOf(response)).toContain('value:漢 a&amp;b&lt;c')
    }
  })
})

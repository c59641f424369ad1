// Documents made to cost more than they are: each is refused, or answered, in time and memory in proportion, and it goes on.
import { gzipSync } from 'node:zlib'
import iconv from 'iconv-lite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CALLER,
  ORDERS,
  XSI,
  cpuMsOf,
  echo,
  envelope,
  faultIn,
  getTicket,
  residentMbOf,
  startWorld,
  text,
  valueIn,
} from './world.ts'
import type { Post, World } from './world.ts'

let world: World
let residentMb: number
beforeAll(async () => {
  world = await startWorld()
  for (let round = 0; round < 20; round += 1) await world.post(envelope(text('x'.repeat(1e6)))) // its heap is as large as it gets
  residentMb = residentMbOf(world.gateway)
})
afterAll(() => world[Symbol.asyncDispose]())

/** What became of it, and that it cost no more than it may. */
async function outcome(body: string | Uint8Array, options: Post = {}): Promise<string> {
  const begun = cpuMsOf(world.gateway)
  const answer = await world.post(body, options)
  expect(cpuMsOf(world.gateway) - begun).toBeLessThan(1500) // most take some ten
  expect(valueIn(await world.post(envelope(getTicket())), 'subject')).toBe('T1') // it goes on
  return answer.status === 200 ? 'answered' : faultIn(answer)
}

const million = (piece: string): string => piece.repeat(1e6 / piece.length)

describe('markup', () => {
  test.each([
    ['comments before the root', million('<!---->') + envelope(getTicket()), 'answered'],
    ['instructions before the root', million('<?p?>') + envelope(getTicket()), CALLER['1.1']],
    ['line ends and no root', `${million('\n')}<`, CALLER['1.1']],
    [
      'a DOCTYPE behind a long comment',
      `<!--${million('x')}--><!DOCTYPE x>${envelope(getTicket())}`,
      CALLER['1.1'],
    ],
    ['a DOCTYPE in lower case', `<!doctype x>${envelope(getTicket())}`, CALLER['1.1']],
    ['a DOCTYPE inside', envelope(`<!DOCTYPE x>${getTicket()}`), CALLER['1.1']],
    ['a declaration of an entity inside', envelope(`<!ENTITY x "y">${getTicket()}`), CALLER['1.1']],
    ['a reference with a long name', envelope(text(`&${million('x')};`)), CALLER['1.1']],
    ['references that never end', envelope(text(million('&'))), CALLER['1.1']],
    ['a number of many zeros', envelope(text(`&#x${million('0')}41;`)), 'answered'],
    ['quotes in a tag', envelope(`<a ${million('b="')}`), CALLER['1.1']],
    ['"=" in a tag', envelope(`<a ${million('=')}/>`), CALLER['1.1']],
    [
      'declarations at each of 150 levels',
      envelope(
        `${Array.from({ length: 150 }, (_, deep) => `<a ${Array.from({ length: 200 }, (_unused, i) => `xmlns:p${deep}_${i}="u${i}"`).join(' ')}>`).join('')}${'</a>'.repeat(150)}`,
      ),
      CALLER['1.1'],
    ],
    [
      'a prefix far up, asked for often',
      envelope(
        `<a xmlns:p="u">${'<b xmlns:q="v">'.repeat(190)}${'<p:c/>'.repeat(200_000)}${'</b>'.repeat(190)}</a>`,
      ),
      CALLER['1.1'],
    ],
  ])('%s', async (_what, body, wanted) => {
    expect(await outcome(body)).toBe(wanted)
  })
})

describe('charsets', () => {
  test.each(['utf-7', 'unicode-1-1-utf-7', 'utf-32', 'hz-gb-2312', 'iso-2022-kr', '__proto__', 'toString'])(
    '%s is not guessed',
    async (charset) => {
      const body = envelope(text('+ADw-x+AD4-'))
      expect(await outcome(body, { headers: { 'content-type': `text/xml; charset=${charset}` } })).toBe(
        CALLER['1.1'],
      )
      const declared = `<?xml version="1.0" encoding="${charset}"?>${body}`
      expect(await outcome(declared, { headers: { 'content-type': 'text/xml' } })).toBe(CALLER['1.1'])
    },
  )

  test.each([
    [
      'a half character of UTF-16',
      Buffer.concat([iconv.encode(`\uFEFF${envelope(text('x'))}`, 'utf-16le'), Buffer.of(0x20)]),
    ],
    ['half a surrogate pair in UTF-16', iconv.encode(`\uFEFF${envelope(text('\uD83D'))}`, 'utf-16le')],
    ['the mark of UTF-7', Buffer.from(`+/v8-${envelope(text('x'))}`)],
    [
      'a mark of UTF-8 and then UTF-16',
      Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), iconv.encode(envelope(text('x')), 'utf-16le')]),
    ],
  ])('%s is refused', async (_what, bytes) => {
    expect(await outcome(bytes, { headers: { 'content-type': 'text/xml' } })).toBe(CALLER['1.1'])
  })
})

describe('values', () => {
  const digits = '9'.repeat(1e6)
  test.each([
    ['a long of a million digits', getTicket(digits), CALLER['1.1']],
    ['a decimal of a million zeros', echo({ decVal: `${'0'.repeat(1e6)}.1` }), 'answered'],
    ['a double of a million digits', echo({ dblVal: `${digits}e5` }), 'answered'],
    ['a dateTime with a million digits', echo({ dtVal: `2024-02-29T00:00:00.${digits}` }), 'answered'],
    ['a million spaces before a number', getTicket(`${' '.repeat(1e6)}1`), 'answered'],
    ['a million spaces within a number', getTicket(`1${' '.repeat(1e6)}1`), CALLER['1.1']],
    ['a million spaces within base64', echo({ binVal: `AA${' '.repeat(1e6)}*` }), CALLER['1.1']],
    [
      'a type with a name of a million',
      `<m:EchoParty xmlns:m="${ORDERS}" xmlns:i="${XSI}"><m:party i:type="${million('x')}"/></m:EchoParty>`,
      CALLER['1.1'],
    ],
  ])('%s', async (_what, body, wanted) => {
    expect(await outcome(envelope(body))).toBe(wanted)
  })
})

describe('references (SOAP 1.1 §5.4.1)', () => {
  const LEGACY = 'urn:example:legacy'
  const call = (operation: string, inner: string, others: string): string =>
    envelope(`<m:${operation} xmlns:m="${LEGACY}">${inner}</m:${operation}>${others}`)
  test.each([
    ['to itself', call('echoString', '<s href="#a"/>', '<r id="a" href="#a"/>')],
    [
      'in a circle of three',
      call(
        'echoTicket',
        '<ticket href="#a"/>',
        '<r id="a"><o href="#b"/></r><r id="b"><o href="#c"/></r><r id="c"><o href="#a"/></r>',
      ),
    ],
    [
      'that double at each of 40 steps',
      call(
        'echoTicket',
        '<ticket href="#0"/>',
        `${Array.from({ length: 40 }, (_, i) => `<r id="${i}"><a href="#${i + 1}"/><b href="#${i + 1}"/></r>`).join('')}<r id="40">x</r>`,
      ),
    ],
    [
      'in a chain of 20,000',
      call(
        'echoString',
        '<s href="#0"/>',
        `${Array.from({ length: 20_000 }, (_, i) => `<r id="${i}" href="#${i + 1}"/>`).join('')}<r id="20000">x</r>`,
      ),
    ],
    [
      'to one megabyte, a thousand times',
      call(
        'createTicket',
        `<title>x</title><priority>1</priority><tags>${'<i href="#t"/>'.repeat(1000)}</tags><due>2024-02-29T00:00:00Z</due>`,
        `<r id="t">${million('x')}</r>`,
      ),
    ],
  ])('%s', async (_what, body) => {
    expect(await outcome(body, { path: '/legacy-enc' })).toBe(CALLER['1.1'])
  })
})

describe('packages (XOP, MTOM)', () => {
  const type = 'multipart/related; type="application/xop+xml"; start-info="text/xml"; boundary="B"'
  const include = (href: string): string =>
    `<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="${href}"/>`
  const root = (inner: string): string =>
    `--B\r\nContent-Type: application/xop+xml; charset=utf-8; type="text/xml"\r\nContent-ID: <r>\r\n\r\n${envelope(inner)}\r\n`
  const part = `--B\r\nContent-ID: <a>\r\n\r\n${million('x')}\r\n`
  test.each([
    [
      'one part many times',
      `${root(text(include('cid:a')).replace('</m:comment>', `</m:comment>${`<m:comment>${include('cid:a')}</m:comment>`.repeat(5000)}`))}${part}--B--`,
    ],
    ['the root in itself', `${root(text(include('cid:r')))}--B--`],
    ['an address of HTTP', `${root(text(include('http://127.0.0.1:1/')))}--B--`],
    ['a file', `${root(text(include('file:///etc/passwd')))}--B--`],
    [
      'more parts than anybody sends',
      `${root(text('x'))}${'--B\r\nContent-ID: <a>\r\n\r\nx\r\n'.repeat(200)}--B--`,
    ],
    ['boundaries and nothing else', million('--B\r\n')],
    ['headers without an end', `--B\r\n${million('a: b\r\n')}\r\n\r\n--B--`],
    ['no last boundary', root(text('x'))],
    ['a DOCTYPE in the root', `${root(text('x')).replace('<s:Envelope', '<!DOCTYPE x><s:Envelope')}--B--`],
  ])('%s', async (_what, body) => {
    expect(await outcome(body, { headers: { 'content-type': type } })).toBe(CALLER['1.1'])
    expect(
      await outcome(gzipSync(body), { headers: { 'content-type': type, 'content-encoding': 'gzip' } }),
    ).toBe(CALLER['1.1'])
  })

  test('names that mean something to JavaScript are names', async () => {
    const body = `${root(text(include('cid:__proto__')))}--B\r\nContent-ID: <__proto__>\r\n\r\nabc\r\n--B--`
    expect(valueIn(await world.post(body, { headers: { 'content-type': type } }), 'seen')).toBe('value:YWJj')
  })
})

describe('heads', () => {
  test.each([
    ['content-type', `text/xml; charset="${'\\"'.repeat(3000)}`],
    ['content-type', `text/xml${';'.repeat(6000)}`],
    ['content-type', `text/xml; ${'a=b; '.repeat(1200)}`],
    ['soapaction', `"${'x'.repeat(6000)}"`],
    ['content-encoding', 'gzip, '.repeat(900)],
  ])('a long %s', async (name, value) => {
    const answer = await world.post(envelope(getTicket()), { headers: { [name]: value } })
    expect([200, 415, 500]).toContain(answer.status)
    expect(answer.ms).toBeLessThan(2000)
  })
})

test('all of it has left no more behind than a heap that was large before', () => {
  expect(residentMbOf(world.gateway) - residentMb).toBeLessThan(400)
})

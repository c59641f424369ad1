// Requirements 28 to 50 of the 67 that a SOAP endpoint owes its callers: well-formedness, limits, envelopes, faults. By their numbers.
import iconv from 'iconv-lite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { childElements, textOf } from '../../../adapters/xml/tree.ts'
import {
  CALLER,
  E11,
  E12,
  ORDERS,
  XSI,
  addComment,
  cpuMsOf,
  entryOf,
  envelope,
  faultIn,
  find,
  getTicket,
  startWorld,
  text,
  valueIn,
} from './world.ts'
import type { World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

const versions = ['1.1', '1.2'] as const
const declares = (encoding: string): string => `<?xml version="1.0" encoding="${encoding}"?>`

describe('XML', () => {
  test.each(['utf-8', 'utf-16le', 'utf-16be', 'gbk', 'iso-8859-1', 'big5'])(
    '#28 a DOCTYPE in %s is refused at once (SOAP 1.1 §3, BP 1.1 R1008, 1.2 Part 1 §5)',
    async (charset) => {
      const laughs = Array.from(
        { length: 9 },
        (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`,
      ).join('')
      const body = `<!DOCTYPE a [<!ENTITY l0 "lol"><!ENTITY f SYSTEM "file:///etc/passwd">${laughs}]>${envelope(text('&l9;&f;'))}`
      const mark = charset.startsWith('utf-16') ? iconv.encode('\uFEFF', charset) : Buffer.alloc(0)
      const bytes = Buffer.concat([
        mark,
        iconv.encode(mark.length > 0 ? body : declares(charset) + body, charset),
      ])
      const answers = [
        await world.post(bytes, { headers: { 'content-type': 'text/xml' } }),
        await world.post(bytes, { headers: { 'content-type': 'text/xml' } }),
        await world.post(bytes, { headers: { 'content-type': 'text/xml' } }),
      ]
      for (const answer of answers)
        expect([
          answer.status,
          answer.body.includes('DOCTYPE is not allowed'),
          answer.body.includes('root:'),
        ]).toEqual([500, true, false])
      expect(Math.min(...answers.map(({ ms }) => ms))).toBeLessThan(50)
    },
  )

  test('#29 a processing instruction is refused, or ignored by option (WS-I BP 1.1 R1009)', async () => {
    const body = envelope(`<?php evil ?>${getTicket()}`)
    expect(faultIn(await world.post(body))).toBe(CALLER['1.1'])
    expect((await world.post(body, { path: '/mild' })).status).toBe(200)
  })

  test.each([
    ['an attribute twice', `<m:GetTicket xmlns:m="${ORDERS}" a="1" a="2"/>`],
    ['one by two prefixes', `<m:GetTicket xmlns:m="${ORDERS}" xmlns:p="u" xmlns:q="u" p:a="1" q:a="2"/>`],
    ['a prefix nobody declared', '<z:GetTicket/>'],
    ['another end tag', `<m:GetTicket xmlns:m="${ORDERS}"></m:getTicket>`],
    ['an attribute without quotes', `<m:GetTicket xmlns:m="${ORDERS}" a=1/>`],
    ['"<" in a value', `<m:GetTicket xmlns:m="${ORDERS}" a="<"/>`],
    ['U+0001', text('\u0001')],
    ['"]]>" in text', text(']]>')],
    ['an entity nobody declared', text('&nbsp;')],
    ['a reference to U+0000', text('&#0;')],
    ['a colon too many', addComment('<m:a:b/>')],
  ])('#30 not well-formed: %s (XML 1.0, Namespaces in XML 1.0)', async (_what, body) => {
    expect(faultIn(await world.post(envelope(body)))).toBe(CALLER['1.1'])
  })

  test('#31 numeric references are decoded, once (XML 1.0 §4.1)', async () => {
    expect(valueIn(await world.post(envelope(text('&#65;&#x4e2d;&amp;#65;&amp;lt;'))), 'seen')).toBe(
      'value:A中&#65;&lt;',
    )
  })

  test('#32 references to two surrogates are joined, as Axis 1.4 writes them, or refused by option (XML 1.0 §4.1)', async () => {
    const body = envelope(text('&#xd83d;&#xde00;&#55357;&#56832;'))
    expect(valueIn(await world.post(body), 'seen')).toBe('value:😀😀')
    expect(faultIn(await world.post(body, { path: '/strict' }))).toBe(CALLER['1.1'])
    expect(faultIn(await world.post(envelope(text('&#xd83d;'))))).toBe(CALLER['1.1'])
  })

  test.each([
    ['depth', `${'<a>'.repeat(20_000)}${'</a>'.repeat(20_000)}`, 'inside each other'],
    [
      'attributes',
      `<a ${Array.from({ length: 20_000 }, (_, i) => `a${i}=""`).join(' ')}/>`,
      'attributes on one element',
    ],
    [
      'declarations',
      `<a ${Array.from({ length: 20_000 }, (_, i) => `xmlns:a${i}="u"`).join(' ')}/>`,
      'attributes on one element',
    ],
    ['the length of a name', `<${'a'.repeat(1_000_000)}/>`, 'a name of more than'],
    ['elements', '<a/>'.repeat(600_000), 'more than 500000 elements'],
  ])('#33 %s beyond the limit are refused in time', async (_what, inner, problem) => {
    const begun = cpuMsOf(world.gateway)
    const answer = await world.post(envelope(addComment(inner)))
    expect([faultIn(answer), answer.body.includes(problem)]).toEqual([CALLER['1.1'], true])
    expect(cpuMsOf(world.gateway) - begun).toBeLessThan(2500) // a second by itself, and what the collector takes beside it
  })

  test.each([
    ['text', (n: number) => 'x'.repeat(n)],
    ['references', (n: number) => '&lt;'.repeat(n / 4)],
    ['CDATA', (n: number) => '<![CDATA[x]]>'.repeat(n / 13)],
    ['comments', (n: number) => '<!--x-->'.repeat(n / 8)],
    ['white space in a tag', (n: number) => `</m:comment${' '.repeat(n)}><m:comment>`],
    ['"]" before no end', (n: number) => ']'.repeat(n)],
    ['"<" of no tag', (n: number) => '<'.repeat(n)],
    ['surrogates by reference', (n: number) => '&#xd83d;&#xde00;'.repeat(n / 16)],
  ])('#34 the time is linear in %s', async (_what, inner) => {
    const cost = async (n: number): Promise<number> => {
      const times: number[] = []
      for (let round = 0; round < 2; round += 1) {
        const begun = cpuMsOf(world.gateway)
        await world.post(envelope(text(inner(n))))
        times.push(cpuMsOf(world.gateway) - begun)
      }
      return Math.min(...times)
    }
    await cost(100_000)
    const [one, eight] = [await cost(400_000), await cost(3_200_000)]
    expect(eight).toBeLessThan(20 * Math.max(one, 30)) // 8 times, with room for the collector; 64 times if it were a square
  })

  test.each(['__proto__', 'constructor', 'prototype', 'toString'])(
    '#35 %s is a name as any other, and the next request works',
    async (name) => {
      const plain = await world.post(`<GetOrder><${name}><${name}>1</${name}></${name}></GetOrder>`, {
        path: '/erp',
      })
      expect(plain.body).toContain(`<${name}><${name}>1</${name}></${name}>`)
      const ids = `<m:echoString xmlns:m="urn:example:legacy"><s href="#${name}"/></m:echoString><r id="${name}">x</r>`
      expect(valueIn(await world.post(envelope(ids), { path: '/legacy-enc' }), 's')).toBe('x')
      const header = `<${name} xmlns="urn:h" id="${name}">1</${name}>`
      expect((await world.post(envelope(getTicket(), { header }))).status).toBe(200)
      expect(faultIn(await world.post(envelope(`<${name} xmlns="${ORDERS}"/>`)))).toBe(CALLER['1.1'])
      expect((await world.post(envelope(getTicket()))).status).toBe(200)
    },
  )
})

describe('the envelope', () => {
  test('#36 another envelope is VersionMismatch, with Upgrade in 1.2 (SOAP 1.1 §4.4.1, BP 1.1 R1015, 1.2 Part 1 §5.4.7)', async () => {
    const unknown = ['urn:nope', 'http://www.w3.org/2099/soap-envelope'].map((uri) =>
      envelope(getTicket()).replace(E11, uri),
    )
    const none = `<Envelope><Body>${getTicket()}</Body></Envelope>`
    for (const body of [...unknown, none, '<x/>'])
      for (const version of versions) {
        const answer = await world.post(body, { version })
        expect(faultIn(answer)).toBe(`${version} VersionMismatch 500`)
        if (version === '1.2')
          expect(answer.body).toMatch(/<s:Upgrade><s:SupportedEnvelope qname="(\w+):Envelope"/u)
      }
  })

  test.each([
    ['no Body', `<s:Envelope xmlns:s="${E11}"/>`],
    ['an empty Body', envelope('')],
    ['two children in the Body', envelope(getTicket() + getTicket())],
    ['a child without a namespace', envelope('<GetTicket><ticketId>1</ticketId></GetTicket>')],
    ['text in the Body', envelope(`x${getTicket()}`)],
  ])('#37 %s is refused (WS-I BP 1.1 R9980, R9981, R1014)', async (_what, body) => {
    expect(faultIn(await world.post(body))).toBe(CALLER['1.1'])
  })

  test('#38 another namespace or an unknown operation is refused, without a stack (WS-I BP 1.1 R2712)', async () => {
    for (const body of ['<m:DropTables xmlns:m="urn:x"/>', getTicket().replace(ORDERS, 'urn:other')]) {
      const answer = await world.post(envelope(body))
      expect(faultIn(answer)).toBe(CALLER['1.1'])
      expect(answer.body).not.toMatch(/\n\s+at |node_modules|\.ts/u)
    }
  })

  test('#39 an element after the Body is refused (WS-I BP 1.1 R1011)', async () => {
    expect(
      faultIn(await world.post(envelope(getTicket()).replace('</s:Envelope>', '<x/></s:Envelope>'))),
    ).toBe(CALLER['1.1'])
  })

  test('#40 encodingStyle is borne on the envelope, and never sent in literal (WS-I BP 1.1 R1005 to R1007)', async () => {
    const attributes = 's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
    const answer = await world.post(envelope(getTicket(), { attributes }))
    expect([answer.status, answer.body.includes('encodingStyle')]).toEqual([200, false])
    await world.post(envelope(text('x')), { path: '/out11' })
    expect(world.received.at(-1)?.body).not.toContain('encodingStyle')
  })

  test.each(versions)(
    '#41 in SOAP %s a block that must be understood ends the request before anything happens (SOAP 1.1 §4.2.3, BP 1.1 R1025, R1027, 1.2 Part 1 §5.4.8)',
    async (version) => {
      for (const yes of version === '1.1' ? ['1'] : ['1', 'true']) {
        const before = world.asked.length
        const header = `<x:Tx xmlns:x="urn:x" s:mustUnderstand="${yes}">5</x:Tx>`
        const answer = await world.post(envelope(getTicket(), { version, header }), { version })
        expect([faultIn(answer), world.asked.length]).toEqual([`${version} MustUnderstand 500`, before])
        expect(answer.body.includes('NotUnderstood')).toBe(version === '1.2')
      }
    },
  )

  test('#42 one for another actor or role is none of ours (SOAP 1.1 §4.2.2, 1.2 Part 1 §2.2)', async () => {
    for (const [version, name] of [
      ['1.1', 'actor'],
      ['1.2', 'role'],
    ] as const) {
      const header = `<x:Tx xmlns:x="urn:x" s:mustUnderstand="1" s:${name}="urn:somebody">5</x:Tx>`
      expect((await world.post(envelope(getTicket(), { version, header }), { version })).status).toBe(200)
    }
  })

  test('#43 WS-Addressing: Action is held to the body, RelatesTo comes back, ReplyTo is not dialled (WS-A 1.0)', async () => {
    const addressing = (action: string, more = ''): string =>
      `<a:Action xmlns:a="http://www.w3.org/2005/08/addressing" s:mustUnderstand="1">${action}</a:Action><a:MessageID xmlns:a="http://www.w3.org/2005/08/addressing">urn:uuid:${action.length}${more.length}</a:MessageID>${more}`
    const right = await world.post(envelope(getTicket(), { header: addressing(`${ORDERS}/GetTicket`) }))
    expect([right.status, right.body.includes(`RelatesTo>urn:uuid:${ORDERS.length + 10}0<`)]).toEqual([
      200,
      true,
    ])
    expect(
      faultIn(await world.post(envelope(getTicket(), { header: addressing(`${ORDERS}/NotifyShipment`) }))),
    ).toBe(CALLER['1.1'])
    const replyTo = `<a:ReplyTo xmlns:a="http://www.w3.org/2005/08/addressing"><a:Address>${world.gateway.base}/elsewhere</a:Address></a:ReplyTo>`
    const before = world.asked.length
    expect(
      (await world.post(envelope(getTicket(), { header: addressing(`${ORDERS}/GetTicket`, replyTo) })))
        .status,
    ).toBe(500)
    expect(world.asked.length).toBe(before)
  })

  test('#44 a Fault is no request', async () => {
    for (const version of versions) {
      const fault =
        version === '1.1'
          ? '<s:Fault><faultcode>s:Server</faultcode><faultstring>boo</faultstring></s:Fault>'
          : '<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text xml:lang="en">boo</s:Text></s:Reason></s:Fault>'
      expect(faultIn(await world.post(envelope(fault, { version }), { version }))).toBe(CALLER[version])
    }
  })

  test('#45 header blocks reach the business system, and what it says in them comes back (WS-I BP 1.1 R2738, R2739)', async () => {
    const header = `<m:AuthHeader xmlns:m="${ORDERS}"><m:user>alice</m:user><m:token>t</m:token></m:AuthHeader>`
    const answer = await world.post(envelope(`<m:WhoAmI xmlns:m="${ORDERS}"/>`, { header }))
    expect(valueIn(answer, 'user')).toBe('alice')
    expect(answer.body).toMatch(/<s:Header><(\w+):SessionHeader><\1:sessionId>S-000042</u)
  })
})

describe('faults', () => {
  test('#46 of 1.1: faultcode, faultstring, detail; unqualified, nothing else, no dot in the code (WS-I BP 1.1 R1000, R1001, R1004, R1031)', async () => {
    const fault = entryOf(await world.post(envelope(getTicket('404'))))
    expect(childElements(fault).map(({ uri, local }) => `{${uri}}${local}`)).toEqual([
      '{}faultcode',
      '{}faultstring',
      '{}detail',
    ])
    expect(textOf(find(fault, 'faultcode') ?? fault)).toBe('s:Server')
  })

  test('#47 of 1.2: Code with Value, Reason with Text and its language, Detail (1.2 Part 1 §5.4)', async () => {
    const fault = entryOf(
      await world.post(envelope(getTicket('404'), { version: '1.2' }), { version: '1.2' }),
    )
    expect(childElements(fault).map(({ uri, local }) => `{${uri}}${local}`)).toEqual([
      `{${E12}}Code`,
      `{${E12}}Reason`,
      `{${E12}}Detail`,
    ])
    expect(textOf(find(fault, 'Value') ?? fault)).toBe('s:Receiver')
    expect(find(fault, 'Text')?.attributes).toMatchObject([
      { local: 'lang', value: 'en', uri: 'http://www.w3.org/XML/1998/namespace' },
    ])
  })

  test('#48 a declared one is typed by its schema; detail is of the Body alone (SOAP 1.1 §4.4)', async () => {
    for (const version of versions) {
      const detail = find(
        entryOf(await world.post(envelope(getTicket('404'), { version }), { version })),
        'TicketNotFound',
      )
      expect(detail?.uri).toBe(ORDERS)
      expect(
        detail === undefined
          ? []
          : childElements(detail).map((child) => [child.uri, child.local, textOf(child)]),
      ).toEqual([
        [ORDERS, 'code', '404'],
        [ORDERS, 'ticketId', '404'],
        [ORDERS, 'hint', 'no such ticket'],
      ])
    }
    const header = '<x:Tx xmlns:x="urn:x" s:mustUnderstand="1"/>'
    expect((await world.post(envelope(getTicket(), { header }))).body).not.toContain('detail')
  })

  test('#49 no stack, no path, no library’s name', async () => {
    for (const body of [
      '<',
      envelope('<x/>'),
      envelope(getTicket('x')),
      envelope(getTicket().replace(ORDERS, '__proto__')),
      envelope(`<m:EchoParty xmlns:m="${ORDERS}" xmlns:i="${XSI}"><m:party i:type="m:Nope"/></m:EchoParty>`),
    ])
      expect((await world.post(body)).body).not.toMatch(
        /\n\s+at |node_modules|node:|saxes|\.ts\b|\/work\/|\/tmp\/|TypeError/u,
      )
  })

  test('#50 the sender’s mistake is Client or Sender, ours and the system’s is Server or Receiver (SOAP 1.1 §4.4.1)', async () => {
    expect(faultIn(await world.post(envelope(getTicket('x'))))).toBe(CALLER['1.1'])
    expect(faultIn(await world.post(envelope(getTicket('2'))))).toBe('1.1 Server 500')
    expect(faultIn(await world.post(envelope(getTicket('2'), { version: '1.2' }), { version: '1.2' }))).toBe(
      '1.2 Receiver 500',
    )
    // what comes back from the SOAP server fits no GetTicket
    expect(faultIn(await world.post(envelope(getTicket()), { path: '/out11' }))).toBe('1.1 Server 500')
  })
})

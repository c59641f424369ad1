// Requirements 1 to 27 of the 67 that a SOAP endpoint owes its callers: HTTP and charsets. By their numbers.
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import iconv from 'iconv-lite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sendRaw } from '../../e2e/hostile-world.ts'
import {
  BODY_LIMIT,
  CALLER,
  CONTENT_TYPE,
  E11,
  E12,
  ORDERS,
  entryOf,
  envelope,
  faultIn,
  getTicket,
  residentMbOf,
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

const asking = envelope(getTicket())
const versions = ['1.1', '1.2'] as const

describe('HTTP', () => {
  test('#1 only POST invokes, all else is 405 with Allow (WS-I BP 1.1 R1132, R1114)', async () => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await world.post('', { method })
      expect([method, answer.status, answer.headers.get('allow')]).toEqual([method, 405, 'POST'])
    }
    expect((await world.get('/orders?wsdl')).status).toBe(200)
  })

  test('#2 another media type is 415 (WS-I BP 1.1 R1115, SOAP 1.2 Part 2 §7.5.2)', async () => {
    for (const type of [
      'application/json',
      'text/plain',
      'application/xml+x',
      'multipart/form-data; boundary=x',
    ])
      expect((await world.post(asking, { headers: { 'content-type': type } })).status).toBe(415)
  })

  test.each(versions)(
    '#3 SOAP %s is answered in its own version, whatever the media type says (SOAP 1.1 §5, 1.2 Part 1 app. A)',
    async (version) => {
      for (const said of versions) {
        const answer = await world.post(envelope(getTicket(), { version }), { version: said })
        expect([
          answer.status,
          answer.body.includes(version === '1.1' ? E11 : E12),
          answer.headers.get('content-type'),
        ]).toEqual([200, true, CONTENT_TYPE[version]])
      }
    },
  )

  test('#4 the media type of an answer is made, never copied (SSBP R9703, R1018; RFC 3902)', async () => {
    for (const type of ['text/xml; charset=UTF-8; action="x"; foo=bar', 'TEXT/XML;charset="utf-8"']) {
      expect(
        (await world.post(asking, { headers: { 'content-type': type } })).headers.get('content-type'),
      ).toBe(CONTENT_TYPE['1.1'])
      expect(
        (await world.post('<x', { headers: { 'content-type': type } })).headers.get('content-type'),
      ).toBe(CONTENT_TYPE['1.1'])
    }
  })

  test.each([
    ['missing', {}],
    ['empty', { soapaction: '' }],
    ['quoted and empty', { soapaction: '""' }],
    ['unknown', { soapaction: '"urn:nope"' }],
  ])(
    '#5 the body decides, an action that is %s does not matter (WS-I BP 1.1 R1127, R2710)',
    async (_what, headers: Record<string, string>) => {
      expect(valueIn(await world.post(asking, { headers }), 'subject')).toBe('T1')
    },
  )

  test('#6 an action that names another operation never runs it (WS-I BP 1.1 R1127)', async () => {
    const before = world.asked.length
    const answer = await world.post(asking, { headers: { soapaction: `"${ORDERS}/NotifyShipment"` } })
    expect([faultIn(answer), world.asked.length]).toEqual([CALLER['1.1'], before])
  })

  test('#7 an action without quotes is taken (WS-I BP 1.1 R1109, R1119)', async () => {
    expect((await world.post(asking, { headers: { soapaction: `${ORDERS}/GetTicket` } })).status).toBe(200)
  })

  test('#8 outwards SOAPAction is quoted as the WSDL has it, "" without one; 1.2 has the action parameter (R2744, R2745; 1.2 Part 2 §6.5)', async () => {
    for (const path of ['/out11', '/out12', '/bare'])
      expect((await world.post(envelope(text('x')), { path })).status).toBe(200)
    const [v11, v12, bare] = world.received.slice(-3).map(({ headers }) => headers)
    expect([v11?.['soapaction'], v11?.['content-type']]).toEqual([
      `"${ORDERS}/AddComment"`,
      CONTENT_TYPE['1.1'],
    ])
    expect([v12?.['soapaction'], v12?.['content-type']]).toEqual([
      undefined,
      `${CONTENT_TYPE['1.2']}; action="${ORDERS}/AddComment"`,
    ])
    expect(bare?.['soapaction']).toBe('""')
  })

  test('#9 SOAP 1.2 without action, or with a stray SOAPAction (RFC 3902)', async () => {
    const body = envelope(getTicket(), { version: '1.2' })
    expect((await world.post(body, { version: '1.2' })).status).toBe(200)
    expect((await world.post(body, { version: '1.2', headers: { soapaction: '""' } })).status).toBe(200)
    const action = `${CONTENT_TYPE['1.2']}; action="${ORDERS}/GetTicket"`
    expect((await world.post(body, { headers: { 'content-type': action } })).status).toBe(200)
  })

  test('#10 a fault is 500, in 1.2 the caller’s 400, never 200 (SOAP 1.1 §6.2, BP 1.1 R1126, 1.2 Part 2 table 20)', async () => {
    for (const version of versions) {
      expect(faultIn(await world.post(envelope(getTicket('x'), { version }), { version }))).toBe(
        CALLER[version],
      )
      expect(faultIn(await world.post(envelope(getTicket('404'), { version }), { version }))).toBe(
        version === '1.1' ? '1.1 Server 500' : '1.2 Receiver 500',
      )
    }
  })

  test('#11 success is 200, one-way 202 without a body (WS-I BP 1.1 R1111, R1112, R2714)', async () => {
    expect((await world.post(asking)).status).toBe(200)
    const notify = `<m:NotifyShipment xmlns:m="${ORDERS}"><m:orderId>1</m:orderId><m:carrier>DHL</m:carrier></m:NotifyShipment>`
    const answer = await world.post(envelope(notify))
    expect([answer.status, answer.body, answer.headers.get('content-length')]).toEqual([202, '', '0'])
  })

  test.each([
    ['not XML', 'hello=world'],
    ['cut off', asking.slice(0, -20)],
    ['two roots', asking + asking],
    ['with rubbish behind', `${asking}x`],
    ['empty', ''],
  ])(
    '#12 a body that is %s is the caller’s mistake, in the right shape (WS-I BP 1.1 R1113, R1125)',
    async (_what, body) => {
      expect(faultIn(await world.post(body))).toBe(CALLER['1.1'])
      expect(faultIn(await world.post(body, { version: '1.2' }))).toBe(CALLER['1.2'])
    },
  )

  test('#13 who expects 100 is told to go on (RFC 9110 §10.1.1)', async () => {
    const head = `POST /orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/xml\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: ${asking.length}\r\n\r\n`
    const said = await new Promise<string>((resolve, reject) => {
      let all = ''
      const socket = connect(world.gateway.port, '127.0.0.1', () => socket.write(head))
      socket.setEncoding('utf8').on('data', (piece: string) => {
        if (all === '' && piece.startsWith('HTTP/1.1 100')) socket.write(asking)
        all += piece
      })
      socket.on('close', () => resolve(all)).on('error', reject)
    })
    expect(said).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/u)
  })

  test('#14 a chunk may end within a character (RFC 9112 §7.1)', async () => {
    const bytes = Buffer.from(envelope(text('漢😀')))
    const chunks = Array.from(bytes, (byte) =>
      Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]),
    )
    const head =
      'POST /orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/xml; charset=utf-8\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n'
    expect(
      valueIn(
        await world.raw(Buffer.concat([Buffer.from(head), ...chunks, Buffer.from('0\r\n\r\n')])),
        'seen',
      ),
    ).toBe('value:漢😀')
  })

  test('#15 HTTP/1.0 is answered without chunks (WS-I BP 1.1 R1141)', async () => {
    const answer = await sendRaw(
      world.gateway,
      `POST /orders HTTP/1.0\r\nhost: localhost\r\ncontent-type: text/xml\r\ncontent-length: ${asking.length}\r\n\r\n${asking}`,
      { toClose: true },
    )
    expect([
      answer.status,
      answer.headers.has('transfer-encoding'),
      answer.body.endsWith('</s:Envelope>'),
    ]).toEqual([200, false, true])
  })

  test('#16 every answer says its length (XML-RPC; clients that cannot read chunks)', async () => {
    const call = '<methodCall><methodName>GetOrder</methodName></methodCall>'
    for (const answer of [
      await world.post(asking),
      await world.post('<'),
      await world.get('/orders'),
      await world.get('/orders?wsdl'),
      await world.post(call, { path: '/erp' }),
    ])
      expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(answer.body)))
  })

  test('#17 gzip is unpacked, broken gzip is 400, and it goes on', async () => {
    const headers = { 'content-encoding': 'gzip' }
    const packed = gzipSync(asking)
    expect((await world.post(packed, { headers })).status).toBe(200)
    for (const broken of [
      packed.subarray(0, 30),
      Buffer.from('not gzip'),
      Buffer.concat([packed.subarray(0, 40), Buffer.alloc(40)]),
    ])
      expect((await world.post(broken, { headers })).status).toBe(400)
    expect((await world.post(asking)).status).toBe(200)
  })

  test('#18 another coding is 415, never read as text (RFC 9110 §15.5.16)', async () => {
    for (const coding of ['br', 'compress', 'zstd', 'gzip, gzip', 'x'])
      expect((await world.post(asking, { headers: { 'content-encoding': coding } })).status).toBe(415)
  })

  test('#19 media type and charset in any case, quoted or not (RFC 9110 §8.3.1)', async () => {
    for (const type of [
      'TEXT/XML; CHARSET=UTF-8',
      'Text/Xml;Charset="utf-8"',
      'text/xml ; charset = utf-8',
      'application/SOAP+xml;charset=UTF8',
    ])
      expect([
        type,
        valueIn(await world.post(envelope(text('ü')), { headers: { 'content-type': type } }), 'seen'),
      ]).toEqual([type, 'value:ü'])
  })

  test('#20 too large is 413 before and after unpacking, in bounded memory', async () => {
    const before = residentMbOf(world.gateway)
    const head = `POST /orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/xml\r\ncontent-length: ${BODY_LIMIT + 1}\r\n\r\n`
    expect((await world.raw(head)).status).toBe(413)
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024, 0x20))
    for (let round = 0; round < 3; round += 1)
      expect((await world.post(bomb, { headers: { 'content-encoding': 'gzip' } })).status).toBe(413)
    expect(residentMbOf(world.gateway) - before).toBeLessThan(100)
  })
})

/** What `text` came to, sent in these bytes. */
async function seenOf(bytes: Uint8Array, type = 'text/xml'): Promise<string | undefined> {
  const response = await fetch(`${world.gateway.base}/orders`, {
    method: 'POST',
    body: Buffer.from(bytes),
    headers: { 'content-type': type },
  })
  const said = /charset=([\w-]+)/u.exec(response.headers.get('content-type') ?? '')?.[1] ?? 'utf-8'
  const body = iconv.decode(Buffer.from(await response.arrayBuffer()), said)
  return response.status === 200
    ? `${said} ${valueIn({ body }, 'seen')}`
    : `${response.status} ${entryOf({ body }).local}`
}

const inCharset = (value: string, charset: string, declaration = ''): Buffer =>
  iconv.encode(`${declaration}${envelope(text(value))}`, charset)
const declares = (encoding: string): string => `<?xml version="1.0" encoding="${encoding}"?>`

describe('charsets', () => {
  test('#21 UTF-8 and UTF-16 of either order, with their byte order mark (SSBP R1012)', async () => {
    for (const order of ['utf-16le', 'utf-16be'])
      expect(await seenOf(Buffer.concat([iconv.encode('\uFEFF', order), inCharset('中😀', order)]))).toBe(
        'utf-8 value:中😀',
      )
    expect(await seenOf(inCharset('中😀', 'utf-8'))).toBe('utf-8 value:中😀')
  })

  test('#22 a byte order mark (SSBP R4001)', async () => {
    expect(
      await seenOf(Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), inCharset('ü', 'utf-8', declares('UTF-8'))])),
    ).toBe('utf-8 value:ü')
  })

  test('#22 but not two, nor one in between', async () => {
    const mark = Buffer.of(0xef, 0xbb, 0xbf)
    expect(await seenOf(Buffer.concat([mark, mark, inCharset('x', 'utf-8')]))).toBe('500 Fault')
    expect(await seenOf(Buffer.concat([Buffer.from(declares('utf-8')), mark, inCharset('x', 'utf-8')]))).toBe(
      '500 Fault',
    )
    const wide = Buffer.concat([iconv.encode('\uFEFF\uFEFF', 'utf-16le'), inCharset('x', 'utf-16le')])
    expect(await seenOf(wide)).toBe('500 Fault')
    expect(await seenOf(Buffer.from(envelope(`\uFEFF${text('x')}`)))).toBe('500 Fault')
    expect(await seenOf(Buffer.from(envelope(text('a\uFEFFb'))))).toBe('utf-8 value:a\uFEFFb') // a character as any other
  })

  test('#23 an XML declaration (SSBP R1010)', async () => {
    for (const declaration of [
      `<?xml version='1.0'?>`,
      declares('utf-8'),
      `<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>\r\n`,
    ])
      expect(await seenOf(inCharset('ü', 'utf-8', declaration))).toBe('utf-8 value:ü')
  })

  test('#24 the charset parameter beats the declaration (SSBP R1019, RFC 7303 §3)', async () => {
    expect(await seenOf(inCharset('王小明', 'gbk', declares('utf-8')), 'text/xml; charset=gbk')).toBe(
      'gbk value:王小明',
    )
    expect(await seenOf(inCharset('王小明', 'utf-8', declares('gbk')), 'text/xml; charset=utf-8')).toBe(
      'utf-8 value:王小明',
    )
  })

  test('#25 without it the byte order mark, then the declaration (RFC 7303 §3)', async () => {
    expect(await seenOf(inCharset('王小明', 'gb18030', declares('GB18030')))).toBe('gb18030 value:王小明')
    const lies = Buffer.concat([
      iconv.encode('\uFEFF', 'utf-16le'),
      inCharset('x', 'utf-16le', declares('gbk')),
    ])
    expect(await seenOf(lies)).toBe('500 Fault') // XML 1.0 §4.3.3: both speak, and differ
  })

  test('#26 others exactly or not at all, never U+FFFD', async () => {
    for (const [charset, value] of [
      ['gbk', '王小明'],
      ['iso-8859-1', 'Müller'],
      ['big5', '王小明'],
      ['iso-8859-15', '€'],
      ['windows-1252', '“€”'],
    ] as const)
      expect(await seenOf(inCharset(value, charset, declares(charset)))).toBe(`${charset} value:${value}`)
    for (const charset of ['utf-7', 'utf-32', 'x-user-defined', 'iso-2022-jp', 'ebcdic-cp-us'])
      expect(await seenOf(Buffer.from(declares(charset) + envelope(text('x'))))).toBe('500 Fault')
    expect(
      await seenOf(
        Buffer.concat([
          Buffer.from(declares('gbk') + envelope(text('x')).slice(0, -40)),
          Buffer.of(0x81, 0x20),
        ]),
      ),
    ).toBe('500 Fault')
  })

  test.each([
    ['a lone byte', [0x80]],
    ['a cut character', [0xe4, 0xb8]],
    ['an overlong "/"', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['beyond Unicode', [0xf5, 0x80, 0x80, 0x80]],
  ])('#27 UTF-8 with %s is refused (XML 1.0 §4.3.3)', async (_what, bytes) => {
    const [before = '', after = ''] = envelope(text('|')).split('|')
    expect(
      await seenOf(
        Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)]),
        CONTENT_TYPE['1.1'],
      ),
    ).toBe('500 Fault')
  })
})

import { describe, expect, test } from 'vitest'
import type { HttpResponse } from 'dragoman'
import {
  extractParts,
  includeParts,
  readPackage,
  writePackage,
} from '../../../../adapters/soap/attachments.ts'
import { mediaType } from '../../../../adapters/soap/content.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { childElements, element, textOf } from '../../../../adapters/xml/tree.ts'
import { call, open, ticketAnswer, wire, xml } from './caller.ts'
import { captures } from './corpus.ts'
import { bodyText, envelope, orders, serve, wsdl } from './service.ts'

const xop = 'xmlns:x="http://www.w3.org/2004/08/xop/include"'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('a package', () => {
  test('that JAX-WS sent gives its envelope and its attachment (RFC 2387, XOP §5)', () => {
    const [capture] = captures('extras-mtom-jaxws-11')
    const { root, type, parts } = readPackage(
      capture?.request.body ?? new Uint8Array(),
      mediaType(capture?.request.headers?.['content-type']),
    )
    expect(new TextDecoder().decode(root)).toMatch(/^<\?xml.*Envelope>$/su)
    expect(type.type).toBe('text/xml')
    expect([...parts].map(([id, part]) => [id, part.length])).toEqual([
      ['2aedcd8b-eecf-4e3e-b89a-b5e22c188630@example.jaxws.sun.com', 5000],
    ])
  })

  test('that we write is read again, whatever bytes are in it', () => {
    const part = Uint8Array.from({ length: 5000 }, (_, index) => (index * 7) % 256)
    const { body, contentType } = writePackage({
      root: bytes('<a/>'),
      mediaType: 'application/soap+xml',
      action: 'urn:a',
      parts: [{ id: '1@x', bytes: part }],
    })
    const type = mediaType(contentType)
    expect([
      type.type,
      type.parameters.get('type'),
      type.parameters.get('start-info'),
      type.parameters.get('action'),
    ]).toEqual(['multipart/related', 'application/xop+xml', 'application/soap+xml', 'urn:a'])
    const read = readPackage(body, type)
    expect([new TextDecoder().decode(read.root), read.type.type]).toEqual(['<a/>', 'application/soap+xml'])
    expect(Buffer.from(read.parts.get('1@x') ?? []).equals(part)).toBe(true)
  })

  test.each([
    ['an empty line of the other kind', '\n', 'AA\r\n\r\nBB'],
    ['the other empty line', '\r\n', 'AA\n\nBB'],
    ['a CR at its end', '\n', 'left\r'],
    ['an LF at its end', '\r\n', 'left\n'],
  ])(
    'keeps every byte of a part with %s, whichever line breaks are around it (RFC 2046 §5.1.1)',
    (_what, nl, content) => {
      const lines = ['--b', 'Content-ID: <r>', '', '<x/>', '--b', 'Content-ID: <a>', '', content, '--b--', '']
      const { root, parts } = readPackage(bytes(lines.join(nl)), mediaType('multipart/related; boundary=b'))
      expect(new TextDecoder().decode(root)).toBe('<x/>')
      expect([...parts].map(([id, part]) => [id, new TextDecoder().decode(part)])).toEqual([['a', content]])
    },
  )

  test.each([
    [
      'with two parts of one id',
      'multipart/related; boundary=b',
      `--b\r\n\r\n<a/>${'\r\n--b\r\nContent-ID: <a>\r\n\r\nx'.repeat(2)}\r\n--b--`,
    ],
    ['without a boundary', 'multipart/related', '--b\r\n\r\n<a/>\r\n--b--'],
    ['without an end', 'multipart/related; boundary=b', '--b\r\n\r\n<a/>\r\n--b\r\n'],
    ['without a header section', 'multipart/related; boundary=b', '--b\r\n<a/>\r\n--b--'],
    [
      'without the part it starts with',
      'multipart/related; boundary=b; start="<x>"',
      '--b\r\n\r\n<a/>\r\n--b--',
    ],
    [
      'in an encoding nobody uses',
      'multipart/related; boundary=b',
      '--b\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\n<a/>\r\n--b--',
    ],
    ['of too many parts', 'multipart/related; boundary=b', `${'--b\r\n\r\nx\r\n'.repeat(200)}--b--`],
    ['that is empty', 'multipart/related; boundary=b', ''],
  ])('%s is refused', (_what, type, body) => {
    expect(() => readPackage(bytes(body), mediaType(type))).toThrow(
      expect.objectContaining({ code: 'DECODE_FAILED' }),
    )
  })
})

test('parts in quoted-printable are decoded, the envelope too (RFC 2045 §6.7)', () => {
  const head = 'Content-Transfer-Encoding: Quoted-Printable'
  const { root, parts } = readPackage(
    bytes(
      `--b\r\n${head}\r\n\r\n<a b=3D"=C3=BC"> =\r\nx</a>\r\n--b\r\n${head}\r\nContent-ID: <1>\r\n\r\na=3db= \t\r\nc=\nd\r\ne=FF=zz\r\n--b--`,
    ),
    mediaType('multipart/related; boundary=b'),
  )
  expect(new TextDecoder().decode(root)).toBe('<a b="ü"> x</a>')
  expect(Buffer.from(parts.get('1') ?? []).toString('latin1')).toBe('a=bcd\r\ne\u00ff=zz')
})

describe('an answer of a business system', () => {
  const answer = (...attachments: readonly string[]): Response => {
    const root = `Content-Type: text/xml\r\nContent-ID: <root>\r\n\r\n${ticketAnswer()}`
    return xml(
      `${[root, ...attachments].map((part) => `--b\r\n${part}\r\n`).join('')}--b--`,
      200,
      'multipart/related; type="text/xml"; start="<root>"; boundary=b',
    )
  }

  test.each([
    ['one', ['Content-ID: <logo@x>\r\n\r\nPNG']],
    ['several without ids', ['Content-Type: image/png\r\n\r\nPNG', 'Content-Type: image/png\r\n\r\nPNG']],
    ['one in quoted-printable', ['Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db']],
  ])('is taken with attachments it does not refer to, as SwA allows: %s', async (_what, attachments) => {
    const { fetch } = wire(() => answer(...attachments))
    await using backend = await open({ wsdl: wsdl('orders'), endpoint: 'http://x.example/' }, { fetch })
    await expect(call(backend, 'WhoAmI', {})).resolves.toEqual({ data: { user: 'x' } })
  })

  test('is none where two attachments have one id', async () => {
    const { fetch } = wire(() => answer('Content-ID: <a>\r\n\r\nx', 'Content-ID: <a>\r\n\r\ny'))
    await using backend = await open({ wsdl: wsdl('orders'), endpoint: 'http://x.example/' }, { fetch })
    await expect(call(backend, 'WhoAmI', {})).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  })
})

describe('attachments', () => {
  const one = new Map([['1@x', bytes('hello')]])

  test('take the place of xop:Include as base64 (XOP §3.2), and of an href (SOAP with Attachments)', () => {
    for (const text of [`<a><b><x:Include ${xop} href="cid:1%40x"/></b></a>`, '<a><b href="cid:1@x"/></a>']) {
      const [b] = childElements(includeParts(readXmlText(text), one))
      expect(b === undefined ? '' : textOf(b)).toBe('aGVsbG8=')
      expect(b?.attributes).toEqual([])
    }
  })

  test.each([
    ['a reference to no part', `<a><x:Include ${xop} href="cid:2"/></a>`],
    [
      'two references to one part, which would multiply it',
      `<a><b><x:Include ${xop} href="cid:1@x"/></b><b><x:Include ${xop} href="cid:1@x"/></b></a>`,
    ],
    ['a part nobody refers to, which would be lost', '<a/>'],
    ['an Include beside text', `<a>text<x:Include ${xop} href="cid:1@x"/></a>`],
    ['a part named __proto__ that is not there', `<a><x:Include ${xop} href="cid:__proto__"/></a>`],
  ])('are refused with %s', (_what, text) => {
    expect(() => includeParts(readXmlText(text), one)).toThrow(
      expect.objectContaining({ code: 'DECODE_FAILED' }),
    )
  })

  test('without a name, which nobody can refer to, are refused as well', () => {
    const { parts } = readPackage(
      bytes('--b\r\n\r\n<a/>\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--'),
      mediaType('multipart/related; boundary=b'),
    )
    expect(parts.size).toBe(2)
    for (const text of ['<a/>', '<a href="cid:"/>'])
      expect(() => includeParts(readXmlText(text), parts)).toThrow(
        expect.objectContaining({ code: 'DECODE_FAILED' }),
      )
  })

  test('taken out and put back are the same tree', () => {
    const value = element('urn:a', 'b', [], [Buffer.alloc(3000, 7).toString('base64')])
    const whole = element('urn:a', 'a', [], [value, element('urn:a', 'c')])
    const { envelope: reduced, parts } = extractParts(whole, new Set([value]))
    expect(parts.map((part) => part.bytes.length)).toEqual([3000])
    expect(includeParts(reduced, new Map(parts.map((part) => [part.id, part.bytes])))).toEqual(whole)
  })
})

describe('with mtom: both', () => {
  const ask = async (setting: string, body: string, type: string): Promise<HttpResponse> => {
    await using running = await serve({ config: { mtom: setting } })
    return running.post(`--b\r\nContent-Type: ${type}\r\n\r\n${body}\r\n--b--`, {
      'content-type': `multipart/related; boundary=b; type="${type.split(';')[0]}"`,
    })
  }
  const xopped = 'application/xop+xml; charset=utf-8; type="text/xml"'
  const whoAmI = envelope(`<o:WhoAmI xmlns:o="${orders}"/>`)

  test.each([
    ['a short answer', whoAmI, 'WhoAmIResponse'],
    ['a fault', envelope(`<o:Nope xmlns:o="${orders}"/>`), ':Fault>'],
    ['a fault about the request itself', '<a', ':Fault>'],
  ])('who sent MTOM reads %s in it, without parts (MTOM §3.2)', async (_what, body, inside) => {
    const response = await ask('both', body, xopped)
    const type = mediaType(response.headers?.['content-type'])
    expect([type.type, type.parameters.get('start-info')]).toEqual(['multipart/related', 'text/xml'])
    const { root, parts } = readPackage(bytes(bodyText(response)), type)
    expect(new TextDecoder().decode(root)).toContain(inside)
    expect(parts.size).toBe(0)
  })

  test.each([
    ['both', 'type="application/xop+xml"; start-info="application/soap+xml"', 'multipart/related'],
    ['in', 'type="application/soap+xml"', 'application/soap+xml'],
  ])(
    'a package of SOAP 1.2 that cannot be read is answered in it (mtom: %s, %s)',
    async (mtom, says, outer) => {
      await using running = await serve({ config: { mtom } })
      const response = await running.post('no multipart', {
        'content-type': `multipart/related; boundary=b; ${says}`,
      })
      const type = mediaType(response.headers?.['content-type'])
      expect([response.status, type.type]).toEqual([400, outer])
      expect(type.parameters.get('start-info')).toBe(mtom === 'both' ? 'application/soap+xml' : undefined)
      expect(bodyText(response)).toContain('http://www.w3.org/2003/05/soap-envelope')
    },
  )

  test.each([
    ['who sent attachments without XOP', 'both', 'text/xml'],
    ['who sent MTOM where the channel answers none', 'in', xopped],
  ])('%s reads an envelope alone', async (_what, setting, type) => {
    const response = await ask(setting, whoAmI, type)
    expect(response.headers?.['content-type']).toBe('text/xml; charset=utf-8')
  })
})

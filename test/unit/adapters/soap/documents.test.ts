import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import { loadDocuments } from '../../../../adapters/soap/documents.ts'
import { askedDocument, publish } from '../../../../adapters/soap/publish.ts'
import { ns } from '../../../../adapters/soap/names.ts'
import { readWsdl } from '../../../../adapters/soap/wsdl.ts'
import { messageCodec } from '../../../../adapters/soap/messages.ts'
import { readXml, readXmlText } from '../../../../adapters/xml/read.ts'
import { attribute, childElements, type XmlElement } from '../../../../adapters/xml/tree.ts'
import { files, wsdl } from './service.ts'

const noFetch: typeof fetch = () => Promise.reject(new Error('nothing may be fetched'))

/** A service in four files: bindings import port types, schemas include and import each other in a circle. */
const pieces = {
  'service.wsdl': `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
      xmlns:b="urn:binding" xmlns:a="urn:abstract" targetNamespace="urn:binding">
    <import namespace="urn:abstract" location="abstract.wsdl"/>
    <import namespace="urn:binding" location="service.wsdl"/>
    <binding name="B" type="a:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
      <operation name="Ask"><s:operation soapAction="urn:ask"/><input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation>
    </binding>
    <service name="S"><port name="P1" binding="b:B"><s:address location="http://old.example/ask"/></port>
      <port name="Get" binding="b:B"><h:address xmlns:h="http://schemas.xmlsoap.org/wsdl/http/" location="http://old.example/get"/></port></service>
  </definitions>`,
  'abstract.wsdl': `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:m="urn:m" xmlns:a="urn:abstract" targetNamespace="urn:abstract">
    <import namespace="urn:binding" location="service.wsdl"/>
    <types><x:schema targetNamespace="urn:m"><x:import namespace="urn:n" schemaLocation="n.xsd"/><x:include schemaLocation="common.xsd"/>
      <x:import namespace="http://schemas.xmlsoap.org/soap/encoding/" schemaLocation="http://schemas.xmlsoap.org/soap/encoding/"/>
      <x:element name="Ask" type="m:Text"/><x:element name="AskResponse" type="m:Text"/></x:schema></types>
    <message name="In"><part name="p" element="m:Ask"/></message><message name="Out"><part name="p" element="m:AskResponse"/></message>
    <portType name="P"><operation name="Ask"><input message="In"/><output message="a:Out"/></operation></portType>
  </definitions>`,
  'common.xsd': `<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema"><x:include schemaLocation="common.xsd"/>
    <x:simpleType name="Text"><x:restriction base="x:string"/></x:simpleType></x:schema>`,
  'n.xsd': `<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:m="urn:m" targetNamespace="urn:n"><x:element name="n" type="x:string"/></x:schema>`,
}

async function whole(changes: Partial<typeof pieces> = {}) {
  const folder = await files({ ...pieces, ...changes })
  return loadDocuments(join(folder, 'service.wsdl'), { fetch: noFetch, imports: [] })
}

describe('a WSDL in several files', () => {
  test('is read with its imports and includes, each once, in circles too (WSDL 1.1 §2.1.1)', async () => {
    const documents = await whole()
    expect(documents.all.map(({ name }) => name).toSorted()).toEqual([
      'abstract.wsdl',
      'common.xsd',
      'n.xsd',
      'service.wsdl',
    ])
    const model = readWsdl(documents)
    expect(model.operations).toHaveLength(1)
    expect(model.operations[0]).toMatchObject({
      name: 'Ask',
      soapAction: 'urn:ask',
      input: { body: { uri: 'urn:m', local: 'Ask' } },
      port: { version: '1.1', location: 'http://old.example/ask' },
    })
    expect(model.schemas.element({ uri: 'urn:m', local: 'Ask' })?.type.name).toEqual({
      uri: 'urn:m',
      local: 'Text',
    })
  })

  test('is shown with our address and our locations alone, and no port that is not SOAP', async () => {
    const documents = await whole()
    const shown = (name?: string): XmlElement => {
      const bytes = publish(documents, 'https://desk.example/ask', name)
      if (bytes === undefined) throw new Error('nothing shown')
      return readXml(bytes).root
    }
    // the main one at one address alone: PHP takes what two addresses show for two services of one name
    expect(addresses(shown())).toEqual([
      'https://desk.example/ask?wsdl=abstract.wsdl',
      'https://desk.example/ask?wsdl',
      'https://desk.example/ask',
    ])
    expect(addresses(shown('ABSTRACT.wsdl'))).toEqual([
      'https://desk.example/ask?wsdl',
      'https://desk.example/ask?xsd=n.xsd',
      'https://desk.example/ask?xsd=common.xsd',
    ])
    expect(publish(documents, 'https://desk.example/ask', '../secret')).toBeUndefined()
  })

  test('is shown with our address where an endpoint reference names the old one (WS-Addressing 1.0 WSDL Binding §4.1)', async () => {
    const wsa = 'http://www.w3.org/2005/08/addressing'
    const reference = `<w:EndpointReference xmlns:w="${wsa}"><w:Address> http://old.example/ask </w:Address><i:Identity xmlns:i="http://schemas.xmlsoap.org/ws/2006/02/addressingidentity"><i:Dns>old.example</i:Dns></i:Identity></w:EndpointReference></port>`
    const documents = await whole({
      'service.wsdl': pieces['service.wsdl'].replace('/></port>', `/>${reference}`),
    })
    const shown = Buffer.from(publish(documents, 'https://desk.example/ask') ?? []).toString()
    expect(shown).toContain('Address>https://desk.example/ask</')
    expect(shown).not.toContain('old.example')
  })

  test('may have its schemas in the language of October 2000, and shows them so', async () => {
    const old = Object.entries(pieces).map(([name, text]) => [
      name,
      text.replaceAll('http://www.w3.org/2001/XMLSchema', 'http://www.w3.org/2000/10/XMLSchema'),
    ])
    const documents = await whole(Object.fromEntries(old) as typeof pieces) // the same names as in pieces
    const type = readWsdl(documents).schemas.element({ uri: 'urn:m', local: 'Ask' })?.type
    expect(type).toMatchObject({ name: { uri: 'urn:m', local: 'Text' }, builtin: 'string' })
    const shown = publish(documents, 'https://desk.example/ask', 'abstract.wsdl')
    expect(new TextDecoder().decode(shown)).toContain(
      'schemaLocation="https://desk.example/ask?xsd=common.xsd"',
    )
  })

  test('is the same model when it is read from what is shown', async () => {
    const documents = await whole()
    const base = 'https://desk.example/ask'
    const shown: typeof fetch = (input) => {
      const asked = askedDocument(new URL(urlOf(input)).search.slice(1))
      const bytes = publish(documents, base, asked?.name)
      return Promise.resolve(
        bytes === undefined ? new Response('', { status: 404 }) : new Response(Buffer.from(bytes)),
      )
    }
    const again = await loadDocuments(`${base}?wsdl`, { fetch: shown, imports: [] })
    const [operation] = readWsdl(again).operations
    expect(operation).toMatchObject({
      name: 'Ask',
      input: { body: { uri: 'urn:m', local: 'Ask' } },
      port: { location: base },
    })
  })

  test('may redefine what a piece has, and shows it so (XSD 1 §4.2.2)', async () => {
    const redefined = `<x:redefine schemaLocation="common.xsd"><x:simpleType name="Text"><x:restriction base="m:Text"><x:maxLength value="3"/></x:restriction></x:simpleType></x:redefine>`
    const abstract = pieces['abstract.wsdl'].replace('<x:include schemaLocation="common.xsd"/>', redefined)
    const documents = await whole({ 'abstract.wsdl': abstract })
    const [operation] = readWsdl(documents).operations
    if (operation === undefined) throw new Error('no operation')
    const codec = messageCodec(readWsdl(documents).schemas, operation, operation.input)
    const asked = (text: string) => readXmlText(`<Ask xmlns="urn:m">${text}</Ask>`)
    expect(codec.decode(asked('abc'), '1.1')).toBe('abc')
    expect(() => codec.decode(asked('abcd'), '1.1')).toThrow('3 is the most')
    const shown = Buffer.from(publish(documents, 'http://gate/x', 'abstract.wsdl') ?? []).toString()
    expect(shown).toContain('redefine schemaLocation="http://gate/x?xsd=common.xsd"')
  })

  test.each([
    ['written as a URI', 'My%20Types/b.xsd', 'My Types/b.xsd'],
    ['between blanks', '\n  common.xsd ', 'common.xsd'],
    ['with a fragment', 'common.xsd#types', 'common.xsd'],
    ['written as a file name', 'My Types/50%.xsd', 'My Types/50%.xsd'],
    ['that has a name with a #', 'a#b.xsd', 'a#b.xsd'],
    ['that has a name as if it were escaped', 'My%20Types.xsd', 'My%20Types.xsd'],
  ])('finds a piece %s (RFC 3986 §4.1)', async (_what, written, file) => {
    const folder = await files({
      ...pieces,
      'abstract.wsdl': pieces['abstract.wsdl'].replace('"common.xsd"', `"${written}"`),
      'common.xsd': '',
    })
    await mkdir(join(folder, 'My Types'))
    await writeFile(join(folder, file), pieces['common.xsd'].replace(/<x:include[^>]*>/u, ''))
    const documents = await loadDocuments(join(folder, 'service.wsdl'), { fetch: noFetch, imports: [] })
    expect(readWsdl(documents).schemas.type({ uri: 'urn:m', local: 'Text' })).toBeDefined()
  })

  test('names the piece that is refused, and says what to do about a DOCTYPE', async () => {
    const refused = (text: string) => whole({ 'common.xsd': text })
    await expect(refused(`<!DOCTYPE x SYSTEM "a.dtd">\n${pieces['common.xsd']}`)).rejects.toMatchObject({
      code: 'DECODE_FAILED',
      message: expect.stringMatching(
        /^".*\/common\.xsd": xml .*: a DOCTYPE is not allowed: take it out of the copy$/u,
      ),
    })
    await expect(refused('<a>')).rejects.toThrow(/^".*\/common\.xsd": xml /u)
  })

  test('that is missing a piece names it', async () => {
    const folder = await files({ 'service.wsdl': pieces['service.wsdl'] })
    await expect(
      loadDocuments(join(folder, 'service.wsdl'), { fetch: noFetch, imports: [] }),
    ).rejects.toMatchObject({
      code: 'DECODE_FAILED',
      message: expect.stringContaining('abstract.wsdl'),
    })
  })
})

describe('a location that is written badly', () => {
  const text = (location: string): string =>
    pieces['abstract.wsdl']
      .replace('<import namespace="urn:binding" location="service.wsdl"/>', '')
      .replace(
        '<x:include schemaLocation="common.xsd"/>',
        '<x:simpleType name="Text"><x:restriction base="x:string"/></x:simpleType>',
      )
      .replace('"n.xsd"', `"${location}"`)
  const remote = (location: string): Promise<unknown> => {
    const serve: typeof fetch = () => Promise.resolve(new Response(text(location)))
    return loadDocuments('http://x.example/a.wsdl?v=1', { fetch: serve, imports: [] })
  }
  const local = async (location: string): Promise<unknown> => {
    const folder = await files({ 'a.wsdl': text(location) })
    return loadDocuments(join(folder, 'a.wsdl'), { fetch: noFetch, imports: [] })
  }

  test('and empty is the document itself, from a file as from a URL (RFC 3986 §4.4)', async () => {
    expect(await local('')).toMatchObject({ all: [{ name: 'a.wsdl' }] })
    expect(await remote(' ')).toMatchObject({ all: [{ name: 'a.wsdl' }] })
  })

  test('is refused by its own name and that of the document', async () => {
    for (const load of [remote, local])
      await expect(load('http://my host/a.xsd')).rejects.toMatchObject({
        code: 'DECODE_FAILED',
        message: expect.stringMatching(
          /a\.wsdl[^"]*" imports "http:\/\/my host\/a\.xsd", which is no address$/u,
        ),
      })
  })
})

describe('imports from elsewhere', () => {
  const remote = pieces['service.wsdl'].replace(
    'location="abstract.wsdl"',
    'location="http://other.example/abstract.wsdl"',
  )

  test('are not fetched unless they are allowed', async () => {
    await expect(whole({ 'service.wsdl': remote })).rejects.toMatchObject({
      code: 'DECODE_FAILED',
      message: expect.stringContaining('add "other.example" to imports'),
    })
  })

  test('are fetched where the host or the beginning of the URL is allowed', async () => {
    const folder = await files({ ...pieces, 'service.wsdl': remote })
    const asked: string[] = []
    const serve: typeof fetch = (input) => {
      asked.push(urlOf(input))
      const text =
        { ...pieces, 'abstract.wsdl': pieces['abstract.wsdl'].replace('location="service.wsdl"', '') }[
          urlOf(input).split('/').at(-1) ?? ''
        ] ?? ''
      return Promise.resolve(new Response(text, { headers: { 'content-type': 'text/xml' } }))
    }
    for (const imports of [['other.example'], ['http://other.example/']]) {
      const documents = await loadDocuments(join(folder, 'service.wsdl'), { fetch: serve, imports })
      expect(readWsdl(documents).operations).toHaveLength(1)
    }
    expect(new Set(asked)).toEqual(
      new Set(['abstract.wsdl', 'n.xsd', 'common.xsd'].map((name) => `http://other.example/${name}`)),
    )
  })

  test('of a remote WSDL never read our files', async () => {
    const evil: typeof fetch = () =>
      Promise.resolve(
        new Response(
          pieces['service.wsdl'].replace('location="abstract.wsdl"', 'location="file:///etc/hostname"'),
        ),
      )
    await expect(
      loadDocuments('http://evil.example/?wsdl', { fetch: evil, imports: ['evil.example'] }),
    ).rejects.toMatchObject({
      message:
        '"http://evil.example/?wsdl" imports file:///etc/hostname, which is not allowed: from a URL only http and https are followed',
    })
  })

  test('a WSDL that cannot be fetched is a breakage of the other side, not executed', async () => {
    const gone: typeof fetch = () => Promise.resolve(new Response('', { status: 503 }))
    const failure = loadDocuments('http://x.example/?wsdl', { fetch: gone, imports: [] })
    await expect(failure).rejects.toBeInstanceOf(GatewayError)
    await expect(failure).rejects.toMatchObject({ code: 'BACKEND_FAILED', notExecuted: true })
  })

  test('an endless chain of imports ends', async () => {
    let count = 0
    const endless: typeof fetch = () =>
      Promise.resolve(
        new Response(
          `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"><import namespace="a" location="http://x.example/${++count}"/></definitions>`,
        ),
      )
    await expect(
      loadDocuments('http://x.example/?wsdl', { fetch: endless, imports: [] }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('more than 200'),
    })
  })
})

describe('the model of a WSDL', () => {
  test('has every operation of every SOAP port, with headers, faults and one-way (orders.wsdl)', async () => {
    const model = readWsdl(await loadDocuments(wsdl('orders'), { fetch: noFetch, imports: [] }))
    expect(model.operations).toHaveLength(16)
    const find = (name: string) => model.operations.find((one) => one.name === name)
    expect(find('NotifyShipment')?.output).toBeUndefined()
    expect([...(find('GetTicket')?.faults.keys() ?? [])]).toEqual(['{urn:example:orders:v1}TicketNotFound'])
    expect(find('WhoAmI')?.input.headers).toEqual([
      { name: { uri: 'urn:example:orders:v1', local: 'AuthHeader' }, use: 'literal' },
    ])
    // WS-Addressing 1.0 Metadata §4.4.4: a URN is joined by colons
    expect(find('GetTicket')?.output?.action).toBe('urn:example:orders:v1:OrderPortType:GetTicketResponse')
  })

  test('names headers and faults by their parts where these have types (WSDL 1.1 §3.6, §3.7)', async () => {
    const model = readWsdl(await loadDocuments(wsdl('errands-rpcenc'), { fetch: noFetch, imports: [] }))
    const run = model.operations.find(({ name }) => name === 'run')
    const uri = 'urn:example:errands'
    expect(run?.input.headers).toEqual([
      { name: { uri, local: 'Session' }, type: { uri: ns.xsd, local: 'string' }, use: 'encoded' },
    ])
    const type = { uri: `${uri}:types`, local: 'Problem' }
    expect(run?.faults).toEqual(
      new Map([[`{${uri}}problem`, { name: { uri, local: 'problem' }, type, use: 'encoded' }]]),
    )
  })

  test('can be one port only, and says so when there is none', async () => {
    const documents = await loadDocuments(wsdl('orders'), { fetch: noFetch, imports: [] })
    expect(readWsdl(documents, { port: 'OrderPort12' }).operations).toHaveLength(8)
    expect(() => readWsdl(documents, { port: 'Nope' })).toThrow(/no SOAP port named "Nope"/u)
  })

  test('knows rpc and its parts, literal and encoded', async () => {
    const model = async (name: string) =>
      readWsdl(await loadDocuments(wsdl(name), { fetch: noFetch, imports: [] }))
    for (const [name, use] of [
      ['legacy-rpclit', 'literal'],
      ['legacy-rpcenc', 'encoded'],
    ] as const)
      expect((await model(name)).operations[0]).toMatchObject({
        style: 'rpc',
        input: {
          use,
          body: { uri: 'urn:example:legacy', local: 'createTicket' },
          parts: [{ name: 'title' }, { name: 'priority' }, { name: 'tags' }, { name: 'due' }],
        },
        output: { body: { uri: 'urn:example:legacy', local: 'createTicketResponse' } },
      })
  })
})

test.each([
  ['wsdl', {}],
  ['WSDL', {}],
  ['singleWsdl', {}],
  ['x=1&xsd=a%20b.xsd', { name: 'a b.xsd' }],
  ['wsdl=%', { name: '%' }],
  ['x=wsdl', undefined],
  ['', undefined],
])('the query %s asks for %o', (query, asked) => {
  expect(askedDocument(query)).toEqual(asked)
})

function urlOf(input: string | URL | Request): string {
  return input instanceof Request ? input.url : String(input)
}

function addresses(root: XmlElement): string[] {
  const own = ['location', 'schemaLocation'].flatMap((local) => attribute(root, local) ?? [])
  return [...own, ...childElements(root).flatMap(addresses)]
}

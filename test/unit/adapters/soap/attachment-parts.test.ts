// WSDLs that bind a part of a message as an attachment of its own (SOAP with Attachments, WSDL 1.1 §5).
import { describe, expect, test } from 'vitest'
import { call, open, wire, xml } from './caller.ts'
import { envelope, files, serve } from './service.ts'

const xs = 'http://www.w3.org/2001/XMLSchema'
const content = (part: string): string =>
  `<mime:multipartRelated><mime:part><s:body use="literal" namespace="urn:sw" parts="name"/></mime:part>
   <mime:part><mime:content part="${part}" type="application/octet-stream"/></mime:part></mime:multipartRelated>`
const body = '<s:body use="literal" namespace="urn:sw"/>'
const bound = (name: string, input: string, output: string): string =>
  `<operation name="${name}"><s:operation soapAction="urn:${name}"/><input>${input}</input><output>${output}</output></operation>`

/** Up(name, file) with the file beside the envelope, Down(name) with one in its answer, and Plain(name). */
const wsdl = `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/"
  xmlns:t="urn:sw" xmlns:xs="${xs}" targetNamespace="urn:sw">
  <message name="Name"><part name="name" type="xs:string"/></message>
  <message name="File"><part name="name" type="xs:string"/><part name="file" type="xs:base64Binary"/></message>
  <portType name="P"><operation name="Up"><input message="t:File"/><output message="t:Name"/></operation>
    <operation name="Down"><input message="t:Name"/><output message="t:File"/></operation>
    <operation name="Plain"><input message="t:Name"/><output message="t:Name"/></operation></portType>
  <binding name="B" type="t:P"><s:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
    ${bound('Up', content('file'), body)}${bound('Down', body, content('file'))}${bound('Plain', body, body)}</binding>
  <service name="S"><port name="P" binding="t:B"><s:address location="http://old.example/b"/></port></service></definitions>`

const file = async (): Promise<string> => `${await files({ 'sw.wsdl': wsdl })}/sw.wsdl`
const why =
  'operation "Up": part "file" of its input travels as an attachment of its own (mime:content), which is not supported'

/** Up alone: document/literal, the file beside its body. */
const upAlone = wsdl
  .replace(
    '<message name="Name">',
    `<types><xs:schema targetNamespace="urn:sw"><xs:element name="Up"><xs:complexType><xs:sequence><xs:element name="name" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="UpResponse"><xs:complexType><xs:sequence><xs:element name="name" type="xs:string"/></xs:sequence></xs:complexType></xs:element></xs:schema></types><message name="Name">`,
  )
  .replace(
    'name="Name"><part name="name" type="xs:string"',
    'name="Name"><part name="name" element="t:UpResponse"',
  )
  .replace('name="File"><part name="name" type="xs:string"', 'name="File"><part name="name" element="t:Up"')
  .replace('style="rpc"', '')
  .replaceAll(/<operation name="(?:Down|Plain)">.*?<\/operation>/gsu, '')

describe('an operation with a part that is an attachment of its request', () => {
  test('is not called without the part: nothing goes out', async () => {
    const { fetch, sent } = wire(() => xml(envelope('')))
    await using backend = await open({ wsdl: await file() }, { fetch })
    await expect(call(backend, 'Up', { name: 'a', file: 'AAAA' })).rejects.toMatchObject({
      code: 'NO_ROUTE',
      message: 'backend "test" cannot be asked for operation "Up" as its WSDL binds it',
    })
    expect(sent).toEqual([])
    expect(Object.keys(backend.operations)).toEqual(['Down', 'Plain'])
  })

  test('is served without the part, as the start says; a request that brings it is refused', async () => {
    const warnings: string[] = []
    await using running = await serve({
      config: { wsdl: await file() },
      operations: { Up: { kind: 'request' }, Plain: { kind: 'request' } },
      reply: () => ({ origin: 'backend', data: { name: 'b' } }),
      warn: (message) => warnings.push(message),
    })
    expect(warnings).toEqual([`${why}: a request that brings it is refused`])
    const up = envelope('<u:Up xmlns:u="urn:sw"><name>a</name></u:Up>')
    expect((await running.post(up)).status).toBe(200)
    expect(running.host.drafts).toMatchObject([{ type: 'Up', data: { name: 'a' } }])
    const refused = await running.post(withFile(up), packed)
    expect([refused.status, running.host.drafts.length]).toEqual([500, 1])
    expect((await running.post(envelope('<u:Plain xmlns:u="urn:sw"><name>a</name></u:Plain>'))).status).toBe(
      200,
    )
  })

  test.each([
    ['offered', { Up: { kind: 'request' as const } }, 1],
    ['left out by `operations`', { Plain: { kind: 'request' as const } }, 0],
  ])('is told at the start where it is %s', async (_what, operations, told) => {
    const warnings: string[] = []
    await using _running = await serve({
      config: { wsdl: await file() },
      operations,
      warn: (message) => warnings.push(message),
    })
    expect(warnings).toHaveLength(told)
  })

  test('does not end the start of a channel or a backend whose WSDL has nothing else', async () => {
    const location = `${await files({ 'sw.wsdl': upAlone })}/sw.wsdl`
    await using running = await serve({
      config: { wsdl: location },
      reply: () => ({ origin: 'backend', data: { name: 'b' } }),
    })
    expect((await running.post(envelope('<u:Up xmlns:u="urn:sw"><name>a</name></u:Up>'))).status).toBe(200)
    const { fetch, sent } = wire(() => xml(envelope('')))
    await using backend = await open({ wsdl: location }, { fetch })
    await expect(call(backend, 'Up', { name: 'a' })).rejects.toMatchObject({ code: 'NO_ROUTE' })
    expect([Object.keys(backend.operations), sent]).toEqual([[], []])
  })
})

const packed = { 'content-type': 'multipart/related; type="text/xml"; start="<r>"; boundary=b' }
const withFile = (text: string): string =>
  [
    '--b\r\nContent-Type: text/xml; charset=utf-8\r\nContent-ID: <r>\r\n\r\n',
    text,
    '\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-ID: <file=1@x>\r\n\r\nDATA\r\n--b--\r\n',
  ].join('')

test('an attachment of an answer does not keep its operation from being called', async () => {
  const answer = envelope('<u:DownResponse xmlns:u="urn:sw"><name>b</name></u:DownResponse>')
  const { fetch } = wire(() => xml(answer))
  await using backend = await open({ wsdl: await file() }, { fetch })
  await expect(call(backend, 'Down', { name: 'a' })).resolves.toEqual({ data: { name: 'b' } })
})

// Schemas and wire captures for the tests of this folder.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import { fromJson, toJson } from '../../../../adapters/xml/bind.ts'
import type { BindOptions } from '../../../../adapters/xml/bind.ts'
import { readXml, readXmlText } from '../../../../adapters/xml/read.ts'
import { compileSchemas } from '../../../../adapters/xml/schema.ts'
import type { ElementDecl, XmlSchemas } from '../../../../adapters/xml/schema.ts'
import { childElement, childElements } from '../../../../adapters/xml/tree.ts'
import type { XmlElement } from '../../../../adapters/xml/tree.ts'
import { writeXml, writeXmlText } from '../../../../adapters/xml/write.ts'

const fixtures = join(import.meta.dirname, '../../../fixtures/soap')
const xsd = 'http://www.w3.org/2001/XMLSchema'

/** A schema of namespace `urn:t` (prefix `t`), elements qualified. */
export function schemaText(content: string, attributes = ''): string {
  return `<xs:schema xmlns:xs="${xsd}" xmlns:t="urn:t" targetNamespace="urn:t" elementFormDefault="qualified"
    xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" ${attributes}>${content}</xs:schema>`
}

export function schema(content: string): XmlSchemas {
  return compileSchemas([readXmlText(schemaText(content))])
}

/** An element `t:e` of the type in `content` (`<xs:complexType>…` or `type="…"`), among other components. */
export function declared(content: string, others = ''): ElementDecl {
  const body = content.startsWith('<')
    ? `<xs:element name="e">${content}</xs:element>`
    : `<xs:element name="e" ${content}/>`
  return required(schema(body + others).element({ uri: 'urn:t', local: 'e' }))
}

export function required<T>(found: T | undefined): T {
  if (found === undefined) throw new Error('the fixture has no such thing')
  return found
}

export function sequence(content: string): string {
  return `<xs:complexType><xs:sequence>${content}</xs:sequence></xs:complexType>`
}

/** Types with a base, one with an attribute called type, one abstract. */
export const parties = `
  <xs:complexType name="Party"><xs:sequence><xs:element name="name" type="xs:string"/></xs:sequence></xs:complexType>
  <xs:complexType name="Company"><xs:complexContent><xs:extension base="t:Party"><xs:sequence><xs:element name="vat" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Typed"><xs:complexContent><xs:extension base="t:Party"><xs:attribute name="type"/></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Base" abstract="true"><xs:sequence/></xs:complexType>
  <xs:complexType name="Derived"><xs:complexContent><xs:extension base="t:Base"><xs:attribute name="d"/></xs:extension></xs:complexContent></xs:complexType>`

/** `<e>…</e>` in the namespace of the schema, with the usual prefixes, as JSON. */
export function read(inner: string, decl: ElementDecl | undefined, options?: BindOptions): Json {
  return toJson(xml(inner), decl, options)
}

export function xml(inner: string): XmlElement {
  const text = inner.startsWith('<e') ? inner : `<e>${inner}</e>`
  const declarations = `xmlns="urn:t" xmlns:t="urn:t" xmlns:xs="${xsd}" xmlns:xsi="${xsd}-instance" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"`
  return readXmlText(text.replace(/^<e/, `<e ${declarations}`))
}

/** The text of what a value becomes, without the declarations of its root. */
export function written(value: Json, decl: ElementDecl | undefined, options?: BindOptions): string {
  const tree = fromJson(value, decl?.name ?? { uri: '', local: 'e' }, decl, options)
  return writeXmlText(tree, { prefixes: new Map([['urn:t', '']]) }).replace(/ xmlns(?::\w+)?="[^"]*"/g, '')
}

/** Through the writer and the reader and back. */
export function roundTrip(value: Json, decl: ElementDecl | undefined, options?: BindOptions): Json {
  const tree = fromJson(value, decl?.name ?? { uri: '', local: 'e' }, decl, options)
  return toJson(readXml(writeXml(tree)).root, decl, options)
}

/** `CODE message`, or `accepted`. */
export function refusal(run: () => unknown): string {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (error instanceof GatewayError) return `${error.code} ${error.message}`
    throw error
  }
}

/** Processor time of this thread so far: what else the machine does is not in it. */
export function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

export function schemasOfWsdl(file: string): XmlSchemas {
  const root = readXml(readFileSync(join(fixtures, 'wsdl', file))).root
  const types = required(childElements(root).find((child) => child.local === 'types'))
  return compileSchemas(childElements(types, { uri: xsd, local: 'schema' }))
}

/** The envelope of a capture. */
export function captured(file: string): XmlElement {
  const bytes = readFileSync(join(fixtures, 'corpus', file))
  return readXml(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)).root
}

export function bodyOf(envelope: XmlElement): XmlElement {
  return required(
    childElement(envelope, envelope.uri, 'Body') ??
      childElements(envelope).find((child) => child.local === 'Body'),
  )
}

export function firstChild(parent: XmlElement): XmlElement {
  return required(childElements(parent)[0])
}

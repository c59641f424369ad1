// One direction of a bound operation as JSON, both ways: document or rpc, literal or encoded.
import { GatewayError, type Json } from 'dragoman'
import { fromJson, toJson, type BindOptions } from '../xml/bind.ts'
import { isXsi, nilSaid } from '../xml/instance.ts'
import { sample, type ElementDecl, type XmlSchemas } from '../xml/schema.ts'
import { childElements, element, textOf, type XmlElement, isBlank, withParts } from '../xml/tree.ts'
import { attachable } from './attachments.ts'
import { forgiving } from './encoded.ts'
import { ns, type Version } from './names.ts'
import type { WsdlOperation } from './wsdl.ts'
import type { Part, WireMessage } from './wsdl-messages.ts'

export interface MessageCodec {
  readonly style: WsdlOperation['style']
  readonly encoded: boolean
  /**
   * The Body's child (absent: the Body is empty) as JSON; what the description does not have is refused unless told
   * otherwise. Throws `DECODE_FAILED` with the path.
   */
  decode(entry: XmlElement | undefined, version: Version, options?: Pick<BindOptions, 'unknown'>): Json
  /** The inverse; undefined: the Body stays empty. Throws `ENCODE_FAILED` with the path. */
  encode(
    value: Json,
    version: Version,
    options?: Pick<BindOptions, 'missing' | 'dropped'>,
  ): XmlElement | undefined
  sample(): Json
  /** document: the declaration of the Body's child. rpc: those of the parts. */
  readonly declarations: readonly ElementDecl[]
  /** What of a Body's child of ours may travel as attachments. */
  attachable(entry: XmlElement): ReadonlySet<XmlElement>
}

/** Makes the codec of one message. Throws `DECODE_FAILED` where the schema does not have what the binding names. */
export function messageCodec(
  schemas: XmlSchemas,
  operation: WsdlOperation,
  message: WireMessage,
): MessageCodec {
  return operation.style === 'rpc' ? rpcCodec(schemas, message) : documentCodec(schemas, operation, message)
}

function documentCodec(schemas: XmlSchemas, operation: WsdlOperation, message: WireMessage): MessageCodec {
  const encoded = message.use === 'encoded'
  const name = message.body
  if (name === undefined)
    return {
      style: 'document',
      encoded,
      decode: () => ({}),
      encode: () => undefined,
      sample: () => ({}),
      declarations: [],
      attachable: () => new Set(),
    }
  const decl = schemas.element(name)
  if (decl === undefined)
    throw new GatewayError(
      'DECODE_FAILED',
      `operation "${operation.name}": the schema has no element {${name.uri}}${name.local}`,
    )
  return {
    style: 'document',
    encoded,
    decode: (entry, version, options) =>
      entry === undefined
        ? {}
        : toJson(decl.nillable ? entry : withoutNil(entry), decl, {
            ...options,
            ...encoding(encoded, version),
          }),
    encode: (value, version, options) =>
      fromJson(value, name, decl, { ...options, ...encoding(encoded, version) }),
    sample: () => sample(decl),
    declarations: [decl],
    attachable: (entry) => attachable(entry, [decl], false),
  }
}

/** rpc (SOAP 1.1 §7, WSDL 1.1 §3.5): a wrapper named by the operation, one accessor per part, unqualified (WS-I BP 1.1 R2735). */
function rpcCodec(schemas: XmlSchemas, message: WireMessage): MessageCodec {
  const encoded = message.use === 'encoded'
  const parts = message.parts.map((part) => ({ name: part.name, decl: partDeclaration(schemas, part) }))
  const wrapper = message.body ?? { uri: '', local: '' }
  return {
    style: 'rpc',
    encoded,
    decode: (entry, version, options) => {
      const { found, strangers } = accessors(entry, parts, encoded)
      if (strangers[0] !== undefined && options?.unknown !== 'keep')
        throw new GatewayError(
          'DECODE_FAILED',
          `${entry?.local ?? ''}/${strangers[0].local} is not a part of this message`,
        )
      const binding = { ...options, ...encoding(encoded, version) }
      const read = (accessor: XmlElement, decl: ElementDecl): Json =>
        toJson(encoded ? forgiving(accessor, decl) : accessor, decl, binding)
      const members: [string, Json][] = []
      for (const [index, { name, decl }] of parts.entries()) {
        const accessor = found[index]
        if (accessor !== undefined) members.push([name, read(accessor, decl)])
      }
      for (const [name, all] of Map.groupBy(strangers, ({ local }) => local)) {
        const values = all.map((one) => read(one, schemas.declare(one, anyType, { nillable: true })))
        members.push([name, values.length === 1 ? (values[0] ?? null) : values])
      }
      return Object.fromEntries(members)
    },
    encode: (value, version, options) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        throw new GatewayError(
          'ENCODE_FAILED',
          `${wrapper.local} needs an object with ${parts.map(({ name }) => name).join(', ') || 'no members'}`,
        )
      const given = new Map(Object.entries(value))
      const children: XmlElement[] = []
      for (const { name, decl } of parts) {
        const part = given.get(name)
        given.delete(name)
        if (part !== undefined)
          children.push(fromJson(part, decl.name, decl, { ...options, ...encoding(encoded, version) }))
        // WS-I BP 1.1 R2211: parts are never left out nor nil; in encoded, absent means null (SOAP 1.1 §5.1)
        else if (!encoded && options?.missing !== 'keep')
          throw new GatewayError('ENCODE_FAILED', `${wrapper.local}/${name} is missing`)
      }
      for (const name of given.keys()) options?.dropped?.(`${wrapper.local}/${name}`)
      return element(wrapper.uri, wrapper.local, [], children)
    },
    sample: () => Object.fromEntries(parts.map(({ name, decl }) => [name, sample(decl)])),
    declarations: parts.map(({ decl }) => decl),
    attachable: (entry) =>
      attachable(
        entry,
        parts.map(({ decl }) => decl),
        true,
      ),
  }
}

function partDeclaration(schemas: XmlSchemas, part: Part): ElementDecl {
  if (part.type !== undefined)
    return schemas.declare({ uri: '', local: part.name }, part.type, { nillable: true })
  const decl = part.element === undefined ? undefined : schemas.element(part.element)
  if (decl === undefined)
    throw new GatewayError('DECODE_FAILED', `part "${part.name}" has neither a type nor a known element`)
  return decl
}

interface NamedPart {
  readonly name: string
  readonly decl: ElementDecl
}

interface Accessors {
  /** By the place of its part. */
  readonly found: readonly (XmlElement | undefined)[]
  /** Those of no part: PHP's SoapServer without a WSDL answers `return` where nothing is declared. */
  readonly strangers: readonly XmlElement[]
}

/** The accessor of each part, by name whatever its namespace; in encoded by position where no name fits (SOAP::Lite). */
function accessors(entry: XmlElement | undefined, parts: readonly NamedPart[], encoded: boolean): Accessors {
  const children = entry === undefined ? [] : childElements(entry).filter((child) => !isResultName(child))
  if (entry !== undefined && !isBlank(textOf(entry)))
    throw new GatewayError('DECODE_FAILED', `${entry.local} holds text besides its parts`)
  const found = parts.map(({ name, decl }) => {
    const named = children.filter(
      (child) => child.local === name || (child.local === decl.name.local && child.uri === decl.name.uri),
    )
    if (named.length > 1)
      throw new GatewayError('DECODE_FAILED', `${entry?.local ?? ''}/${name} stands ${named.length} times`)
    return named[0]
  })
  if (encoded && children.length <= parts.length && found.every((child) => child === undefined))
    return { found: children, strangers: [] }
  return { found, strangers: children.filter((child) => !found.includes(child)) }
}

/** SOAP 1.2 Part 2 §4.2.1: an answer names the accessor that is its result. The WSDL has that already; PHP's SoapServer says it. */
function isResultName({ uri, local }: XmlElement): boolean {
  return uri === ns.rpc12 && local === 'result'
}

const anyType = { uri: ns.xsd, local: 'anyType' }

function encoding(encoded: boolean, version: Version): BindOptions {
  return encoded ? { encoded: version } : {}
}

/** SOAP::Lite calls an operation without arguments as `<op xsi:nil="true"/>`. */
function withoutNil(entry: XmlElement): XmlElement {
  if (entry.children.length > 0 || nilSaid(entry) === undefined) return entry
  return withParts(entry, {
    attributes: entry.attributes.filter(({ local, uri }) => !(/^(?:nil|null)$/.test(local) && isXsi(uri))),
  })
}

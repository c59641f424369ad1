// One caller and one business system for each protocol, independent of the gateway's own code.
import type { Doc, Kind, Style, Value } from './model.ts'
import { childOf, isList, readElement, readTree, textIn, writeElement, xmlBytes } from './xml.ts'
import type { Node } from './xml.ts'

export interface Wire {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}
export interface Answered extends Wire {
  readonly status: number
}

export interface Protocol {
  readonly name: string
  /** What comes after the channel's own path. */
  readonly below: (kind: Kind) => string
  /** A request as a caller writes it, and as a business system reads it. */
  readonly ask: (kind: Kind, doc: Doc, style: Style) => Wire
  readonly asked: (kind: Kind, wire: Wire) => Value
  /** The answer, likewise. */
  readonly answer: (kind: Kind, doc: Doc, style: Style) => Wire
  readonly answered: (kind: Kind, wire: Answered) => Value
}

const NAMESPACE = 'urn:example:echo'
const envelopes = {
  '1.1': { uri: 'http://schemas.xmlsoap.org/soap/envelope/', type: 'text/xml' },
  '1.2': { uri: 'http://www.w3.org/2003/05/soap-envelope', type: 'application/soap+xml' },
} as const

export const rest: Protocol = {
  name: 'rest',
  below: (kind) => `/requests/${kind}`,
  ask: (_kind, doc) => json({ doc }),
  asked: (_kind, { body }) => member(JSON.parse(utf8(body)) as Value, 'doc'),
  answer: (_kind, doc) => json({ doc }),
  answered: (_kind, { body }) => member(JSON.parse(utf8(body)) as Value, 'doc'),
}

export const soap: Protocol = {
  name: 'soap',
  below: () => '',
  ask: (kind, doc, style) => envelope(kind, doc, style),
  asked: (kind, wire) => docIn(childOf(bodyOf(wire), kind), kind),
  answer: (kind, doc, style) => envelope(`${kind}Response`, doc, style),
  answered: (kind, wire) => docIn(childOf(bodyOf(wire), `${kind}Response`), kind),
}

export const webservice: Protocol = {
  name: 'webservice',
  below: () => '',
  ask: (kind, doc, style) => document(kind, doc, style),
  asked: (kind, wire) => docIn(named(tree(wire), kind), kind),
  answer: (kind, doc, style) => document(`${kind}Response`, doc, style),
  answered: (kind, wire) => docIn(named(tree(wire), `${kind}Response`), kind),
}

export const xmlrpc: Protocol = {
  name: 'xmlrpc',
  below: () => '',
  ask: (kind, doc, style) =>
    rpc(`<methodCall><methodName>${kind}</methodName>${parameter({ doc }, style)}</methodCall>`, style),
  asked: (_kind, wire) => member(parameterIn(named(tree(wire), 'methodCall')), 'doc'),
  answer: (_kind, doc, style) => rpc(`<methodResponse>${parameter({ doc }, style)}</methodResponse>`, style),
  answered: (_kind, wire) => member(parameterIn(named(tree(wire), 'methodResponse')), 'doc'),
}

export const protocols: readonly Protocol[] = [soap, webservice, rest, xmlrpc]

function json(value: Value): Wire {
  return {
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(JSON.stringify(value)),
  }
}

function envelope(root: string, doc: Doc, style: Style): Wire {
  const { uri, type } = envelopes[style.version]
  const inner = writeElement(root, { doc }, style, ` xmlns="${NAMESPACE}"`)
  const body = xmlBytes(`<s:Envelope xmlns:s="${uri}"><s:Body>${inner}</s:Body></s:Envelope>`, style)
  return { headers: { 'content-type': `${type}; charset=${style.charset}`, soapaction: '""' }, body }
}

function bodyOf(wire: Wire): Node {
  return childOf(named(tree(wire), 'Envelope'), 'Body')
}

function document(root: string, doc: Doc, style: Style): Wire {
  const body = xmlBytes(writeElement(root, { doc }, style, ` xmlns="${NAMESPACE}"`), style)
  return { headers: { 'content-type': `text/xml; charset=${style.charset}` }, body }
}

function docIn(root: Node, kind: Kind): Value {
  return readElement(childOf(root, 'doc'), kind)
}

// ─── XML-RPC (xmlrpc.com/spec): structs, arrays, and the four types JSON has ─────────────────────────────────────────

function rpc(root: string, style: Style): Wire {
  return { headers: { 'content-type': `text/xml; charset=${style.charset}` }, body: xmlBytes(root, style) }
}

function parameter(value: Value, style: Style): string {
  return `<params><param>${rpcValue(value, style)}</param></params>`
}

function rpcValue(value: Value, style: Style): string {
  return `<value>${inside(value, style)}</value>`
}

function inside(value: Value, style: Style): string {
  if (value === null) return '<nil/>'
  if (typeof value === 'string') return writeElement('string', value, style)
  if (typeof value === 'number') return `<int>${value}</int>`
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`
  if (isList(value))
    return `<array><data>${value.map((item) => rpcValue(item, style)).join('')}</data></array>`
  const members = Object.entries(value).map(
    ([name, inner]) => `<member>${writeElement('name', name, style)}${rpcValue(inner, style)}</member>`,
  )
  return `<struct>${members.join('')}</struct>`
}

function parameterIn(root: Node): Value {
  return valueIn(childOf(childOf(childOf(root, 'params'), 'param'), 'value'))
}

function valueIn(node: Node): Value {
  const typed = node.children.find((child) => typeof child !== 'string')
  if (typed === undefined || typeof typed === 'string') return textIn(node)
  const text = textIn(typed)
  const elements = (of: Node): Node[] => of.children.filter((child) => typeof child !== 'string')
  switch (typed.name) {
    case 'nil':
      return null
    case 'string':
      return text
    case 'int':
    case 'i4':
      return Number(text)
    case 'boolean':
      return text === '1'
    case 'array':
      return elements(childOf(typed, 'data')).map(valueIn)
    case 'struct':
      return Object.fromEntries(
        elements(typed).map((one) => [textIn(childOf(one, 'name')), valueIn(childOf(one, 'value'))]),
      )
    default:
      throw new Error(`the type ${typed.name} was not expected`)
  }
}

function tree(wire: Wire): Node {
  return readTree(wire.body, wire.headers['content-type'] ?? '')
}

function named(node: Node, name: string): Node {
  if (node.name === name) return node
  throw new Error(`the root is ${node.name}, not ${name}`)
}

function member(value: Value, name: string): Value {
  if (typeof value === 'object' && value !== null && !isList(value) && Object.hasOwn(value, name))
    return value[name] ?? null
  throw new Error(`there is no ${name}`)
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
}

// Header blocks: which must be understood, and how they become `metadata` (`soap:NAME`) and come back from it.
import { GatewayError, type Json } from 'dragoman'
import { nameOfKey } from '../xml/bind-context.ts'
import { fromJson, toJson } from '../xml/bind.ts'
import { fullKey, isNcName } from '../xml/names.ts'
import type { XmlSchemas } from '../xml/schema.ts'
import { attribute, attributeOf, element, isNamed, textOf, type XmlElement, withParts } from '../xml/tree.ts'
import type { BlockCodec } from './blocks.ts'
import type { Envelope } from './envelope.ts'
import { notUnderstoodHeader, SoapProblem } from './faults.ts'
import { clark, ns, versions, type QName, type Version } from './names.ts'

export const metadataPrefix = 'soap:'

const TRACE = new Set(['traceparent', 'tracestate'])
const LONGEST_TRACE = 128

/** W3C Trace Context in blocks of its own names, whatever their namespace: another one in each call, and nothing of the business. */
export function isTrace({ local }: XmlElement): boolean {
  return TRACE.has(local)
}

/** The trace to be continued: HTTP's, or where something on the way has kept no HTTP headers, that of a block. */
export function traceOf(
  blocks: readonly XmlElement[],
  inHttp: string | undefined,
): { readonly traceparent?: string } {
  const block = blocks.find(({ local }) => local === 'traceparent')
  const traceparent = inHttp ?? (block === undefined ? undefined : textOf(block).trim())
  return traceparent === undefined || traceparent.length > LONGEST_TRACE ? {} : { traceparent }
}

/** Outwards it is a block where the binding declares one of that name. */
export function withTrace(
  metadata: Readonly<Record<string, string>> | undefined,
  traceparent: string,
  declared: readonly BlockCodec[],
): Readonly<Record<string, string>> | undefined {
  if (!declared.some(({ name }) => name.local === 'traceparent')) return metadata
  return { ...metadata, [`${metadataPrefix}traceparent`]: JSON.stringify(traceparent) }
}

/** Whether a block is for us (SOAP 1.1 §4.2.2, SOAP 1.2 Part 1 §2.2). */
export function isForUs(block: XmlElement, version: Version): boolean {
  const { envelope, actor, ours } = versions[version]
  return ours.includes((attribute(block, actor, envelope) ?? '').trim())
}

/**
 * Refuses, before anything has happened, when a block that is for us must be understood and is not (SOAP 1.1 §4.2.3, SOAP
 * 1.2 Part 1 §2.4). Throws a MustUnderstand problem that names them, `DECODE_FAILED` for a value that is no boolean.
 */
export function checkUnderstood(
  { headers, version }: Envelope,
  understood: (block: XmlElement) => boolean,
): void {
  const missing: QName[] = []
  for (const block of headers) {
    const value = attribute(block, 'mustUnderstand', versions[version].envelope)?.trim()
    if (value === undefined || value === '0' || value === 'false') continue
    if (value !== '1' && value !== 'true')
      throw new GatewayError(
        'DECODE_FAILED',
        `mustUnderstand="${value}" of header ${clark(block)} is not 0 or 1`,
      )
    if (isForUs(block, version) && !understood(block)) missing.push(block)
  }
  if (missing.length > 0)
    throw new SoapProblem(
      'MustUnderstand',
      `header ${missing.map(clark).join(', ')} must be understood and is not`,
      {
        headers: missing.map(notUnderstoodHeader),
      },
    )
}

/** What is known of the blocks that come in. */
export interface InwardHeaders {
  /** What the binding declares for this message. */
  readonly declared?: readonly BlockCodec[]
  readonly schemas?: XmlSchemas
}

/**
 * Blocks as metadata: JSON text by binding or schema where they know them; several of one name are a list. A block whose
 * local name is that of another one the binding declares (before it) is `{uri}local`.
 */
export function headersToMetadata(
  blocks: readonly XmlElement[],
  version: Version,
  { declared, schemas }: InwardHeaders = {},
): Record<string, string> {
  if (blocks.length === 0) return {}
  const found = new Map<string, Json[]>()
  for (const block of blocks) {
    const { envelope } = versions[version]
    const bare = withParts(block, { attributes: block.attributes.filter(({ uri }) => uri !== envelope) })
    const first = declared?.find(({ name }) => name.local === block.local)
    const key =
      first === undefined || isNamed(block, first.name) ? block.local : fullKey(block.uri, block.local)
    const values = found.get(key) ?? []
    const codec = declared?.find(({ name }) => isNamed(block, name))
    values.push(
      codec === undefined ? toJson(bare, schemas?.element(block), { unknown: 'keep' }) : codec.decode(bare),
    )
    found.set(key, values)
  }
  return Object.fromEntries(
    [...found].map(([name, values]) => [
      metadataPrefix + name,
      JSON.stringify(values.length === 1 ? values[0] : values),
    ]),
  )
}

export interface OutwardHeaders {
  /** What the binding declares for this message. */
  readonly declared: readonly BlockCodec[]
  readonly schemas?: XmlSchemas
  /** Also blocks the binding does not declare, if a global element has their name or this namespace is not `''`. */
  readonly undeclared?: { readonly namespace: string }
  readonly dropped: (name: string) => void
}

/** Metadata as blocks. What may not be sent is reported to `dropped`. */
export function metadataToHeaders(
  metadata: Readonly<Record<string, string>> | undefined,
  options: OutwardHeaders,
): XmlElement[] {
  const blocks: XmlElement[] = []
  if (metadata === undefined) return blocks
  for (const [key, text] of Object.entries(metadata)) {
    if (!key.startsWith(metadataPrefix)) continue
    const name = key.slice(metadataPrefix.length)
    const encode = encoderOf(name, options)
    if (encode === undefined) {
      options.dropped(name)
      continue
    }
    const value = jsonOrText(text)
    const many = Array.isArray(value) ? value : [value]
    for (const one of many) blocks.push(encode(one))
  }
  return blocks
}

/** `key` is a local name, or `{uri}local`. */
function encoderOf(
  key: string,
  { declared, schemas, undeclared }: OutwardHeaders,
): ((value: Json) => XmlElement) | undefined {
  const said = nameOfKey(key, '')
  const isMeant = ({ name }: { readonly name: QName }): boolean =>
    key === said.local ? name.local === key : isNamed(name, said)
  const bound = declared.find(isMeant)
  if (bound !== undefined) return (value) => bound.encode(value)
  if (undeclared === undefined || !isNcName(said.local)) return undefined
  const global = schemas?.elements.find(isMeant)
  if (global !== undefined) return (value) => fromJson(value, global.name, global)
  // a block without a namespace is none (SOAP 1.2 Part 1 §5.2.1)
  const { namespace: uri } = undeclared
  if (uri === '' || key !== said.local) return undefined
  return (value) => fromJson(value, { uri, local: key }, undefined)
}

function jsonOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json // JSON.parse yields nothing but JSON values
  } catch {
    return text // a plugin's metadata may be plain text
  }
}

/** The mark of a stale answer: a block of ours that nobody has to understand (DESIGN §7). */
export function staleHeader(asOf: string | undefined): XmlElement {
  return element(ns.gateway, 'Stale', asOf === undefined ? [] : [attributeOf('asOf', asOf)])
}

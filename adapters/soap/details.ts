// The detail of a fault as JSON, both ways: one member per entry, each as the operation declares it.
import { GatewayError, type Json } from 'dragoman'
import { nameOfKey } from '../xml/bind-context.ts'
import { nameSaid, withNamespace, withoutNamespace } from '../xml/bind-untyped.ts'
import { fromJson, toJson } from '../xml/bind.ts'
import { isXsi } from '../xml/instance.ts'
import { fullKey } from '../xml/names.ts'
import type { XmlSchemas } from '../xml/schema.ts'
import { childElements, element, isBlank, isNamed, textOf, type XmlElement } from '../xml/tree.ts'
import { blockCodec, type BlockCodec } from './blocks.ts'
import { ns, type QName, type Version } from './names.ts'
import type { WsdlOperation } from './wsdl.ts'

/** What a caller may be told about faults of an operation. */
export interface FaultContext {
  readonly schemas?: XmlSchemas
  /** Declared faults, in the version they are written in. */
  readonly declared?: readonly BlockCodec[]
}

/** The context of an operation in one version. */
export function faultContext(
  schemas: XmlSchemas,
  { faults }: Pick<WsdlOperation, 'faults'>,
  version: Version,
): FaultContext {
  return { schemas, declared: [...faults.values()].map((part) => blockCodec(schemas, part, version)) }
}

/**
 * Outwards. What its declarations do not take goes as its JSON text, and so does what stood beside the entries (`@name`, `#text`):
 * the fault matters more than the form of its detail.
 */
export function detailElements(detail: Json, context: FaultContext): XmlElement[] {
  if (typeof detail !== 'object' || detail === null || Array.isArray(detail)) return [plainDetail(detail)]
  try {
    const members = Object.entries(detail)
    const besides = members.filter(([name]) => /^[@#]/.test(name))
    return [
      ...members.flatMap(([name, value]) => {
        if (/^[@#]/.test(name)) return []
        const many: readonly Json[] = Array.isArray(value) ? value : [value]
        return many.map((one) => detailEntry(name, one, context))
      }),
      // last: callers take the first entry for the declared fault
      ...(besides.length > 0 ? [plainDetail(Object.fromEntries(besides))] : []),
    ]
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'ENCODE_FAILED') return [plainDetail(detail)]
    throw error
  }
}

function detailEntry(key: string, value: Json, context: FaultContext): XmlElement {
  const { schemas, declared } = context
  const name = nameSaid(value, nameOf(key, context))
  const content = withoutNamespace(value)
  const codec = declared?.find((one) => isNamed(name, one.name))
  if (codec !== undefined) return codec.encode(content, { missing: 'keep' })
  return fromJson(content, name, schemas?.element(name), { missing: 'keep' })
}

/** What a member is: `{uri}local` itself, else the first declared fault of that name, else the schema's first element. */
function nameOf(key: string, context: FaultContext): QName {
  return key.startsWith('{') ? nameOfKey(key, '') : (knownName(key, context) ?? { uri: '', local: key })
}

function knownName(local: string, { schemas, declared }: FaultContext): QName | undefined {
  const known = [...(declared ?? []), ...(schemas?.elements ?? [])]
  return known.find(({ name }) => name.local === local)?.name
}

/** Detail that cannot be elements: its JSON text. */
function plainDetail(detail: Json): XmlElement {
  return element(ns.gateway, 'detail', [], [typeof detail === 'string' ? detail : JSON.stringify(detail)])
}

/**
 * Inwards: a member for each entry, whatever text stands between them (`#text`), and attributes (`@name`). What does not fit its
 * declaration is told untyped, and text alone as text; undefined: nothing.
 */
export function detailJson(detail: XmlElement, context: FaultContext): Json | undefined {
  const attributes = attributesIn(detail)
  const entries = childElements(detail)
  if (entries.length === 0) {
    const text = textOf(detail).trim()
    if (Object.keys(attributes).length === 0) return text === '' ? undefined : text
    return { ...attributes, ...(text !== '' && { '#text': text }) }
  }
  const text = textOf(detail)
  const members = new Map<string, Json[]>()
  for (const entry of entries) {
    const [key, value] = entryJson(entry, context)
    members.set(key, [...(members.get(key) ?? []), value])
  }
  return {
    ...attributes,
    ...(!isBlank(text) && { '#text': text }),
    ...Object.fromEntries(
      [...members].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? null) : values]),
    ),
  }
}

function attributesIn(detail: XmlElement): Record<string, Json> {
  const members = new Map<string, Json>()
  for (const { uri, local, value } of detail.attributes.filter(isOwn))
    members.set(members.has(`@${local}`) ? `@${fullKey(uri, local)}` : `@${local}`, value)
  return Object.fromEntries(members)
}

/** Of the system's own; the others say how the detail is written. */
function isOwn({ uri }: QName): boolean {
  return !isXsi(uri) && !WRITTEN_BY.has(uri)
}
const WRITTEN_BY: ReadonlySet<string> = new Set([
  ns.soap11,
  ns.soap12,
  ns.encoding11,
  ns.encoding12,
  ns.xml,
  ns.wsu,
])

/** As it is declared, in encoded by the local name alone where need be, as accessors are (SOAP 1.1 §5.1). */
function entryJson(entry: XmlElement, context: FaultContext): readonly [key: string, value: Json] {
  const { schemas, declared } = context
  const codec =
    declared?.find(({ name }) => isNamed(entry, name)) ??
    declared?.find(({ name, encoded }) => encoded && name.local === entry.local)
  try {
    const value =
      codec === undefined ? toJson(entry, schemas?.element(entry), { unknown: 'keep' }) : codec.decode(entry)
    return member(codec?.name ?? entry, value, context)
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'DECODE_FAILED')
      return member(codec?.name ?? entry, toJson(entry, undefined), context)
    throw error
  }
}

/** Under the local name, from which `nameOf` makes the name again; else under one that tells it from what is known. */
function member({ uri, local }: QName, value: Json, context: FaultContext): readonly [string, Json] {
  const known = knownName(local, context)
  if (uri === '' || known?.uri === uri) return [local, value]
  return known === undefined ? [local, withNamespace(value, uri)] : [fullKey(uri, local), value]
}

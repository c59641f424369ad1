// The detail of a fault as JSON, both ways: one member per entry, each as the operation declares it.
import { GatewayError, type Json } from 'dragoman'
import { fromJson, toJson } from '../xml/bind.ts'
import type { XmlSchemas } from '../xml/schema.ts'
import { childElements, element, isNamed, textOf, type XmlElement } from '../xml/tree.ts'
import { blockCodec, type BlockCodec } from './blocks.ts'
import { ns, type Version } from './names.ts'
import type { WsdlOperation } from './wsdl.ts'

/** What a caller may be told about faults of an operation. */
export interface FaultContext {
  readonly schemas?: XmlSchemas
  /** Declared faults by their element's local name, in the version they are written in. */
  readonly declared?: ReadonlyMap<string, BlockCodec>
}

/** The context of an operation in one version. */
export function faultContext(
  schemas: XmlSchemas,
  { faults }: Pick<WsdlOperation, 'faults'>,
  version: Version,
): FaultContext {
  const declared = [...faults].map(([name, part]) => [name, blockCodec(schemas, part, version)] as const)
  return { schemas, declared: new Map(declared) }
}

/** Outwards. What its declarations do not take goes as its JSON text: the fault matters more than the form of its detail. */
export function detailElements(detail: Json, context: FaultContext): XmlElement[] {
  if (typeof detail !== 'object' || detail === null || Array.isArray(detail)) return [plainDetail(detail)]
  try {
    return Object.entries(detail).flatMap(([name, value]) => {
      const many: readonly Json[] = Array.isArray(value) ? value : [value]
      return many.map((one) => detailEntry(name, one, context))
    })
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'ENCODE_FAILED') return [plainDetail(detail)]
    throw error
  }
}

function detailEntry(name: string, value: Json, { schemas, declared }: FaultContext): XmlElement {
  const codec = declared?.get(name)
  if (codec !== undefined) return codec.encode(value, { missing: 'keep' })
  const decl = schemas?.elements.find((one) => one.name.local === name)
  return fromJson(value, decl?.name ?? { uri: '', local: name }, decl, { missing: 'keep' })
}

/** Detail that cannot be elements: its JSON text. */
function plainDetail(detail: Json): XmlElement {
  return element(ns.gateway, 'detail', [], [typeof detail === 'string' ? detail : JSON.stringify(detail)])
}

/** Inwards. What does not fit its declaration is told untyped, and text alone as text; undefined: nothing. */
export function detailJson(detail: XmlElement, context: FaultContext): Json | undefined {
  const entries = childElements(detail)
  if (entries.length === 0) return textOf(detail).trim() || undefined
  const members = new Map<string, Json[]>()
  for (const entry of entries) {
    const value = entryJson(entry, context)
    members.set(entry.local, [...(members.get(entry.local) ?? []), value])
  }
  return Object.fromEntries(
    [...members].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? null) : values]),
  )
}

/** As it is declared, in encoded by the local name alone, as accessors are (SOAP 1.1 §5.1). */
function entryJson(entry: XmlElement, { schemas, declared }: FaultContext): Json {
  const codec = declared?.get(entry.local)
  try {
    return codec !== undefined && (codec.encoded || isNamed(entry, codec.name))
      ? codec.decode(entry)
      : toJson(entry, schemas?.element(entry), { unknown: 'keep' })
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'DECODE_FAILED') return toJson(entry, undefined)
    throw error
  }
}

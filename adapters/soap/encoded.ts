// What untyped stacks write in SOAP encoding that a schema would not take: put right before it is bound.
import { isXsi, typeSaid } from '../xml/instance.ts'
import { APACHE_NS } from '../xml/names.ts'
import type { ComplexType, ElementDecl, Particle, TypeDecl, XmlSchemas } from '../xml/schema.ts'
import { derivesFrom } from '../xml/schema.ts'
import { childElements, resolveQName, textOf, type XmlElement, withParts } from '../xml/tree.ts'
import { ns } from './names.ts'

const texts: ReadonlySet<string> = new Set(['string', 'normalizedString', 'token'])
const base64Types: ReadonlySet<string> = new Set([
  `{${ns.xsd}}base64Binary`,
  `{${ns.encoding11}}base64`,
  `{${ns.encoding11}}base64Binary`,
  `{${ns.encoding12}}base64Binary`,
])

/**
 * SOAP::Lite sends any text beyond ASCII as base64 of its UTF-8, and names types of its own; Axis names types of Java. A
 * type nobody declared says nothing: the declared one holds. Base64 where a text is declared is that text; a Map (PHP's
 * associative array, Java's HashMap) the struct or array that is declared.
 */
export function forgiving(accessor: XmlElement, decl: ElementDecl): XmlElement {
  return forgive(accessor, decl.type, decl.schemas)
}

function forgive(at: XmlElement, declared: TypeDecl | undefined, schemas: XmlSchemas): XmlElement {
  const said = typeSaid(at)
  const name = said === undefined ? undefined : resolveQName(at, said)
  if (name !== undefined && isText(declared) && base64Types.has(`{${name.uri}}${name.local}`)) {
    const text = decodedText(textOf(at))
    if (text !== undefined) return withParts(withoutType(at), { children: [text] })
  }
  const type = name === undefined ? undefined : schemas.type(name)
  const isForeign =
    name?.uri === APACHE_NS &&
    declared?.kind === 'complex' &&
    (type === undefined || !derivesFrom(type, declared))
  if (isForeign && name.local === 'Map') return forgive(unmapped(at, declared), declared, schemas)
  const known = said === undefined || (type !== undefined && !isForeign)
  const actual = known ? (type ?? declared) : declared
  const children = at.children.map((child) =>
    typeof child === 'string' ? child : forgive(child, memberType(child, actual, declared), schemas),
  )
  const changed = children.some((child, index) => child !== at.children[index])
  const whole = changed ? withParts(at, { children }) : at
  return known ? whole : withoutType(whole)
}

/** A Map where the schema has a struct or an array: its members by their keys, or its values. */
function unmapped(map: XmlElement, declared: ComplexType): XmlElement {
  const children = childElements(map).flatMap((item) => {
    const key = childElements(item).find(({ local }) => local === 'key')
    const value = childElements(item).find(({ local }) => local === 'value')
    if (key === undefined || value === undefined) return []
    return [withParts(value, { uri: '', local: declared.array === undefined ? textOf(key) : 'item' })]
  })
  return withParts(withoutType(map), { children })
}

function isText(type: TypeDecl | undefined): boolean {
  return type?.kind === 'simple' && type.variety === 'atomic' && texts.has(type.builtin)
}

/** The type of a member or of an array's item; `soapenc:Array` says nothing that the declared array does not. */
function memberType(
  child: XmlElement,
  actual: TypeDecl | undefined,
  declared: TypeDecl | undefined,
): TypeDecl | undefined {
  for (const type of [declared, actual]) {
    if (type?.kind !== 'complex') continue
    if (type.array !== undefined) return type.array.item
    const found = type.particle === undefined ? undefined : memberOf(type.particle, child.local)
    if (found !== undefined) return found.type
  }
  return undefined
}

function memberOf(particle: Particle, local: string): ElementDecl | undefined {
  if (particle.kind === 'element') return particle.decl.name.local === local ? particle.decl : undefined
  if (particle.kind === 'any') return undefined
  for (const item of particle.items) {
    const found = memberOf(item, local)
    if (found !== undefined) return found
  }
  return undefined
}

function withoutType(at: XmlElement): XmlElement {
  return withParts(at, {
    attributes: at.attributes.filter(({ local, uri }) => local !== 'type' || !isXsi(uri)),
  })
}

/** Undefined for bytes that are no UTF-8: then they were meant as bytes. */
function decodedText(base64: string): string | undefined {
  const compact = base64.replaceAll(/\s/g, '')
  const bytes = Buffer.from(compact, 'base64')
  if (bytes.toString('base64') !== compact) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

// What untyped stacks write in SOAP encoding that a schema would not take: put right before it is bound.
import { isXsi, typeSaid } from '../xml/instance.ts'
import type { ElementDecl, Particle, TypeDecl, XmlSchemas } from '../xml/schema.ts'
import { resolveQName, textOf, type XmlElement, withParts } from '../xml/tree.ts'
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
 * type nobody declared says nothing: the declared one holds. Base64 where a text is declared is that text.
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
  const known = said === undefined || (name !== undefined && schemas.type(name) !== undefined)
  const actual = known && name !== undefined ? (schemas.type(name) ?? declared) : declared
  const children = at.children.map((child) =>
    typeof child === 'string' ? child : forgive(child, memberType(child, actual, declared), schemas),
  )
  const changed = children.some((child, index) => child !== at.children[index])
  const whole = changed ? withParts(at, { children }) : at
  return known ? whole : withoutType(whole)
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

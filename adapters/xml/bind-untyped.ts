// XML and JSON where nobody says what things are: text is a string, what repeats is a list, options may say more.
import type { Json } from 'dragoman'
import { getMember, isObject, nameOfKey, quoted, setMember } from './bind-context.ts'
import type { Binding, JsonObject } from './bind-context.ts'
import { isEncodingAttribute, looksLikeArray, refuseHoles } from './bind-encoded.ts'
import { NAMESPACE, prefixesIn, prefixesOut } from './bind-prefixes.ts'
import { illegalProblem } from './escape.ts'
import { nilSaid, typeSaid } from './instance.ts'
import { isLexical } from './lexical.ts'
import { XSI_NS, fullKey, isNcName, isXsd } from './names.ts'
import { isSoapEncoding } from './schema-complex.ts'
import type { SimpleType } from './schema.ts'
import { attributeOf, element as makeElement, resolveQName, textOf, isBlank, withParts } from './tree.ts'
import type { XmlAttribute, XmlElement, XmlName, XmlNode } from './tree.ts'
import { anyText, jsonOf, normalise, problemOf, textOfJson } from './value.ts'

/** How a child is read where a schema knows some elements after all. */
export type ChildIn = (element: XmlElement, binding: Binding) => Json

/** An element nobody declared. The binding stands at it. */
export function untypedIn(element: XmlElement, binding: Binding, childIn: ChildIn = untypedIn): Json {
  if (isNilHere(element)) return nilWith(attributesIn(element, binding))
  if (looksLikeArray(element)) {
    refuseHoles(element, binding)
    return elementsOf(element).map((child, i) => {
      return binding.inside(child.local, i + 1, () => {
        refuseHoles(child, binding)
        return childIn(child, binding)
      })
    })
  }
  const object = attributesIn(element, binding)
  const children = elementsOf(element)
  const lists = binding.listsHere()
  if (children.length === 0) {
    const text = textOf(element)
    for (const name of lists) setMember(object, name, [])
    const bare = Object.keys(object).length === 0
    const value = valueIn(text, binding.typeHere(), binding)
    if (bare) return value
    return text === '' || (lists.size > 0 && isBlank(text)) ? object : { ...object, '#text': value }
  }
  const texts = element.children.filter((child) => typeof child === 'string')
  const spoken = texts.filter((text) => !isBlank(text))
  const [first] = element.children
  // Text in one piece before the elements needs no order; in any other place it does.
  if (spoken.length > 1 || (spoken.length === 1 && spoken[0] !== first))
    return { ...object, '#mixed': mixedIn(element, binding, childIn) }
  if (spoken[0] !== undefined) setMember(object, '#text', spoken[0])
  const groups = new Map<string, Json[]>()
  for (const child of children) {
    const values = groups.get(child.local) ?? []
    groups.set(child.local, values)
    values.push(binding.inside(child.local, nth(values.length), () => childIn(child, binding)))
  }
  for (const [name, values] of groups)
    setMember(object, name, values.length === 1 && !lists.has(name) ? (values[0] ?? null) : values)
  for (const name of lists) if (!groups.has(name)) setMember(object, name, [])
  return object
}

/** The first of a name may be the only one: it is not counted in paths. */
function nth(before: number): number {
  return before === 0 ? 0 : before + 1
}

function elementsOf(element: XmlElement): XmlElement[] {
  return element.children.filter((child) => typeof child !== 'string')
}

function isNilHere(element: XmlElement): boolean {
  const said = nilSaid(element)
  return (
    (said === 'true' || said === '1') &&
    element.children.every((child) => typeof child === 'string' && isBlank(child))
  )
}

function nilWith(object: JsonObject): Json {
  return Object.keys(object).length === 0 ? null : { ...object, '#text': null }
}

function valueIn(raw: string, type: SimpleType | undefined, binding: Binding, below?: string): Json {
  if (type === undefined) return raw
  const value = normalise(type, raw)
  const problem = untypedProblem(type, value)
  if (problem !== undefined) throw binding.problem(`${quoted(value)} ${problem}`, below)
  return jsonOf(type, value)
}

/** A QName that no schema, only a path says to be one keeps its prefix. */
function untypedProblem(type: SimpleType, value: string): string | undefined {
  return type.names === true && isLexical('QName', value) ? undefined : problemOf(type, value)
}

function attributesIn(element: XmlElement, binding: Binding): JsonObject {
  const object: JsonObject = binding.schemas === undefined ? {} : prefixesIn(element, binding)
  for (const { uri, local, value } of element.attributes) {
    if (isEncodingAttribute({ uri, local }, binding)) continue
    const plain = `@${local}`
    // without a schema namespaces are dropped; beside one nothing is lost
    const isFull = Object.hasOwn(object, plain) || (uri !== '' && binding.schemas !== undefined)
    const key = isFull ? `@${fullKey(uri, local)}` : plain
    setMember(object, key, valueIn(value, binding.typeHere(plain), binding, plain))
  }
  const said = saidType(element)
  if (said !== undefined) setMember(object, Object.hasOwn(object, '@type') ? '@xsi:type' : '@type', said)
  return object
}

/** Types of XSD and SOAP encoding are no news: text is a string here whatever a client guessed. */
function saidType(element: XmlElement): string | undefined {
  const said = typeSaid(element)
  const name = said === undefined ? undefined : resolveQName(element, said)
  return name === undefined || isXsd(name.uri) || isSoapEncoding(name.uri) ? undefined : name.local
}

function mixedIn(element: XmlElement, binding: Binding, childIn: ChildIn): Json[] {
  return element.children.map((child) => {
    if (typeof child === 'string') return child
    const object: JsonObject = {}
    setMember(
      object,
      child.local,
      binding.inside(child.local, 0, () => childIn(child, binding)),
    )
    return object
  })
}

export function withNamespace(value: Json, uri: string): Json {
  if (Array.isArray(value)) return value
  return isObject(value) ? { [NAMESPACE]: uri, ...value } : { [NAMESPACE]: uri, '#text': value }
}

/** The element's name, in the namespace that its value says. */
export function nameSaid(value: Json, name: XmlName): XmlName {
  const said = isObject(value) ? getMember(value, NAMESPACE) : undefined
  return typeof said === 'string' ? { ...name, uri: said } : name
}

export function withoutNamespace(value: Json): Json {
  if (!isObject(value) || !Object.hasOwn(value, NAMESPACE)) return value
  const { [NAMESPACE]: _said, ...rest } = value
  return rest
}

/** How a child is written where a schema knows some elements after all. */
export type ChildOut = (value: Json, name: XmlName, binding: Binding) => XmlElement

/** A value nobody declared. The binding stands at it; `extra` attributes come first. */
export function untypedOut(
  value: Json,
  usual: XmlName,
  binding: Binding,
  childOut: ChildOut = untypedOut,
): XmlElement {
  const name = nameSaid(value, usual)
  if (value === null) return makeElement(name.uri, name.local, [nil])
  if (!isObject(value) && !Array.isArray(value)) return leaf(name, scalarOut(value, binding))
  const uri = binding.options.childNamespace ?? name.uri
  if (Array.isArray(value)) {
    const items: readonly Json[] = value
    const children = items.map((item, i) =>
      binding.inside('item', i + 1, () => childOut(item, { uri, local: 'item' }, binding)),
    )
    return makeElement(name.uri, name.local, [], children)
  }
  if (!isObject(value)) return makeElement(name.uri, name.local)
  const attributes = attributesOut(value, binding)
  const text = getMember(value, '#text')
  if (text === null) return makeElement(name.uri, name.local, [...attributes, nil])
  const mixed = getMember(value, '#mixed')
  const children =
    mixed === undefined ? membersOut(value, uri, binding, childOut) : mixedOut(mixed, uri, binding, childOut)
  const said = text === undefined ? '' : scalarOut(text, binding)
  const made = makeElement(name.uri, name.local, attributes, said === '' ? children : [said, ...children])
  const namespaces = prefixesOut(value, binding)
  return namespaces.size === 0 ? made : withParts(made, { namespaces })
}

export const nil: XmlAttribute = attributeOf('nil', 'true', XSI_NS)

function leaf(name: XmlName, text: string): XmlElement {
  return makeElement(name.uri, name.local, [], text === '' ? [] : [text])
}

function scalarOut(value: Json, binding: Binding, below?: string): string {
  const type = binding.typeHere(below) ?? anyText
  const text = textOfJson(type, value)
  if (text === undefined) {
    const what =
      typeof value === 'number'
        ? `${value} is a number that has lost digits, send it as a string`
        : 'text cannot be an object or a list'
    throw binding.problem(what, below)
  }
  const problem = untypedProblem(type, normalise(type, text)) ?? illegalProblem(text)
  if (problem !== undefined) throw binding.problem(`${quoted(text)} ${problem}`, below)
  return text
}

function attributesOut(object: { readonly [member: string]: Json }, binding: Binding): XmlAttribute[] {
  return Object.entries(object).flatMap(([key, value]) => {
    if (!key.startsWith('@') || /^@xmlns(?::|$)/.test(key) || value === null) return []
    const { uri, local } = nameOfKey(key.slice(1), '')
    return [attributeOf(local, scalarOut(value, binding, key), uri)]
  })
}

function membersOut(
  object: { readonly [member: string]: Json },
  uri: string,
  binding: Binding,
  childOut: ChildOut,
): XmlNode[] {
  const children: XmlNode[] = []
  for (const [key, value] of Object.entries(object)) {
    if (key.startsWith('@') || key.startsWith('#')) continue
    const name = nameOfKey(key, uri)
    if (!isNcName(name.local)) throw binding.problem('is not a name an element can have', key)
    // SOAP 1.1 §5.4.2: one accessor holds the whole array
    if (!Array.isArray(value) || binding.options.encoded !== undefined)
      children.push(binding.inside(name.local, 0, () => childOut(value, name, binding)))
    else
      for (const [i, item] of (value satisfies readonly Json[]).entries())
        children.push(binding.inside(name.local, i + 1, () => childOut(item, name, binding)))
  }
  return children
}

function mixedOut(mixed: Json, uri: string, binding: Binding, childOut: ChildOut): XmlNode[] {
  if (!Array.isArray(mixed))
    throw binding.problem('has to be an array of strings and objects with one member', '#mixed')
  return mixed.flatMap((piece: Json) => {
    if (isObject(piece)) return membersOut(piece, uri, binding, childOut)
    return [scalarOut(piece, binding)]
  })
}

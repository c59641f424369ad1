// What SOAP encoding adds when it is written: xsi:type everywhere, arrayType on arrays, never a reference.
import type { Json } from 'dragoman'
import { isObject } from './bind-context.ts'
import type { Binding } from './bind-context.ts'
import { itemDeclaration } from './bind-encoded.ts'
import { APACHE_NS, SOAPENC12_NS, SOAPENC_NS, XSD_NS, XSI_NS, clark } from './names.ts'
import { anyType, builtinType } from './schema-builtin.ts'
import type { ArrayType, ElementDecl, TypeDecl } from './schema.ts'
import { attributeOf } from './tree.ts'
import type { XmlAttribute, XmlElement, XmlName } from './tree.ts'

/** A declared element and the binding that stands at it. */
export interface Typed {
  readonly decl: ElementDecl
  readonly binding: Binding
}

/** What an element says of its type, and the prefix that needs. */
interface SaidType {
  readonly attributes: readonly XmlAttribute[]
  readonly namespaces: ReadonlyMap<string, string> | undefined
  readonly isSaid: boolean
}

const silent: SaidType = { attributes: [], namespaces: undefined, isSaid: false }

/** xsi:type where the type is another than declared, and on everything with a named type in SOAP encoding. */
export function typeAttribute(type: TypeDecl, isOther: boolean, binding: Binding): SaidType {
  const { name } = type
  if (name === undefined || (!isOther && (binding.options.encoded === undefined || type === anyType)))
    return silent
  const { text, namespaces } = qualified(name, binding)
  return { attributes: [attributeOf('type', text, XSI_NS)], namespaces, isSaid: true }
}

/** One map per namespace and name of prefix: elements that say the same share it, and the writer declares it once. */
const scopes = new Map<string, ReadonlyMap<string, string>>()
const maxScopes = 1000

function qualified(
  name: XmlName,
  binding: Binding,
): { text: string; namespaces: ReadonlyMap<string, string> } {
  const prefix = prefixOf(name.uri, binding)
  const key = `${prefix} ${name.uri}`
  let namespaces = scopes.get(key)
  if (namespaces === undefined) {
    namespaces = new Map([[prefix, name.uri]])
    if (scopes.size < maxScopes) scopes.set(key, namespaces) // schemas come and go with the config
  }
  return { text: `${prefix}:${name.local}`, namespaces }
}

/** The same prefix for the same namespace in the whole schema: `xsd`, `soapenc`, `t1`, `t2` … by first type. */
function prefixOf(uri: string, { schemas }: Binding): string {
  if (uri === XSD_NS) return 'xsd'
  if (uri === SOAPENC_NS) return 'soapenc'
  if (uri === SOAPENC12_NS) return 'enc'
  if (uri === APACHE_NS) return 'apachesoap'
  const uris = schemas === undefined ? [] : namespacesOf(schemas)
  return `t${uris.indexOf(uri) + 1}`
}

const known = new WeakMap<object, readonly string[]>()

function namespacesOf(schemas: ElementDecl['schemas']): readonly string[] {
  let uris = known.get(schemas)
  if (uris === undefined)
    known.set(schemas, (uris = [...new Set(schemas.types.map((type) => type.name?.uri ?? ''))]))
  return uris
}

/** What a value of open type says it is (SOAP 1.1 §5.2.1); undefined for structs and arrays of anything. */
export function scalarTypeOf(value: Json): TypeDecl | undefined {
  if (typeof value === 'string') return builtinType(clark(XSD_NS, 'string'))
  if (typeof value === 'boolean') return builtinType(clark(XSD_NS, 'boolean'))
  if (typeof value !== 'number') return undefined
  const isInt = Number.isInteger(value) && Math.abs(value) <= 0x7fffffff
  return builtinType(clark(XSD_NS, isInt ? 'int' : 'double'))
}

interface Start {
  readonly name: XmlName
  readonly attributes: readonly XmlAttribute[]
  readonly namespaces: ReadonlyMap<string, string> | undefined
}

/** A list, or an object whose one member is a list (`{ "item": […] }`), as an array (SOAP 1.1 §5.4.2). */
export function arrayOut(
  value: Json,
  array: ArrayType,
  start: Start,
  { binding, item }: { binding: Binding; item: (value: Json, name: XmlName, typed: Typed) => XmlElement },
): XmlElement {
  const items = itemsOf(value, binding)
  const decl = itemDeclaration(array, array.item, binding)
  const children = items.map((one, i) =>
    binding.inside(array.itemName.local, i + 1, () => item(one, array.itemName, { decl, binding })),
  )
  const said = arrayAttributes(array, start.attributes.length === 0, { size: items.length, binding })
  const namespaces = new Map([...(start.namespaces ?? []), ...said.namespaces])
  return { ...start.name, attributes: [...start.attributes, ...said.attributes], children, namespaces }
}

function itemsOf(value: Json, binding: Binding): readonly Json[] {
  if (Array.isArray(value)) return value
  if (value === '') return []
  if (isObject(value)) {
    const members = Object.entries(value).filter(([key]) => !key.startsWith('@'))
    const [only] = members
    if (only === undefined) return []
    if (members.length === 1 && Array.isArray(only[1])) return only[1]
  }
  throw binding.problem('takes a list, or an object with a list as its one member')
}

function arrayAttributes(
  array: ArrayType,
  isAnonymous: boolean,
  { size, binding }: { readonly size: number; readonly binding: Binding },
): { attributes: readonly XmlAttribute[]; namespaces: ReadonlyMap<string, string> } {
  const { encoded } = binding.options
  if (encoded === undefined) return { attributes: [], namespaces: new Map() }
  const uri = encoded === '1.1' ? SOAPENC_NS : SOAPENC12_NS
  const itself = qualified({ uri, local: 'Array' }, binding)
  const of = qualified(array.arrayType ?? array.item.name ?? anyTypeName, binding)
  const type = isAnonymous ? [attributeOf('type', itself.text, XSI_NS)] : []
  const namespaces = new Map([...itself.namespaces, ...of.namespaces])
  if (encoded === '1.1')
    return {
      attributes: [...type, attributeOf('arrayType', `${of.text}${array.suffix}[${size}]`, uri)],
      namespaces,
    }
  // SOAP 1.2 Part 2 §3.1.4, §3.1.6: type and size apart; the items of an array of arrays say theirs themselves.
  const itemType = array.suffix === '' ? [attributeOf('itemType', of.text, uri)] : []
  return { attributes: [...type, ...itemType, attributeOf('arraySize', String(size), uri)], namespaces }
}

const anyTypeName: XmlName = { uri: XSD_NS, local: 'anyType' }

// The types every schema has without saying so: those of XSD, and of the SOAP encodings on top of them.
import { APACHE_NS, OLD_XSD_NS, SOAPENC12_NS, SOAPENC_NS, XML_NS, XMIME_NS, XSD_NS, clark } from './names.ts'
import type {
  ArrayType,
  AttributeDecl,
  ComplexType,
  ElementDecl,
  SimpleType,
  TypeDecl,
  XmlSchemas,
} from './schema.ts'

// XSD 1.0 Part 2 §3: name, what it restricts; the time types of XSD 1.1 that are seen in WSDLs too.
const derivations: readonly (readonly [string, string])[] = [
  ['string', 'anySimpleType'],
  ['normalizedString', 'string'],
  ['token', 'normalizedString'],
  ['language', 'token'],
  ['NMTOKEN', 'token'],
  ['Name', 'token'],
  ['NCName', 'Name'],
  ['ID', 'NCName'],
  ['IDREF', 'NCName'],
  ['ENTITY', 'NCName'],
  ['boolean', 'anySimpleType'],
  ['decimal', 'anySimpleType'],
  ['integer', 'decimal'],
  ['nonPositiveInteger', 'integer'],
  ['negativeInteger', 'nonPositiveInteger'],
  ['long', 'integer'],
  ['int', 'long'],
  ['short', 'int'],
  ['byte', 'short'],
  ['nonNegativeInteger', 'integer'],
  ['unsignedLong', 'nonNegativeInteger'],
  ['unsignedInt', 'unsignedLong'],
  ['unsignedShort', 'unsignedInt'],
  ['unsignedByte', 'unsignedShort'],
  ['positiveInteger', 'nonNegativeInteger'],
  ['float', 'anySimpleType'],
  ['double', 'anySimpleType'],
  ['duration', 'anySimpleType'],
  ['dateTime', 'anySimpleType'],
  ['time', 'anySimpleType'],
  ['date', 'anySimpleType'],
  ['gYearMonth', 'anySimpleType'],
  ['gYear', 'anySimpleType'],
  ['gMonthDay', 'anySimpleType'],
  ['gDay', 'anySimpleType'],
  ['gMonth', 'anySimpleType'],
  ['hexBinary', 'anySimpleType'],
  ['base64Binary', 'anySimpleType'],
  ['anyURI', 'anySimpleType'],
  ['QName', 'anySimpleType'],
  ['NOTATION', 'anySimpleType'],
]

const listTypes: readonly (readonly [string, string])[] = [
  ['NMTOKENS', 'NMTOKEN'],
  ['IDREFS', 'IDREF'],
  ['ENTITIES', 'ENTITY'],
]

// Names of before 2001, for types whose values are written as they were.
const renamed: readonly (readonly [string, string])[] = [
  ['ur-type', 'anyType'],
  ['timeInstant', 'dateTime'],
  ['timeDuration', 'duration'],
  ['month', 'gYearMonth'],
  ['year', 'gYear'],
  ['recurringDate', 'gMonthDay'],
  ['uriReference', 'anyURI'],
  ['CDATA', 'normalizedString'],
]

function whiteSpaceOf(name: string): SimpleType['whiteSpace'] {
  if (name === 'string' || name === 'anySimpleType') return 'preserve'
  return name === 'normalizedString' ? 'replace' : 'collapse'
}

function simple(
  uri: string,
  local: string,
  base: SimpleType | undefined,
  more: Partial<SimpleType>,
): SimpleType {
  return {
    kind: 'simple',
    name: { uri, local },
    ...(base === undefined ? {} : { base }),
    variety: 'atomic',
    builtin: local,
    whiteSpace: whiteSpaceOf(local),
    facets: {},
    ...(local === 'QName' || local === 'NOTATION' ? { names: true } : {}),
    ...more,
  }
}

export const anySimpleType: SimpleType = simple(XSD_NS, 'anySimpleType', undefined, {})

/** XSD 1.0 Part 1 §3.4.7: anything at all. */
export const anyType: ComplexType = {
  kind: 'complex',
  name: { uri: XSD_NS, local: 'anyType' },
  abstract: false,
  mixed: true,
  attributes: [],
  anyAttribute: true,
  particle: { kind: 'any', namespace: '##any', process: 'lax', min: 0, max: Infinity },
}

/** `xsd:anyType`, or `soapenc:Struct`, which says no more. */
export function isOpen(type: TypeDecl): boolean {
  const { uri, local } = type.name ?? { uri: '', local: '' }
  return type === anyType || ((uri === SOAPENC_NS || uri === SOAPENC12_NS) && local === 'Struct')
}

/** What `soapenc:Array` alone says: items of any type. */
export const openArray: ArrayType = { item: anyType, itemName: { uri: '', local: 'item' }, suffix: '' }

/** Where there are no documents. */
export const noSchemas: XmlSchemas = {
  elements: [],
  types: [],
  element: () => undefined,
  type: () => undefined,
  attribute: () => undefined,
  typesNamed: () => [],
  declare: (name) => ({
    name,
    type: anyType,
    nillable: true,
    abstract: false,
    substitutes: [],
    schemas: noSchemas,
  }),
}

function member(local: string, type: TypeDecl): ElementDecl {
  const name = { uri: '', local }
  return { name, type, nillable: true, abstract: false, substitutes: [], schemas: noSchemas }
}

const mapItem: ComplexType = {
  kind: 'complex',
  abstract: false,
  mixed: false,
  attributes: [],
  anyAttribute: false,
  particle: {
    kind: 'sequence',
    items: ['key', 'value'].map((local) => ({
      kind: 'element',
      decl: member(local, anyType),
      min: 1,
      max: 1,
    })),
    min: 1,
    max: 1,
  },
}

/** What PHP calls every associative array and Java every HashMap, mostly without a schema that has it. */
export const mapType: ComplexType = {
  ...mapItem,
  name: { uri: APACHE_NS, local: 'Map' },
  base: anyType,
  particle: { kind: 'element', decl: member('item', mapItem), min: 0, max: Infinity },
}

function builtinTypes(): Map<string, TypeDecl> {
  const types = new Map<string, TypeDecl>()
  const simples = new Map<string, SimpleType>([['anySimpleType', anySimpleType]])
  for (const [local, base] of derivations) simples.set(local, simple(XSD_NS, local, simples.get(base), {}))
  for (const [local, item] of listTypes) {
    const of = simples.get(item) ?? anySimpleType
    const list = { variety: 'list', builtin: 'anySimpleType', item: of, facets: { minLength: 1 } } as const
    simples.set(local, simple(XSD_NS, local, anySimpleType, list))
  }
  for (const [local, type] of simples) types.set(clark(XSD_NS, local), type)
  types.set(clark(XSD_NS, 'anyType'), anyType)
  types.set(clark(APACHE_NS, 'Map'), mapType)
  types.set(clark(APACHE_NS, 'Vector'), {
    ...anyType,
    name: { uri: APACHE_NS, local: 'Vector' },
    base: anyType,
    array: openArray,
  })
  for (const uri of OLD_XSD_NS) {
    for (const [local, type] of simples) types.set(clark(uri, local), type)
    for (const [old, now] of renamed) types.set(clark(uri, old), simples.get(now) ?? anyType)
    types.set(clark(uri, 'anyType'), anyType)
  }
  for (const uri of [SOAPENC_NS, SOAPENC12_NS]) {
    // SOAP 1.1 §5.2.3: soapenc:int is xsd:int that may have an id.
    for (const [local, type] of simples)
      types.set(clark(uri, local), simple(uri, local, type, { ...type, name: { uri, local }, base: type }))
    const bytes = simples.get('base64Binary') ?? anySimpleType
    types.set(clark(uri, 'base64'), simple(uri, 'base64', bytes, { builtin: 'base64Binary' }))
    types.set(clark(uri, 'Struct'), { ...anyType, name: { uri, local: 'Struct' }, base: anyType })
    types.set(clark(uri, 'Array'), {
      ...anyType,
      name: { uri, local: 'Array' },
      base: anyType,
      array: openArray,
    })
  }
  return types
}

const types = builtinTypes()

/** By `{uri}local`. */
export function builtinType(name: string): TypeDecl | undefined {
  return types.get(name)
}

const text = { required: false, type: anySimpleType } as const
const builtinAttributeNames: readonly (readonly [string, readonly string[]])[] = [
  [XML_NS, ['lang', 'space', 'base', 'id']],
  [SOAPENC_NS, ['arrayType', 'offset', 'position', 'root']],
  [SOAPENC12_NS, ['itemType', 'arraySize', 'nodeType']],
  [XMIME_NS, ['contentType', 'expectedContentTypes']],
]
const attributes: ReadonlyMap<string, AttributeDecl> = new Map(
  builtinAttributeNames.flatMap(([uri, locals]) =>
    locals.map((local) => [clark(uri, local), { ...text, name: { uri, local } }] as const),
  ),
)

/** The attributes schemas refer to without having them: `xml:lang`, `soapenc:arrayType`, `xmime:contentType`. By `{uri}local`. */
export function builtinAttribute(name: string): AttributeDecl | undefined {
  return attributes.get(name)
}

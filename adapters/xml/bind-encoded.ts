// SOAP encoding (SOAP 1.1 §5, SOAP 1.2 Part 2 §3) as it is read: its attributes and its arrays.
import type { Json } from 'dragoman'
import type { Binding } from './bind-context.ts'
import { isXsi, typeSaid } from './instance.ts'
import { SOAP11_NS, SOAP12_NS, SOAPENC12_NS, SOAPENC_NS } from './names.ts'
import { anyType, isOpen, noSchemas } from './schema-builtin.ts'
import { arrayOf, isSoapEncoding } from './schema-complex.ts'
import type { ArrayType, ElementDecl, TypeDecl } from './schema.ts'
import { derivesFrom } from './schema.ts'
import { attribute, resolveQName, isBlank } from './tree.ts'
import type { XmlElement, XmlName } from './tree.ts'
import { takesText } from './value-names.ts'

/** Attributes that say how something is encoded, or meant for whom, not what it is; ids only where encoding has them. */
export function isEncodingAttribute({ uri, local }: XmlName, { options }: Binding): boolean {
  if (uri === '') return local === 'id' && options.encoded !== undefined
  return isXsi(uri) || isSoapEncoding(uri) || uri === SOAP11_NS || uri === SOAP12_NS
}

/** Without a schema: whether the document itself says that this is an array. */
export function looksLikeArray(element: XmlElement): boolean {
  for (const { uri, local } of element.attributes)
    if ((uri === SOAPENC_NS && local === 'arrayType') || (uri === SOAPENC12_NS && local === 'arraySize'))
      return true
  const said = typeSaid(element)
  const name = said === undefined ? undefined : resolveQName(element, said)
  return name !== undefined && isSoapEncoding(name.uri) && name.local === 'Array'
}

/**
 * The items, whatever they are called; arrayType may be missing (SOAP 1.1 §5.4.2). `item` gets each with the declaration
 * it is to be read by: that of the array, or one of the type that only the message says. Arrays with holes and of several
 * dimensions are refused by name: a JSON array would say something else.
 */
export function arrayIn(
  element: XmlElement,
  array: ArrayType,
  binding: Binding,
  item: (element: XmlElement, decl: ElementDecl, binding: Binding) => Json,
): Json {
  refuseHoles(element, binding)
  const declared = itemDeclaration(array, array.item, binding)
  const said = saidItem(element, array, binding)
  const narrower = said === undefined ? undefined : itemDeclaration(array, said, binding)
  const items: Json[] = []
  for (const child of element.children) {
    if (typeof child === 'string') {
      if (!isBlank(child)) throw binding.problem('has text between its items')
      continue
    }
    items.push(
      binding.inside(child.local, items.length + 1, () => {
        refuseHoles(child, binding)
        const isSaid = narrower !== undefined && fits(child, narrower.type, array, binding)
        return item(child, isSaid ? narrower : declared, binding)
      }),
    )
  }
  return items
}

/** What one item is, for reading and writing. */
export function itemDeclaration(array: ArrayType, type: TypeDecl, binding: Binding): ElementDecl {
  const schemas = binding.schemas ?? noSchemas
  return { name: array.itemName, type, nillable: true, abstract: false, substitutes: [], schemas }
}

export function refuseHoles(element: XmlElement, binding: Binding): void {
  for (const { uri, local, value } of element.attributes) {
    if (uri !== SOAPENC_NS && uri !== SOAPENC12_NS) continue
    if (local === 'position') throw binding.problem('sparse arrays (soapenc:position) are not supported')
    if (local === 'offset' && value.trim() !== '[0]')
      throw binding.problem('partial arrays (soapenc:offset) are not supported')
    const dimensions = local === 'arrayType' ? (/\[([^[\]]*)\]\s*$/.exec(value)?.[1] ?? '') : value.trim()
    const isSeveral = local === 'arrayType' ? dimensions.includes(',') : /\s/.test(dimensions)
    if ((local === 'arrayType' || local === 'arraySize') && isSeveral)
      throw binding.problem('arrays of several dimensions are not supported, arrays of arrays are')
  }
}

/**
 * The type that `arrayType="t:Dog[3]"` or `enc:itemType="t:Dog"` gives to the items, if it is another than the schema does:
 * a derived one, or any where the schema leaves it open. What is said of declared simple types is a guess.
 */
function saidItem(element: XmlElement, { item }: ArrayType, binding: Binding): TypeDecl | undefined {
  const said = attribute(element, 'arrayType', SOAPENC_NS)
  const [, qname = '', suffix = ''] =
    said === undefined
      ? ['', attribute(element, 'itemType', SOAPENC12_NS)]
      : (/^\s*([^[\]\s]+)((?:\[[\d,]*\])*)\[[\d,]*\]\s*$/.exec(said) ?? [])
  const name = resolveQName(element, qname)
  if (name === undefined && item === anyType && said !== undefined)
    throw binding.problem(`arrayType ${JSON.stringify(said.slice(0, 80))} says no type`)
  const named = name === undefined ? undefined : binding.schemas?.type(name)
  if (name === undefined || named === undefined || item.kind === 'simple') return undefined
  const type = arrayOf(named, name, suffix)
  return type !== item && !isOpen(type) && derivesFrom(type, item) ? type : undefined
}

/** Whether an item is of the type its array says: one that says its own need not be, and PHP says xsd:int of every integer. */
function fits(child: XmlElement, said: TypeDecl, { item }: ArrayType, { options }: Binding): boolean {
  if (item !== anyType && typeSaid(child) !== undefined) return false
  return options.unknown !== 'keep' || takesText(said, child)
}

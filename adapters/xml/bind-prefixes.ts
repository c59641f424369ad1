// Prefixes that the values of a schema inside a document need (a DataSet brings its own), as members `@xmlns:prefix`.
import type { Json } from 'dragoman'
import { setMember } from './bind-context.ts'
import type { Binding, JsonObject } from './bind-context.ts'
import { isNcName, isXsd, nameClasses } from './names.ts'
import { checkNamespace } from './prefixes.ts'
import { NamespaceScope } from './scope.ts'
import type { XmlElement } from './tree.ts'

/** The member by which a value says the namespace of its element, where nothing else does; what is a list cannot. */
export const NAMESPACE = '@xmlns'

type Prefixes = ReadonlyMap<string, string>

/**
 * The members an element needs so that names in attributes of a schema mean what they meant: the outermost `xs:schema` has
 * what is in scope there and used anywhere in it, an element below what means something else than around it. `@xmlns:` is
 * the default namespace. Empty outside of a schema.
 */
export function prefixesIn(element: XmlElement, { schemaPrefixes }: Binding): JsonObject {
  const object: JsonObject = {}
  if (isSchema(element) && !schemaPrefixes.has(element)) gather(element, schemaPrefixes)
  for (const [prefix, uri] of schemaPrefixes.get(element) ?? [])
    setMember(object, `${NAMESPACE}:${prefix}`, uri)
  return object
}

/** The inverse: prefix → namespace, `''` the default one. Throws `ENCODE_FAILED`. */
export function prefixesOut(object: { readonly [member: string]: Json }, binding: Binding): Prefixes {
  const prefixes = new Map<string, string>()
  for (const [key, uri] of Object.entries(object)) {
    if (!key.startsWith(`${NAMESPACE}:`)) continue
    const prefix = key.slice(NAMESPACE.length + 1)
    if (typeof uri !== 'string' || (prefix !== '' && !isNcName(prefix)) || /^xml(?:ns)?$/.test(prefix))
      throw binding.problem('is not a prefix with its namespace', key)
    if (prefix !== '' || uri !== '') checkNamespace(uri) // Namespaces in XML 1.0 §6.2: xmlns=""
    prefixes.set(prefix, uri)
  }
  return prefixes
}

function isSchema({ uri, local }: XmlElement): boolean {
  return local === 'schema' && isXsd(uri)
}

/** One walk for all that is inside, schemas too. */
function gather(schema: XmlElement, found: Map<XmlElement, Prefixes>): void {
  const top = new Map<string, string>()
  const waiting = [{ at: schema, around: new NamespaceScope(schema.namespaces) }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { at, around } = next
    const own = new Map<string, string>()
    for (const prefix of prefixesUsed(at)) {
      const uri = meaningOf(prefix, at.namespaces)
      const outside = meaningOf(prefix, schema.namespaces)
      if (uri === undefined) continue
      if (uri !== meaningOf(prefix, around)) own.set(prefix, uri)
      else if (outside !== undefined) top.set(prefix, outside)
    }
    if (own.size > 0 || isSchema(at)) found.set(at, own)
    const inside = own.size === 0 ? around : around.inner(own)
    for (const child of at.children)
      if (typeof child !== 'string') waiting.push({ at: child, around: inside })
  }
  found.set(schema, top)
}

function meaningOf(prefix: string, scope: Prefixes): string | undefined {
  return prefix === '' ? (scope.get('') ?? '') : scope.get(prefix)
}

/** Attributes of XSD 1 whose values are QNames: there no prefix means the default namespace (XSD 1 Part 2 §3.2.18). */
const qnames: ReadonlySet<string> = new Set([
  'base',
  'itemType',
  'memberTypes',
  'ref',
  'refer',
  'substitutionGroup',
  'type',
])

// One step from name to name: asking for the colon too would cost the square of a long value.
const names = new RegExp(`[${nameClasses.part}]+:?`, 'gu')

/** What stands before a colon in attributes (also in an XPath); `''` for a QName without. */
function* prefixesUsed({ uri, attributes }: XmlElement): Generator<string> {
  for (const { uri: namespace, local, value } of attributes) {
    const isQName = namespace === '' && qnames.has(local) && isXsd(uri)
    if (isQName && value.split(/[\t\n\r ]+/).some((name) => name !== '' && !name.includes(':'))) yield ''
    if (!value.includes(':')) continue
    for (const [name] of value.matchAll(names)) if (name.endsWith(':')) yield name.slice(0, -1)
  }
}

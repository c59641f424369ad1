// Results of ASP.NET web services by GET and POST: a document whose root is the type of the result.
import type { Json } from 'dragoman'
import { fromJson } from '../xml/bind.ts'
import { isNcName, XSD_NS } from '../xml/names.ts'
import type { ElementDecl } from '../xml/schema.ts'
import type { XmlElement, XmlName } from '../xml/tree.ts'
import type { ChannelConfig } from './config.ts'
import { isObject, unwrapped } from './contract.ts'

/** A result by its declaration: `<decimal>`, `<Ticket>`, `<ArrayOfTicket>`. Throws `ENCODE_FAILED`. */
export function describedResult(
  value: Json,
  result: ElementDecl,
  options: {
    readonly namespace: string
    readonly lenient: boolean
    readonly dropped: (path: string) => void
  },
): XmlElement {
  const decl = rootOf(result, options.namespace)
  return fromJson(unwrapped(value, result), decl.name, decl, {
    dropped: options.dropped,
    ...(options.lenient && { missing: 'keep' }),
  })
}

/** The element the original writes: a global one of the type's name, where there is one of that very type. */
function rootOf(result: ElementDecl, namespace: string): ElementDecl {
  const { name } = result.type
  if (name === undefined) return result
  const root = { uri: name.uri === XSD_NS ? namespace : name.uri, local: name.local }
  const known = result.schemas.element(root)
  if (known?.type === result.type) return known
  return {
    name: root,
    type: result.type,
    nillable: true,
    abstract: false,
    substitutes: [],
    schemas: result.schemas,
  }
}

/** Without a schema: what the value itself says of its type (`<string>`, `<int>`, `<ArrayOfString>`), else `OPERATIONResult`. */
export function plainResult(
  value: Json,
  { operation, namespace }: { readonly operation: string; readonly namespace: string },
  { lists, types }: Pick<ChannelConfig, 'lists' | 'types'>,
): XmlElement {
  const named = (local: string): XmlName => ({ uri: namespace, local })
  const options = { lists, types }
  if (isList(value)) {
    const kinds = new Set(value.map(typeOf))
    const [kind] = kinds
    const item = kinds.size === 1 && kind !== undefined ? kind : 'anyType'
    const list = named(`ArrayOf${item.charAt(0).toUpperCase()}${item.slice(1)}`)
    return fromJson(Object.fromEntries([[item, value]]), list, undefined, options)
  }
  const result = `${operation}Result`
  const inner =
    isObject(value) && Object.hasOwn(value, result) && Object.keys(value).length === 1
      ? (value[result] ?? null)
      : value
  if (inner !== value) return plainResult(inner, { operation, namespace }, { lists, types })
  const root = isObject(value) ? (isNcName(result) ? result : 'Result') : (typeOf(value) ?? 'string')
  return fromJson(value, named(root), undefined, options)
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

/** The type of XSD a JSON scalar is, as .NET would name it. */
function typeOf(value: Json): string | undefined {
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value !== 'number') return undefined
  if (!Number.isInteger(value)) return 'double'
  return value >= -2147483648 && value <= 2147483647 ? 'int' : 'long'
}

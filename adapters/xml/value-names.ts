// QNames in values: `{uri}local` is what they mean outside their document (XSD 1.0 Part 2 §3.2.18); prefixes are made again.
import { nameOfKey, quoted } from './bind-context.ts'
import type { Binding } from './bind-context.ts'
import { isLexical } from './lexical.ts'
import { clark } from './names.ts'
import type { SimpleType, TypeDecl } from './schema.ts'
import { resolveQName, textOf } from './tree.ts'
import type { XmlElement } from './tree.ts'
import { itemsOf, normalise, problemOf } from './value.ts'

export interface Expanded {
  readonly text: string
  /** A sentence. There is none where the type holds no QNames. */
  readonly problem?: string
}

/**
 * A normalised text as it stands in a document, with each QName as its expanded name: of items of lists, and of the first
 * member of a union that takes it.
 */
export function expandNames(type: SimpleType, text: string, scope: XmlElement): Expanded {
  const { item, members = [], variety } = type
  if (type.names !== true) return { text }
  if (item !== undefined) {
    const items = itemsOf(text).map((one) => expandNames(item, one, scope))
    return (
      items.find(({ problem }) => problem !== undefined) ?? { text: items.map((one) => one.text).join(' ') }
    )
  }
  if (variety === 'union') {
    for (const member of members) {
      const expanded = expandNames(member, normalise(member, text), scope)
      if (expanded.problem === undefined && problemOf(member, expanded.text) === undefined) return expanded
    }
    return { text, problem: `${quoted(text)} is not one of ${type.name?.local ?? 'the types it may be'}` }
  }
  if (!isLexical('QName', text)) return { text, problem: `${quoted(text)} is not of type ${type.builtin}` }
  const name = resolveQName(scope, text)
  if (name === undefined) return { text, problem: `the prefix of ${quoted(text)} is not declared` }
  return { text: clark(name.uri, name.local) }
}

/** Whether a type is known and, if it is simple, takes the text of the element. */
export function takesText(type: TypeDecl | undefined, element: XmlElement): boolean {
  if (type?.kind !== 'simple') return type !== undefined
  const { text, problem } = expandNames(type, normalise(type, textOf(element)), element)
  return problem === undefined && problemOf(type, text) === undefined
}

const noDefault: ReadonlyMap<string, string> = new Map([['', '']])

export interface Prefixed {
  readonly text: string
  /** What the text needs: prefix → namespace. */
  readonly namespaces?: ReadonlyMap<string, string>
}

/** The inverse, for a checked and normalised text. */
export function prefixNames(type: SimpleType, text: string, binding: Binding): Prefixed {
  const { item, members = [], variety } = type
  if (type.names !== true) return { text }
  if (item !== undefined) {
    const items = itemsOf(text).map((one) => prefixNames(item, one, binding))
    const namespaces = new Map(items.flatMap((one) => [...(one.namespaces ?? [])]))
    return { text: items.map((one) => one.text).join(' '), namespaces }
  }
  if (variety === 'union') {
    const member = members.find((one) => problemOf(one, normalise(one, text)) === undefined)
    return member?.names === true ? prefixNames(member, normalise(member, text), binding) : { text }
  }
  const { uri, local } = nameOfKey(text, '')
  if (uri === '') return { text: local, namespaces: noDefault }
  const prefix = binding.prefixFor(uri)
  return { text: `${prefix}:${local}`, namespaces: new Map([[prefix, uri]]) }
}

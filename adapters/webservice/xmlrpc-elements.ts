// The elements every XML-RPC document is made of (xmlrpc.com/spec): taken apart, and put together.
import { GatewayError } from 'dragoman'
import { childElements, element, textOf } from '../xml/tree.ts'
import type { XmlElement } from '../xml/tree.ts'

/** A document that is well-formed but not XML-RPC, or holds a value that is not of its type. */
export function invalid(problem: string): GatewayError {
  return new GatewayError('DECODE_FAILED', `xml-rpc: ${problem}`)
}

/** Elements of the specification have no namespace. */
export function isPlain({ uri, local }: XmlElement, name: string): boolean {
  return uri === '' && local === name
}

/** An element around others. Empty ones have two tags too: there are clients that read with regular expressions (Tcl). */
export function around(local: string, children: readonly XmlElement[]): XmlElement {
  return element('', local, [], children.length === 0 ? [''] : children)
}

/** An element around text, likewise. */
export function leaf(local: string, text: string): XmlElement {
  return element('', local, [], [text])
}

/** An `array` of these values. */
export function arrayAround(values: readonly XmlElement[]): XmlElement {
  return around('array', [around('data', values)])
}

/** The values of an `array`. Throws `DECODE_FAILED`. */
export function valuesIn(list: XmlElement): XmlElement[] {
  const [data, ...more] = childElements(list)
  if (data === undefined) return []
  if (more.length > 0 || !isPlain(data, 'data')) throw invalid('an array holds one data element')
  return childElements(data)
}

/** The values of a `struct` by name. Throws `DECODE_FAILED`. */
export function membersIn(struct: XmlElement): ReadonlyMap<string, XmlElement> {
  const members = new Map<string, XmlElement>()
  for (const member of childElements(struct)) {
    const [name, value, ...more] = childElements(member)
    if (!isPlain(member, 'member') || name === undefined || value === undefined || more.length > 0)
      throw invalid('a struct holds members of one name and one value')
    if (!isPlain(name, 'name') || childElements(name).length > 0) throw invalid('a member has no name')
    const key = textOf(name)
    if (members.has(key)) throw invalid(`member ${JSON.stringify(key.slice(0, 80))} stands twice in a struct`)
    members.set(key, value)
  }
  return members
}

/** The `array` or `struct` inside a `value`; undefined if it is something else. */
export function inside(value: XmlElement, type: 'array' | 'struct'): XmlElement | undefined {
  const [typed] = childElements(value)
  return typed !== undefined && isPlain(typed, type) ? typed : undefined
}

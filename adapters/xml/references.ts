// References of SOAP encoding (href and id, multiRef), put in place: the graph on the wire becomes a tree.
import { GatewayError } from 'dragoman'
import { isXsi } from './instance.ts'
import { SOAP11_NS, SOAP12_NS, SOAPENC12_NS, SOAPENC_NS, limits } from './names.ts'
import { attribute, isBlank, textOf, withParts } from './tree.ts'
import type { XmlElement, XmlName, XmlNode } from './tree.ts'
import { sourceOf } from './view.ts'

export interface ReferenceOptions {
  /**
   * `encoded` (the default): every reference must lead somewhere. `literal`: an `href` is data, and stays as it is, unless it can only be
   * a reference: `href`, beside nothing but `xsi:` attributes, to an independent element of the Body (Axis) or to `ref1` (PHP); `enc:ref`.
   */
  readonly use?: 'encoded' | 'literal'
  /** Elements after expansion. Default 500,000. */
  readonly maxNodes?: number
  /** Levels after expansion. Default 200. */
  readonly maxDepth?: number
  /** Characters of texts and values after expansion. Default 16 Mi: a text that is shared would come a thousand times. */
  readonly maxText?: number
}

/**
 * Puts the targets of `href="#id"` (SOAP 1.1 §5.4.1) and `enc:ref` (SOAP 1.2 Part 2 §3.1.5) in place, wherever they stand
 * below `root` (an envelope or a body), and takes the independent elements (multiRef) that were targets out of the body.
 * Each element is looked at once and shared targets stay shared: time and memory are linear. Throws `DECODE_FAILED`: more
 * than the limits after expansion; in encoded also a cycle, an unknown or doubled id.
 */
export function resolveReferences(root: XmlElement, options: ReferenceOptions = {}): XmlElement {
  if (!mentionsReference(root)) return root
  return new References(root, options).expand(root).element
}

/** What a reference was found to lead to: its size and height, so that nothing explodes. */
interface Expanded {
  readonly element: XmlElement
  readonly nodes: number
  readonly text: number
  readonly depth: number
}

function mentionsReference(root: XmlElement): boolean {
  const source = sourceOf(root)
  if (source !== undefined && !/ref[\t\n ]*=/.test(source)) return false // neither attribute is anywhere
  const waiting = [root]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (referenceIn(at) !== undefined) return true
    for (const child of at.children) if (typeof child !== 'string') waiting.push(child)
  }
  return false
}

/**
 * `href="#id"` (SOAP 1.1 §5.4.1) or `enc:ref="id"` (SOAP 1.2 Part 2 §3.1.5.2), which PHP writes as `enc:ref="#id"`: no
 * IDREF begins so. Other hrefs are data.
 */
function referenceIn(element: XmlElement): string | undefined {
  for (const { uri, local, value } of element.attributes) {
    if (uri === '' && local === 'href' && value.startsWith('#')) return value.slice(1)
    if (uri === SOAPENC12_NS && local === 'ref') return value.trim().replace(/^#/, '')
  }
  return undefined
}

function idOf(element: XmlElement): string | undefined {
  return attribute(element, 'id') ?? attribute(element, 'id', SOAPENC12_NS)
}

class References {
  readonly #targets = new Map<string, XmlElement>()
  readonly #doubled = new Set<string>()
  /** Ids of what is put in another place. */
  readonly #wanted = new Set<string>()
  readonly #independent = new Set<XmlElement>()
  readonly #done = new Map<XmlElement, Expanded>()
  readonly #open = new Set<XmlElement>()
  readonly #isLiteral: boolean
  readonly #maxNodes: number
  readonly #maxDepth: number
  readonly #maxText: number

  constructor(root: XmlElement, options: ReferenceOptions) {
    this.#isLiteral = options.use === 'literal'
    this.#maxNodes = options.maxNodes ?? limits.maxNodes
    this.#maxDepth = options.maxDepth ?? limits.maxDepth
    this.#maxText = options.maxText ?? limits.maxBytes
    const waiting = [root]
    const accessors: [XmlElement, string][] = []
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const id = idOf(at)
      if (id !== undefined && this.#targets.has(id)) this.#doubled.add(id)
      if (id !== undefined) this.#targets.set(id, at)
      const wanted = referenceIn(at)
      if (wanted !== undefined) accessors.push([at, wanted])
      for (const child of at.children) {
        if (typeof child === 'string') continue
        if (isIndependent(child, at)) this.#independent.add(child)
        waiting.push(child)
      }
    }
    for (const [accessor, id] of accessors)
      if (!this.#isLiteral || this.#targetOf(accessor) !== undefined) this.#wanted.add(id)
  }

  expand(element: XmlElement): Expanded {
    const known = this.#done.get(element)
    if (known !== undefined) return known
    // A target that leads back to itself: SOAP allows the graph, a tree and JSON do not.
    if (this.#open.has(element))
      throw refused(`the reference to "${idOf(element) ?? ''}" leads back to itself`)
    this.#open.add(element)
    if (this.#open.size > this.#maxDepth * 2)
      throw refused(`references go deeper than ${this.#maxDepth} elements`)
    const found = this.#targetOf(element)
    const target = this.#isLiteral && found !== undefined && this.#open.has(found) ? undefined : found
    const expanded = target === undefined ? this.#inside(element) : this.#instead(element, target)
    this.#open.delete(element)
    this.#done.set(element, expanded)
    return expanded
  }

  #targetOf(element: XmlElement): XmlElement | undefined {
    const id = referenceIn(element)
    if (id === undefined) return undefined
    const target = this.#targets.get(id)
    let problem: string | undefined
    if (hasOtherContent(element, target)) problem = `"${element.local}" is a reference and has content`
    else if (this.#doubled.has(id)) problem = `the id "${id.slice(0, 80)}" stands on two elements`
    else if (target === undefined) problem = `there is no element with the id "${id.slice(0, 80)}"`
    if (problem !== undefined && !this.#isLiteral) throw refused(problem)
    if (problem !== undefined || target === undefined) return undefined
    return this.#isLiteral && !this.#isReference(element, target) ? undefined : target
  }

  /** Whether it can be nothing else in a literal body. */
  #isReference({ attributes }: XmlElement, target: XmlElement): boolean {
    if (attributes.some(({ uri }) => uri === SOAPENC12_NS)) return true
    const others = attributes.filter((one) => !isXsi(one.uri))
    return others.length === 1 && (this.#independent.has(target) || PHP_HREF.test(others[0]?.value ?? ''))
  }

  /** The accessor keeps its name, the target gives what it holds and says (xsi:type, arrayType). */
  #instead(accessor: XmlElement, target: XmlElement): Expanded {
    const { element, nodes, text, depth } = this.expand(target)
    const { uri, local, prefix } = accessor
    const attributes = element.attributes.filter((one) => !isIdentity(one))
    const named = { uri, local, attributes, ...(prefix === undefined ? {} : { prefix }) }
    return { element: withParts(element, named), nodes, text, depth }
  }

  #inside(element: XmlElement): Expanded {
    let nodes = 1
    let text = 0
    let depth = 1
    for (const { value } of element.attributes) text += value.length
    let changed = false
    const children: XmlNode[] = []
    for (const child of element.children) {
      if (typeof child === 'string') {
        text += child.length
        children.push(child)
        continue
      }
      // An independent element (SOAP 1.1 §5.1 rule 8) is put where it is wanted; the first is the call itself (§7.1).
      if (this.#wanted.has(idOf(child) ?? '') && this.#independent.has(child)) {
        changed = true
        continue
      }
      const expanded = this.expand(child)
      nodes += expanded.nodes
      text += expanded.text
      depth = Math.max(depth, expanded.depth + 1)
      if (expanded.element !== child) changed = true
      children.push(expanded.element)
    }
    if (nodes > this.#maxNodes) throw refused(`references make more than ${this.#maxNodes} elements`)
    if (text > this.#maxText) throw refused(`references make more than ${this.#maxText} characters`)
    if (depth > this.#maxDepth) throw refused(`references go deeper than ${this.#maxDepth} elements`)
    const isTarget = this.#wanted.has(idOf(element) ?? '')
    const attributes = isTarget ? element.attributes.filter((one) => !isIdentity(one)) : element.attributes
    const expanded = changed || isTarget ? withParts(element, { children, attributes }) : element
    return { element: expanded, nodes, text, depth }
  }
}

/** PHP writes it also in literal, for the second use of an object, to the first, which stands in its place with that id. */
const PHP_HREF = /^#ref\d+$/

/** PHP writes the text of a target with attributes again beside the reference: that says nothing else. */
function hasOtherContent({ children }: XmlElement, target: XmlElement | undefined): boolean {
  const [first, second] = children.filter((child) => typeof child !== 'string' || !isBlank(child))
  if (first === undefined) return false
  return second !== undefined || target === undefined || first !== textOf(target)
}

/** SOAP 1.1 §5.6: root="0" says that even the first element of a body is no call. */
function isIndependent(child: XmlElement, parent: XmlElement): boolean {
  if (parent.local !== 'Body' || (parent.uri !== SOAP11_NS && parent.uri !== SOAP12_NS)) return false
  const first = parent.children.find((sibling) => typeof sibling !== 'string')
  return child !== first || attribute(child, 'root', SOAPENC_NS)?.trim() === '0'
}

/** Of the target: its id, and the root mark of independent elements (SOAP 1.1 §5.6). */
function isIdentity({ uri, local }: XmlName): boolean {
  if (uri === '') return local === 'id'
  return (uri === SOAPENC12_NS && local === 'id') || (uri === SOAPENC_NS && local === 'root')
}

function refused(problem: string): GatewayError {
  return new GatewayError('DECODE_FAILED', problem)
}

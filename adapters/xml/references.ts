// References of SOAP encoding (href and id, multiRef), put in place: the graph on the wire becomes a tree.
import { GatewayError } from 'dragoman'
import { shapeOf } from './bind-shape.ts'
import { isXsi, typeSaid } from './instance.ts'
import { SOAP11_NS, SOAP12_NS, SOAPENC12_NS, SOAPENC_NS, clark, limits } from './names.ts'
import { isOpen } from './schema-builtin.ts'
import { derivesFrom } from './schema.ts'
import type { ElementDecl, TypeDecl, XmlSchemas } from './schema.ts'
import { attribute, isBlank, resolveQName, textOf, withParts } from './tree.ts'
import type { XmlElement, XmlName, XmlNode } from './tree.ts'
import { sourceOf } from './view.ts'

export interface ReferenceOptions {
  /**
   * `encoded` (the default): every reference must lead somewhere. `literal`: `href="#id"`, beside nothing but attributes of SOAP and XSI, is
   * a reference where the declared type has no `href`, or to an independent element of the Body (Axis); where nothing is declared also to
   * `ref1` (PHP). `enc:ref` always is. Every other `href` is data, and stays as it is.
   */
  readonly use?: 'encoded' | 'literal'
  /** What `literal` asks what is declared. */
  readonly schemas?: XmlSchemas | undefined
  /** rpc: what is declared in the first element of the Body. */
  readonly parts?: readonly ElementDecl[] | undefined
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
 * than the limits after expansion, a circle; in encoded also an unknown or doubled id.
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

interface Reference {
  readonly id: string
  /** By `enc:ref`, which means an `enc:id` first. */
  readonly isEnc: boolean
}

/**
 * `href="#id"` (SOAP 1.1 §5.4.1) or `enc:ref="id"` (SOAP 1.2 Part 2 §3.1.5.2), which PHP writes as `enc:ref="#id"`: no
 * IDREF begins so. Other hrefs are data.
 */
function referenceIn(element: XmlElement): Reference | undefined {
  for (const { uri, local, value } of element.attributes) {
    if (uri === '' && local === 'href' && value.startsWith('#')) return { id: value.slice(1), isEnc: false }
    if (uri === SOAPENC12_NS && local === 'ref') return { id: value.trim().replace(/^#/, ''), isEnc: true }
  }
  return undefined
}

/** The elements of a document by one of the two attributes that name them. */
class Ids {
  readonly #elements = new Map<string, XmlElement>()
  readonly #doubled = new Set<string>()

  add(id: string | undefined, element: XmlElement): void {
    if (id === undefined) return
    if (this.#elements.has(id)) this.#doubled.add(id)
    this.#elements.set(id, element)
  }

  get(id: string): XmlElement | undefined {
    return this.#elements.get(id)
  }

  isDoubled(id: string): boolean {
    return this.#doubled.has(id)
  }
}

class References {
  readonly #plainIds = new Ids()
  readonly #encIds = new Ids()
  /** What is put in another place, and whether its unqualified `id` is a mark of that alone. */
  readonly #wanted = new Map<XmlElement, { readonly isMark: boolean }>()
  readonly #independent = new Set<XmlElement>()
  /** Literal: the types of what is declared. */
  readonly #types = new Map<XmlElement, TypeDecl | undefined>()
  readonly #done = new Map<XmlElement, Expanded>()
  readonly #open = new Set<XmlElement>()
  readonly #options: ReferenceOptions
  readonly #isLiteral: boolean
  readonly #maxNodes: number
  readonly #maxDepth: number
  readonly #maxText: number

  constructor(root: XmlElement, options: ReferenceOptions) {
    this.#options = options
    this.#isLiteral = options.use === 'literal'
    this.#maxNodes = options.maxNodes ?? limits.maxNodes
    this.#maxDepth = options.maxDepth ?? limits.maxDepth
    this.#maxText = options.maxText ?? limits.maxBytes
    const waiting = [root]
    const accessors: [XmlElement, Reference][] = []
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      this.#plainIds.add(attribute(at, 'id'), at)
      this.#encIds.add(attribute(at, 'id', SOAPENC12_NS), at)
      const wanted = referenceIn(at)
      if (wanted !== undefined) accessors.push([at, wanted])
      for (const child of at.children) {
        if (typeof child === 'string') continue
        if (isIndependent(child, at)) this.#independent.add(child)
        waiting.push(child)
      }
    }
    if (this.#isLiteral) this.#findTypes(root)
    for (const [accessor, reference] of accessors) {
      const target = this.#isLiteral ? this.#targetOf(accessor) : this.#ids(reference).get(reference.id)
      if (target === undefined) continue
      const isMark = this.#ids(reference) === this.#plainIds && !this.#isOwnId(target, reference.id)
      this.#wanted.set(target, { isMark: isMark || this.#wanted.get(target)?.isMark === true })
    }
  }

  /** Down from the Body by what is declared; into an independent element by way of the first that refers to it. */
  #findTypes(root: XmlElement): void {
    const { schemas, parts } = this.#options
    const call = root.children.find((child) => typeof child !== 'string')
    const waiting: [XmlElement, TypeDecl | undefined][] = [...this.#independent].map((one) => [
      one,
      schemas?.element(one)?.type,
    ])
    waiting.push([root, undefined])
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [at, type] = next
      if (this.#types.has(at)) continue
      this.#types.set(at, type)
      const target = this.#targetOf(at)
      if (target !== undefined && this.#independent.has(target)) waiting.push([target, type])
      for (const child of at.children) {
        if (typeof child === 'string' || this.#independent.has(child)) continue
        const decl =
          parts !== undefined && at === call
            ? parts.find(({ name }) => name.local === child.local)
            : (memberOf(type, child) ?? schemas?.element(child))
        waiting.push([child, typeOf(child, decl)])
      }
    }
  }

  /** Where a reference has its target: PHP writes `enc:ref` also to an unqualified `id`. */
  #ids({ id, isEnc }: Reference): Ids {
    const [first, second] = isEnc ? [this.#encIds, this.#plainIds] : [this.#plainIds, this.#encIds]
    return first.get(id) === undefined ? second : first
  }

  /** Whether an id is data of the target: its type has one, and none of the known writers has made it up. */
  #isOwnId(target: XmlElement, id: string): boolean {
    if (this.#independent.has(target) || MADE_ID.test(id)) return false
    const type = this.#types.get(target)
    return type !== undefined && hasAttribute(type, 'id')
  }

  expand(element: XmlElement): Expanded {
    const known = this.#done.get(element)
    if (known !== undefined) return known
    // A target that leads back to itself: SOAP allows the graph, a tree and JSON do not.
    if (this.#open.has(element)) throw refused(`a reference to "${element.local}" leads back to itself`)
    this.#open.add(element)
    if (this.#open.size > this.#maxDepth * 2)
      throw refused(`references go deeper than ${this.#maxDepth} elements`)
    const found = this.#targetOf(element)
    const isLoop = found !== undefined && this.#open.has(found)
    const target = isLoop && this.#isLiteral && !this.#isCertain(element, found) ? undefined : found
    const expanded = target === undefined ? this.#inside(element) : this.#instead(element, target)
    this.#open.delete(element)
    this.#done.set(element, expanded)
    return expanded
  }

  #targetOf(element: XmlElement): XmlElement | undefined {
    const reference = referenceIn(element)
    if (reference === undefined) return undefined
    const { id } = reference
    const ids = this.#ids(reference)
    const target = ids.get(id)
    let problem: string | undefined
    if (hasOtherContent(element, target)) problem = `"${element.local}" is a reference and has content`
    else if (ids.isDoubled(id)) problem = `the id "${id.slice(0, 80)}" stands on two elements`
    else if (target === undefined) problem = `there is no element with the id "${id.slice(0, 80)}"`
    if (problem !== undefined && !this.#isLiteral) throw refused(problem)
    if (problem !== undefined || target === undefined) return undefined
    return this.#isLiteral && !this.#isReference(element, target) ? undefined : target
  }

  #isReference(element: XmlElement, target: XmlElement): boolean {
    if (this.#isCertain(element, target)) return true
    const type = this.#types.get(element)
    return (
      (type === undefined || takesAny(type)) &&
      this.#isBare(element) &&
      PHP_ID.test(attribute(element, 'href') ?? '')
    )
  }

  /** Nothing beside the reference says anything of the element itself; a target may be a reference in its turn. */
  #isBare(element: XmlElement): boolean {
    const isTarget = this.#independent.has(element)
    return element.attributes.every(({ uri, local }) =>
      uri === ''
        ? local === 'href' || (isTarget && local === 'id')
        : isXsi(uri) || isEnvelope(uri) || (isTarget && uri === SOAPENC_NS),
    )
  }

  /** Whether it can be nothing else in a literal body. */
  #isCertain(element: XmlElement, target: XmlElement): boolean {
    if (element.attributes.some(({ uri }) => uri === SOAPENC12_NS)) return true
    if (!this.#isBare(element)) return false
    if (this.#independent.has(target)) return true
    const type = this.#types.get(element)
    return type !== undefined && !takesAny(type) && !hasAttribute(type, 'href')
  }

  /** The accessor keeps its name, the target gives what it holds and says (xsi:type, arrayType). */
  #instead(accessor: XmlElement, target: XmlElement): Expanded {
    const { element, nodes, text, depth } = this.expand(target)
    const { uri, local, prefix } = accessor
    const named = { uri, local, ...(prefix === undefined ? {} : { prefix }) }
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
      if (this.#wanted.has(child) && this.#independent.has(child)) {
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
    const target = this.#wanted.get(element)
    const attributes = target
      ? element.attributes.filter((one) => !isIdentity(one, target))
      : element.attributes
    const expanded = changed || target ? withParts(element, { children, attributes }) : element
    return { element: expanded, nodes, text, depth }
  }
}

/** PHP writes it also in literal, for the second use of an object, to the first, which stands in its place with that id. */
const PHP_ID = /^#ref\d+$/

/** What PHP, SOAP::Lite and gSOAP call a target that has no name of its own. */
const MADE_ID = /^(?:ref-?|_)\d+$/

function hasAttribute(type: TypeDecl, local: string): boolean {
  return (
    type.kind === 'complex' && type.attributes.some(({ name }) => name.local === local && name.uri === '')
  )
}

/** Whether an attribute that is not declared may be data too. */
function takesAny(type: TypeDecl): boolean {
  return type.kind === 'complex' && (type.anyAttribute || isOpen(type))
}

function memberOf(type: TypeDecl | undefined, { uri, local }: XmlElement): ElementDecl | undefined {
  return type?.kind === 'complex' ? shapeOf(type).byName.get(clark(uri, local))?.decl : undefined
}

/** What xsi:type says where it is derived from what is declared (XSD 1 §3.3.4 cvc-elt.4). */
function typeOf(element: XmlElement, decl: ElementDecl | undefined): TypeDecl | undefined {
  const said = decl === undefined ? undefined : typeSaid(element)
  const name = said === undefined ? undefined : resolveQName(element, said)
  const actual = name === undefined ? undefined : decl?.schemas.type(name)
  return actual !== undefined && decl !== undefined && derivesFrom(actual, decl.type) ? actual : decl?.type
}

/** PHP writes the text of a target with attributes again beside the reference: that says nothing else. */
function hasOtherContent({ children }: XmlElement, target: XmlElement | undefined): boolean {
  const [first, second] = children.filter((child) => typeof child !== 'string' || !isBlank(child))
  if (first === undefined) return false
  return second !== undefined || target === undefined || first !== textOf(target)
}

/** SOAP 1.1 §5.6: root="0" says that even the first element of a body is no call. */
function isIndependent(child: XmlElement, parent: XmlElement): boolean {
  if (!isBody(parent)) return false
  const first = parent.children.find((sibling) => typeof sibling !== 'string')
  return child !== first || attribute(child, 'root', SOAPENC_NS)?.trim() === '0'
}

function isBody({ uri, local }: XmlName): boolean {
  return local === 'Body' && isEnvelope(uri)
}

function isEnvelope(uri: string): boolean {
  return uri === SOAP11_NS || uri === SOAP12_NS
}

/** Of the target: its id, and the root mark of independent elements (SOAP 1.1 §5.6). */
function isIdentity({ uri, local }: XmlName, { isMark }: { readonly isMark: boolean }): boolean {
  if (uri === '') return isMark && local === 'id'
  return (uri === SOAPENC12_NS && local === 'id') || (uri === SOAPENC_NS && local === 'root')
}

function refused(problem: string): GatewayError {
  return new GatewayError('DECODE_FAILED', problem)
}

// The one XML reader: bytes → charset → no DOCTYPE → saxes with limits → tree.
import { SaxesParser } from 'saxes'
import type { SaxesAttributeNS, SaxesTagNS } from 'saxes'
import { GatewayError } from 'dragoman'
import { decodeXml } from './charset.ts'
import { isNcName, limits } from './names.ts'
import { joinSurrogateReferences, refuseDoctype } from './prolog.ts'
import { NamespaceScope } from './scope.ts'
import type { XmlAttribute, XmlElement, XmlNode } from './tree.ts'

export interface ReadOptions {
  /** The charset parameter of the Content-Type; it beats the declaration (RFC 7303 §3.2). */
  readonly charset?: string | undefined
  /** Default 16 MiB. More is `TOO_LARGE`. */
  readonly maxBytes?: number
  /** Default 200. */
  readonly maxDepth?: number
  /** Of one element, declarations included. Default 256. */
  readonly maxAttributes?: number
  /** In UTF-16 code units, prefix included. Default 1024. */
  readonly maxNameLength?: number
  /** Elements of the document. Default 500,000. */
  readonly maxNodes?: number
  /** Characters of one text or attribute value. Default: no limit but maxBytes. */
  readonly maxText?: number
  /** Take two references to surrogates (`&#xd83d;&#xde00;`, as Axis 1 writes) for the character they mean. Default: refused. */
  readonly joinSurrogateReferences?: boolean
  /** Default `refuse` (WS-I BP 1.1 R1009); schemas and other files of our own may hold them. */
  readonly processingInstructions?: 'refuse' | 'ignore'
}

export interface XmlDocument {
  readonly root: XmlElement
  /** Canonical, as `writeXml` takes it. */
  readonly charset: string
}

/**
 * Reads a document: well-formed XML 1.0 with namespaces, without DOCTYPE (refused before parsing, in every charset),
 * nothing fetched, in time linear in its bytes. Throws `TOO_LARGE` for bytes, `DECODE_FAILED` with line:column otherwise.
 */
export function readXml(bytes: Uint8Array, options: ReadOptions = {}): XmlDocument {
  const maxBytes = options.maxBytes ?? limits.maxBytes
  if (bytes.byteLength > maxBytes)
    throw new GatewayError(
      'TOO_LARGE',
      `xml of ${bytes.byteLength} bytes is more than the ${maxBytes} allowed`,
    )
  const { text, charset } = decodeXml(bytes, options.charset)
  return { root: readXmlText(text, options), charset }
}

/** The same for text that is already decoded (a fragment, a file read as text); a declared encoding is ignored. */
export function readXmlText(text: string, options: ReadOptions = {}): XmlElement {
  refuseDoctype(text)
  return new TreeBuilder(options).parse(
    options.joinSurrogateReferences === true ? joinSurrogateReferences(text) : text,
  )
}

const noAttributes: readonly XmlAttribute[] = Object.freeze([])
/** Until the first child: an array that is pushed to takes room for 17, and most elements hold one text or nothing. */
const noChildren: XmlNode[] = []
Object.freeze(noChildren)
const noDeclarations: ReadonlyMap<string, string> = new Map()

/** An element while its children arrive. */
interface OpenElement extends XmlElement {
  children: XmlNode[]
  readonly namespaces: NamespaceScope
}

class TreeBuilder {
  // XML 1.0 §2.8: a processor of 1.0 takes any version 1.x for 1.0; saxes would switch to the rules of 1.1.
  readonly #parser = new SaxesParser({ xmlns: true, forceXMLVersion: true, defaultXMLVersion: '1.0' })
  readonly #options: ReadOptions
  readonly #maxDepth: number
  readonly #maxAttributes: number
  readonly #maxNameLength: number
  readonly #maxNodes: number
  readonly #maxText: number
  readonly #outermost = new NamespaceScope(noDeclarations)
  readonly #open: OpenElement[] = []
  #top: OpenElement | undefined
  #attributes: SaxesAttributeNS[] = []
  #declarations: Map<string, string> | undefined
  #attributeCount = 0
  #nodes = 0
  #root: XmlElement | undefined

  constructor(options: ReadOptions) {
    this.#options = options
    this.#maxDepth = options.maxDepth ?? limits.maxDepth
    this.#maxAttributes = options.maxAttributes ?? limits.maxAttributes
    this.#maxNameLength = options.maxNameLength ?? limits.maxNameLength
    this.#maxNodes = options.maxNodes ?? limits.maxNodes
    this.#maxText = options.maxText ?? Infinity
  }

  parse(text: string): XmlElement {
    const parser = this.#parser
    // The limits act before saxes resolves a prefix, which costs it a walk up the open elements.
    parser.on('opentagstart', (tag) => this.#begin(tag.name))
    parser.on('attribute', (attribute) => this.#attribute(attribute)) // saxes fills in its uri before opentag
    parser.on('opentag', (tag) => this.#opened(tag))
    parser.on('closetag', () => this.#closed())
    parser.on('text', (run) => this.#text(run))
    parser.on('cdata', (run) => this.#text(run))
    parser.on('doctype', () => this.#refuse('a DOCTYPE is not allowed'))
    if (this.#options.processingInstructions !== 'ignore')
      parser.on('processinginstruction', () => this.#refuse('a processing instruction is not allowed'))
    try {
      parser.write(text).close()
    } catch (error) {
      if (error instanceof GatewayError) throw error
      throw notWellFormed(error)
    }
    if (this.#root === undefined) throw new GatewayError('DECODE_FAILED', 'xml 1:0: there is no root element')
    return this.#root
  }

  #begin(name: string): void {
    if (this.#open.length >= this.#maxDepth)
      this.#refuse(`more than ${this.#maxDepth} elements inside each other`)
    if (++this.#nodes > this.#maxNodes) this.#refuse(`more than ${this.#maxNodes} elements`)
    if (name.length > this.#maxNameLength)
      this.#refuse(`a name of more than ${this.#maxNameLength} characters`)
    this.#attributeCount = 0
    if (this.#attributes.length > 0) this.#attributes = []
    this.#declarations = undefined
  }

  #attribute(attribute: SaxesAttributeNS): void {
    if (++this.#attributeCount > this.#maxAttributes)
      this.#refuse(`more than ${this.#maxAttributes} attributes on one element`)
    const { name, prefix, local, value } = attribute
    if (name.length > this.#maxNameLength)
      this.#refuse(`a name of more than ${this.#maxNameLength} characters`)
    if (value.length > this.#maxText) this.#refuse(`a value of more than ${this.#maxText} characters`)
    if (prefix !== '') this.#checkLocal(name, local)
    if (prefix !== 'xmlns' && name !== 'xmlns') {
      this.#attributes.push(attribute)
      return
    }
    // saxes trims a namespace name, another parser would not: no document that means what it says has such a one.
    if (value !== value.trim())
      this.#refuse(`namespace ${JSON.stringify(value)} begins or ends with white space`)
    this.#declarations ??= new Map()
    this.#declarations.set(prefix === '' ? '' : local, value)
  }

  #opened(tag: SaxesTagNS): void {
    const { uri, local, prefix } = tag
    if (prefix !== '') this.#checkLocal(tag.name, local)
    const parent = this.#top
    const outer = parent === undefined ? this.#outermost : parent.namespaces
    const scope = this.#declarations === undefined ? outer : outer.inner(this.#declarations)
    const attributes = this.#attributes.length === 0 ? noAttributes : this.#attributes.map(plainAttribute)
    const made: OpenElement = { uri, local, attributes, children: noChildren, namespaces: scope, prefix }
    if (parent === undefined) this.#root ??= made
    else append(parent, made)
    this.#open.push(made)
    this.#top = made
  }

  #closed(): void {
    this.#open.pop()
    this.#top = this.#open.at(-1)
  }

  #text(run: string): void {
    const parent = this.#top
    if (parent === undefined) return // white space around the root: saxes refuses anything else
    const { children } = parent
    const last = children.length - 1
    const before = children[last]
    const merged = typeof before === 'string' ? before + run : run
    if (merged.length > this.#maxText) this.#refuse(`a text of more than ${this.#maxText} characters`)
    if (typeof before === 'string') children[last] = merged
    else if (merged !== '') append(parent, merged)
  }

  /** Namespaces in XML 1.0 §4 [10] LocalPart: saxes lets `p:1` pass. */
  #checkLocal(name: string, local: string): void {
    const first = local.charCodeAt(0)
    const plain = (first >= 97 && first <= 122) || (first >= 65 && first <= 90)
    if (!plain && !isNcName(local)) this.#refuse(`"${name}" is not a qualified name`)
  }

  #refuse(problem: string): never {
    throw new GatewayError('DECODE_FAILED', `xml ${this.#parser.line}:${this.#parser.column}: ${problem}`)
  }
}

function append(parent: OpenElement, child: XmlNode): void {
  if (parent.children === noChildren) parent.children = [child]
  else parent.children.push(child)
}

function plainAttribute({ uri, local, value, prefix }: SaxesAttributeNS): XmlAttribute {
  return { uri, local, value, prefix }
}

function notWellFormed(error: unknown): GatewayError {
  const said = error instanceof Error ? error.message : String(error)
  const [, place = '0:0', problem = 'not well-formed'] = /^(\d+:\d+): (.*?)\.?$/s.exec(said) ?? []
  return new GatewayError('DECODE_FAILED', `xml ${place}: ${problem.slice(0, 200)}`, { cause: error })
}

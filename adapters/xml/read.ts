// The one XML reader: bytes → charset → no DOCTYPE → saxes with limits → tree.
import { SaxesParser } from 'saxes'
import type { SaxesAttributeNS, SaxesTagNS } from 'saxes'
import { GatewayError } from 'dragoman'
import { decodeXml } from './charset.ts'
import { isNcName, limits } from './names.ts'
import { joinSurrogateReferences, refuseDoctype } from './prolog.ts'
import { quickTree, type QuickLimits } from './quick.ts'
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
  // saxes passes over one at the beginning, but that has been taken off: this is a second, and text before the root
  if (text.charCodeAt(0) === 0xfeff)
    throw new GatewayError('DECODE_FAILED', 'xml 1:0: a second byte order mark before the root')
  return { root: readXmlText(text, options), charset }
}

/** The same for text that is already decoded (a fragment, a file read as text); a declared encoding is ignored. */
export function readXmlText(text: string, options: ReadOptions = {}): XmlElement {
  return quickTree(text, limitsOf(options)) ?? saxesTree(text, options)
}

/** The tree as saxes has it, whatever the document: what the quick way is held to. */
export function saxesTree(text: string, options: ReadOptions = {}): XmlElement {
  refuseDoctype(text)
  return new TreeBuilder(options).parse(
    options.joinSurrogateReferences === true ? joinSurrogateReferences(text) : text,
  )
}

function limitsOf(options: ReadOptions): QuickLimits {
  return {
    maxDepth: options.maxDepth ?? limits.maxDepth,
    maxAttributes: options.maxAttributes ?? limits.maxAttributes,
    maxNameLength: options.maxNameLength ?? limits.maxNameLength,
    maxNodes: options.maxNodes ?? limits.maxNodes,
    maxText: options.maxText ?? Infinity,
  }
}

const noAttributes: readonly XmlAttribute[] = Object.freeze([])
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
  readonly #limits: QuickLimits
  readonly #outermost = new NamespaceScope(noDeclarations)
  readonly #open: OpenElement[] = []
  #top: OpenElement | undefined
  #attributes: SaxesAttributeNS[] = []
  #declarations: Map<string, string> | undefined
  #attributeCount = 0
  /** Children of all open elements, one after the other: arrays that are pushed to would take room for 17 each. */
  readonly #pending: XmlNode[] = []
  #count = 0
  /** Where those of each open element begin. */
  readonly #starts: number[] = []
  #nodes = 0
  #root: XmlElement | undefined

  constructor(options: ReadOptions) {
    this.#options = options
    this.#limits = limitsOf(options)
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
    // Six handlers and no more for documents as they should be: `on` adds a property by a computed name, and V8 turns an
    // object that gets too many so into a dictionary, which makes saxes four times slower.
    const afterDeclaration = /^<\?xml[\t\n\r ]/.test(text.slice(0, 6)) ? 6 : 0
    if (text.includes('<?', afterDeclaration) && this.#options.processingInstructions !== 'ignore')
      parser.on('processinginstruction', () => this.#refuse('a processing instruction is not allowed'))
    if (text.includes('<!DOCTYPE')) parser.on('doctype', () => this.#refuse('a DOCTYPE is not allowed'))
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
    const { maxDepth, maxNodes, maxNameLength } = this.#limits
    if (this.#open.length >= maxDepth) this.#refuse(`more than ${maxDepth} elements inside each other`)
    if (++this.#nodes > maxNodes) this.#refuse(`more than ${maxNodes} elements`)
    if (name.length > maxNameLength) this.#refuse(`a name of more than ${maxNameLength} characters`)
    this.#attributeCount = 0
    if (this.#attributes.length > 0) this.#attributes = []
    this.#declarations = undefined
  }

  #attribute(attribute: SaxesAttributeNS): void {
    const { maxAttributes, maxNameLength, maxText } = this.#limits
    if (++this.#attributeCount > maxAttributes)
      this.#refuse(`more than ${maxAttributes} attributes on one element`)
    const { name, prefix, local, value } = attribute
    if (name.length > maxNameLength) this.#refuse(`a name of more than ${maxNameLength} characters`)
    if (value.length > maxText) this.#refuse(`a value of more than ${maxText} characters`)
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
    const attributes = this.#attributes.length === 0 ? noAttributes : plainAttributes(this.#attributes)
    const made: OpenElement = { uri, local, attributes, children: noChildren, namespaces: scope, prefix }
    if (parent === undefined) this.#root ??= made
    else this.#pending[this.#count++] = made
    this.#open.push(made)
    this.#starts.push(this.#count)
    this.#top = made
  }

  #closed(): void {
    const closed = this.#open.pop()
    const start = this.#starts.pop() ?? 0
    if (closed !== undefined && this.#count > start) closed.children = this.#pending.slice(start, this.#count)
    this.#count = start
    this.#top = this.#open.at(-1)
  }

  #text(run: string): void {
    if (this.#top === undefined) return // white space around the root: saxes refuses anything else
    const last = this.#count - 1
    const before = last >= (this.#starts.at(-1) ?? 0) ? this.#pending[last] : undefined
    const merged = typeof before === 'string' ? before + run : run
    const { maxText } = this.#limits
    if (merged.length > maxText) this.#refuse(`a text of more than ${maxText} characters`)
    if (typeof before === 'string') this.#pending[last] = merged
    else if (merged !== '') this.#pending[this.#count++] = merged
  }

  /** Namespaces in XML 1.0 §4 [10] LocalPart: saxes lets `p:1` pass. */
  #checkLocal(name: string, local: string): void {
    const first = local.charCodeAt(0)
    const isLetter = (first >= 97 && first <= 122) || (first >= 65 && first <= 90)
    if (!isLetter && !isNcName(local)) this.#refuse(`"${name}" is not a qualified name`)
  }

  #refuse(problem: string): never {
    throw new GatewayError('DECODE_FAILED', `xml ${this.#parser.line}:${this.#parser.column}: ${problem}`)
  }
}

/** Those of saxes know their whole names too: not to be kept. */
function plainAttributes(attributes: readonly SaxesAttributeNS[]): XmlAttribute[] {
  const [first, second] = attributes
  if (first !== undefined && attributes.length === 1) return [plain(first)]
  if (first !== undefined && second !== undefined && attributes.length === 2)
    return [plain(first), plain(second)]
  return attributes.map(plain)
}

function plain({ uri, local, value, prefix }: SaxesAttributeNS): XmlAttribute {
  return { uri, local, value, prefix }
}

function notWellFormed(error: unknown): GatewayError {
  const said = error instanceof Error ? error.message : String(error)
  const [, place = '0:0', problem = 'not well-formed'] = /^(\d+:\d+): (.*?)\.?$/s.exec(said) ?? []
  return new GatewayError('DECODE_FAILED', `xml ${place}: ${problem.slice(0, 200)}`, { cause: error })
}

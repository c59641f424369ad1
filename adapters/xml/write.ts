// The one XML writer: what it writes, the reader accepts, and reads as the same tree.
import { GatewayError } from 'dragoman'
import { canonicalCharset, charsetLabel, encodeExtended, encodeText } from './charset.ts'
import { carriesOf, escapeText, escapeValue } from './escape.ts'
import type { Carries } from './escape.ts'
import { clark, isNcName, limits, XMLNS_NS } from './names.ts'
import { checkNamespace, PrefixPlan } from './prefixes.ts'
import { NamespaceScope } from './scope.ts'
import type { XmlAttribute, XmlElement } from './tree.ts'

export interface WriteOptions {
  /**
   * Default `utf-8`. A character its standard lacks becomes a numeric reference; in a name it is written as the extensions
   * of the charset have it, and is `ENCODE_FAILED` if they do not.
   */
  readonly charset?: string
  /** Whether to begin with `<?xml …?>`. Default true. */
  readonly declaration?: boolean
  /** Namespace → prefix to use for it, where nothing else binds the prefix; `''` makes it the default namespace. Others get ns1, ns2 … */
  readonly prefixes?: ReadonlyMap<string, string>
  /** Prefix → namespace, declared on the root whether used or not. */
  readonly extraNamespaces?: ReadonlyMap<string, string>
}

/**
 * Writes a document. Namespaces are declared once, on the root, unless a prefix means different things in different places;
 * every prefix of an element's `namespaces` means the same in what is written, so QNames in text and values keep their
 * meaning. Throws `ENCODE_FAILED`: a name that is none, a character XML 1.0 §2.2 does not have, limits of the reader.
 */
export function writeXml(root: XmlElement, options: WriteOptions = {}): Uint8Array {
  const charset = canonicalCharset(options.charset ?? 'utf-8')
  if (charset === undefined)
    throw new GatewayError('ENCODE_FAILED', `charset "${options.charset}" is not one this gateway writes`)
  const declaration =
    options.declaration === false ? '' : `<?xml version="1.0" encoding="${charsetLabel(charset)}"?>\n`
  const head = charset.startsWith('utf-16') ? `\uFEFF${declaration}` : declaration // XML 1.0 §4.3.3: it must begin with a BOM
  const bytes = encodeText(head + new TreeWriter(root, options).write(), charset)
  if (bytes !== undefined) return bytes
  // Only now the price of asking for each character: most documents fit their charset.
  const escaped = encodeExtended(head + new TreeWriter(root, options, charset).write(), charset)
  if (escaped === undefined)
    throw new GatewayError('ENCODE_FAILED', `the xml cannot be written in ${charset}`)
  return escaped
}

/** The same as text, without a declaration. */
export function writeXmlText(
  root: XmlElement,
  options: Omit<WriteOptions, 'charset' | 'declaration'> = {},
): string {
  return new TreeWriter(root, options).write()
}

const noMap: ReadonlyMap<string, string> = new Map()

/** What holds where an element begins. */
interface Context {
  /** The default namespace wanted for elements that do not say. */
  readonly wantedDefault: string
  /** The default namespace in force. */
  readonly defaultUri: string
  /** What the shifting prefixes mean. */
  readonly meanings: ReadonlyMap<string, string>
}

class TreeWriter {
  readonly #root: XmlElement
  readonly #plan: PrefixPlan
  readonly #charset: string | undefined
  readonly #carries: Carries | undefined
  #wantedDefault = ''
  readonly #names = new Map<string, Map<string, string>>()
  #out = ''
  #depth = 0

  /** Without a charset every character fits. */
  constructor(root: XmlElement, options: WriteOptions, charset?: string) {
    const prefixes = options.prefixes ?? noMap
    this.#root = root
    this.#plan = new PrefixPlan(root, prefixes, options.extraNamespaces ?? noMap)
    this.#charset = charset
    this.#carries = charset === undefined ? undefined : carriesOf(charset)
    for (const [uri, prefix] of prefixes)
      if (prefix === '' && this.#wantedDefault === '') this.#wantedDefault = uri
  }

  write(): string {
    const root = this.#root
    const before = { wantedDefault: this.#wantedDefault, defaultUri: '', meanings: noMap }
    this.#element(root, before)
    // The names below have decided which prefixes there are.
    let declarations = ''
    for (const [prefix, uri] of this.#plan.declarations) {
      this.#checkCarried(prefix)
      declarations += ` xmlns:${prefix}="${escapeValue(uri, this.#carries)}"`
    }
    if (root.attributes.length + this.#plan.declarations.size >= limits.maxAttributes)
      throw new GatewayError('ENCODE_FAILED', `more than ${limits.maxAttributes} namespaces on the root`)
    const at = 1 + this.#elementName(root, this.#contextOf(root, before)).length
    return this.#out.slice(0, at) + declarations + this.#out.slice(at)
  }

  #element(element: XmlElement, outer: Context): void {
    if (++this.#depth > limits.maxDepth)
      throw new GatewayError('ENCODE_FAILED', `more than ${limits.maxDepth} elements inside each other`)
    const context = this.#contextOf(element, outer)
    const name = this.#elementName(element, context)
    this.#out += `<${name}`
    if (context !== outer) this.#declare(context, outer)
    if (element.attributes.length > 0) this.#attributes(element)
    if (element.children.length === 0) this.#out += '/>'
    else {
      this.#out += '>'
      for (const child of element.children)
        if (typeof child === 'string') this.#out += escapeText(child, this.#carries)
        else this.#element(child, context)
      this.#out += `</${name}>`
    }
    this.#depth--
  }

  #contextOf({ uri, namespaces }: XmlElement, outer: Context): Context {
    const said = caresForDefault(namespaces) ? (namespaces.get('') ?? '') : outer.wantedDefault
    const defaultUri = uri === '' ? '' : said // Namespaces in XML 1.0 §6.2
    let meanings = outer.meanings
    for (const prefix of this.#plan.shifting) {
      const meant = namespaces.get(prefix)
      if (meant !== undefined && meant !== meanings.get(prefix))
        meanings = new Map(meanings).set(prefix, meant)
    }
    if (defaultUri === outer.defaultUri && defaultUri === outer.wantedDefault && meanings === outer.meanings)
      return outer
    return { wantedDefault: defaultUri, defaultUri, meanings }
  }

  #declare(inner: Context, outer: Context): void {
    if (inner.defaultUri !== outer.defaultUri) {
      if (inner.defaultUri !== '') checkNamespace(inner.defaultUri)
      this.#out += ` xmlns="${escapeValue(inner.defaultUri, this.#carries)}"`
    }
    for (const [prefix, uri] of inner.meanings)
      if (outer.meanings.get(prefix) !== uri) {
        this.#checkName(prefix)
        checkNamespace(uri)
        this.#out += ` xmlns:${prefix}="${escapeValue(uri, this.#carries)}"`
      }
  }

  #attributes({ attributes }: XmlElement): void {
    // Room for the declarations beside them: a default namespace and the shifting prefixes.
    if (attributes.length + this.#plan.shifting.length >= limits.maxAttributes)
      throw new GatewayError('ENCODE_FAILED', `more than ${limits.maxAttributes} attributes on one element`)
    if (attributes.length > 1) refuseDoubled(attributes)
    for (const { uri, local, value } of attributes) {
      if (uri === XMLNS_NS || (uri === '' && local === 'xmlns'))
        throw new GatewayError('ENCODE_FAILED', 'a namespace declaration is not an attribute')
      const name = uri === '' ? this.#checkName(local) : this.#qname(uri, local)
      this.#out += ` ${name}="${escapeValue(value, this.#carries)}"`
    }
  }

  #elementName({ uri, local }: XmlElement, context: Context): string {
    return uri === context.defaultUri ? this.#checkName(local) : this.#qname(uri, local)
  }

  #qname(uri: string, local: string): string {
    const prefix = this.#plan.prefixOf(uri)
    return this.#remembered(prefix, local, () => `${prefix}:${local}`)
  }

  /** Names repeat; each is checked once. Throws `ENCODE_FAILED` for one that is none (Namespaces in XML 1.0 §3 [4]). */
  #checkName(local: string): string {
    return this.#remembered('', local, () => local)
  }

  #remembered(prefix: string, local: string, make: () => string): string {
    let ofPrefix = this.#names.get(prefix)
    if (ofPrefix === undefined) this.#names.set(prefix, (ofPrefix = new Map()))
    const known = ofPrefix.get(local)
    if (known !== undefined) return known
    if (!isNcName(local))
      throw new GatewayError(
        'ENCODE_FAILED',
        `${JSON.stringify(local.slice(0, 80))} is not a name xml can carry`,
      )
    const name = make()
    if (name.length > limits.maxNameLength)
      throw new GatewayError('ENCODE_FAILED', `a name of more than ${limits.maxNameLength} characters`)
    this.#checkCarried(name)
    ofPrefix.set(local, name)
    return name
  }

  /** A name has no references to fall back to (XML 1.0 §4.1): whoever uses one that a vendor's extension has reads that. */
  #checkCarried(name: string): void {
    const charset = this.#charset
    if (charset === undefined || encodeExtended(name, charset) !== undefined) return
    throw new GatewayError(
      'ENCODE_FAILED',
      `the name "${name.slice(0, 80)}" cannot be written in this charset`,
    )
  }
}

/** Elements that were read, or whose prefixes name a default namespace, mean what they say of it; others take what is there. */
function caresForDefault(namespaces: ReadonlyMap<string, string>): boolean {
  return namespaces instanceof NamespaceScope || namespaces.has('')
}

/** XML 1.0 §3.1 WFC: Unique Att Spec; Namespaces in XML 1.0 §6.3. */
function refuseDoubled(attributes: readonly XmlAttribute[]): void {
  const seen = new Set<string>()
  for (const { uri, local } of attributes) seen.add(clark(uri, local))
  if (seen.size === attributes.length) return
  throw new GatewayError(
    'ENCODE_FAILED',
    `an element has one attribute twice, of ${[...seen].join(', ').slice(0, 200)}`,
  )
}

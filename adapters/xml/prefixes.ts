// Which prefix stands for which namespace in a document that is written.
import { GatewayError } from 'dragoman'
import { isNcName, SOAPENC_NS, XML_NS, XMLNS_NS, XSD_NS, XSI_NS } from './names.ts'
import { NamespaceScope } from './scope.ts'
import type { XmlElement } from './tree.ts'

/** Total of prefixes over all distinct scopes of a document: one read and written again holds each scope as a chain. */
const maxScopeEntries = 1_000_000

/** What everybody calls them; some old parsers of SOAP look for no other. */
const customary: ReadonlyMap<string, string> = new Map([
  [XSI_NS, 'xsi'],
  [XSD_NS, 'xsd'],
  [SOAPENC_NS, 'soapenc'],
])

/**
 * Prefixes that mean one thing in the whole tree are declared on the root. Those that shift (one prefix, several meanings)
 * are declared where they shift and never used for names, so no name can be caught by a declaration in between.
 */
export class PrefixPlan {
  readonly shifting: readonly string[] = []
  readonly #wanted: ReadonlyMap<string, string>
  readonly #taken = new Set<string>(['xml', 'xmlns'])
  readonly #byUri = new Map<string, string>()
  readonly #declared = new Map<string, string>()
  #counter = 0

  constructor(root: XmlElement, wanted: ReadonlyMap<string, string>, extra: ReadonlyMap<string, string>) {
    this.#wanted = wanted
    const scopes = distinctScopes(root)
    if (scopes.size === 0 && extra.size === 0) return
    const meanings = new Map<string, Set<string>>()
    const add = (prefix: string, uri: string): void => {
      if (prefix === '' || prefix === 'xml') return
      const known = meanings.get(prefix)
      if (known === undefined) meanings.set(prefix, new Set([uri]))
      else known.add(uri)
    }
    for (const [prefix, uri] of extra) add(prefix, uri)
    let entries = 0
    for (const scope of scopes)
      for (const [prefix, uri] of scope) {
        if (++entries > maxScopeEntries)
          throw new GatewayError('ENCODE_FAILED', 'the xml declares too many prefixes in too many places')
        add(prefix, uri)
      }
    this.shifting = [...meanings].filter(([, uris]) => uris.size > 1).map(([prefix]) => prefix)
    for (const prefix of this.shifting) this.#taken.add(prefix)
    for (const [prefix, [uri, ...others]] of meanings)
      if (uri !== undefined && others.length === 0) this.#declare(prefix, uri)
  }

  /** The prefix for names in this namespace, anywhere in the document; never empty. */
  prefixOf(uri: string): string {
    if (uri === XML_NS) return 'xml'
    const known = this.#byUri.get(uri)
    if (known !== undefined) return known
    const wanted = this.#wanted.get(uri) ?? customary.get(uri)
    if (wanted !== undefined && wanted !== '' && !this.#taken.has(wanted)) return this.#declare(wanted, uri)
    let prefix: string
    do prefix = `ns${++this.#counter}`
    while (this.#taken.has(prefix))
    return this.#declare(prefix, uri)
  }

  /** What the root has to declare, once everything below is written. */
  get declarations(): ReadonlyMap<string, string> {
    return this.#declared
  }

  #declare(prefix: string, uri: string): string {
    if (!isNcName(prefix) || prefix === 'xmlns')
      throw new GatewayError('ENCODE_FAILED', `${JSON.stringify(prefix)} is not a namespace prefix`)
    checkNamespace(uri)
    this.#taken.add(prefix)
    this.#declared.set(prefix, uri)
    if (!this.#byUri.has(uri)) this.#byUri.set(uri, prefix)
    return prefix
  }
}

/** A namespace name a prefix can be bound to (Namespaces in XML 1.0 §3). Throws `ENCODE_FAILED`. */
export function checkNamespace(uri: string): void {
  if (uri === '' || uri === XML_NS || uri === XMLNS_NS || uri !== uri.trim())
    throw new GatewayError('ENCODE_FAILED', `no prefix can stand for namespace ${JSON.stringify(uri)}`)
}

/** Those that hold something; elements that were made mostly share one that holds nothing. */
function distinctScopes(root: XmlElement): Set<ReadonlyMap<string, string>> {
  const scopes = new Set<ReadonlyMap<string, string>>()
  const waiting = [root]
  let last: ReadonlyMap<string, string> | undefined
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (at.namespaces !== last) {
      last = at.namespaces
      if (last instanceof NamespaceScope || last.size > 0) scopes.add(last)
    }
    for (const child of at.children) if (typeof child !== 'string') waiting.push(child)
  }
  return scopes
}

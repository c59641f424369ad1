// Reads a WSDL or schema with everything it imports and includes, from files or URLs, each document once.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, isAbsolute, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { GatewayError } from 'dragoman'
import { OLD_XSD_NS, isXsd } from '../xml/names.ts'
import { readXml } from '../xml/read.ts'
import type { ResolveSchema, SchemaDocument } from '../xml/schema.ts'
import { attribute, childElements, type XmlElement } from '../xml/tree.ts'
import { ns } from './names.ts'

export interface Document {
  /** Absolute path or URL. */
  readonly location: string
  /** Short and unique among the documents of one WSDL: what `?wsdl=` and `?xsd=` name. */
  readonly name: string
  readonly root: XmlElement
}

export interface Documents {
  readonly main: Document
  readonly all: readonly Document[]
  /** `wsdl:definitions` in the order they were found. */
  readonly definitions: readonly XmlElement[]
  /** The `xs:schema` elements inside `types`, or the main document itself; what they import is found by `resolve`. */
  readonly schemas: readonly SchemaDocument[]
  readonly resolve: ResolveSchema
  /** Where an import or include element leads; absent: nowhere we follow. */
  readonly target: ReadonlyMap<XmlElement, Document>
}

export interface LoadOptions {
  readonly fetch: typeof globalThis.fetch
  /** Hosts (`host` or `host:port`) or URL prefixes imports may come from, besides the host of the WSDL itself. */
  readonly imports: readonly string[]
}

const maxDocuments = 200
const maxBytes = 16 * 1024 * 1024

/** Built in here, and some of their customary locations no longer answer: never fetched. */
const builtIn: ReadonlySet<string> = new Set([
  ns.xml,
  ns.xsd,
  ...OLD_XSD_NS,
  ns.encoding11,
  ns.encoding12,
  ns.soap11,
  ns.soap12,
  ns.wsdl,
  ns.wsdlSoap11,
  ns.wsdlSoap12,
])

/** Whether it has to be fetched. */
export function isRemote(location: string): boolean {
  return /^https?:\/\//i.test(location)
}

/**
 * Loads `location` (a path, relative ones from the working directory; a `file:` or `http(s):` URL) and whatever it
 * imports or includes, cycles too. Throws `BACKEND_FAILED` where a document cannot be fetched, `DECODE_FAILED` where one
 * cannot be read or may not be.
 */
export async function loadDocuments(location: string, options: LoadOptions): Promise<Documents> {
  const loader = new Loader(options, absolute(location))
  const main = await loader.document(loader.start)
  if (main.root.local === 'definitions' && main.root.uri === ns.wsdl) await loader.wsdl(main)
  else if (isSchema(main.root)) await loader.inline(main, main.root)
  else
    throw new GatewayError(
      'DECODE_FAILED',
      `"${location}" is neither a WSDL 1.1 document nor an XML schema: its root is ${main.root.local}`,
    )
  return {
    main,
    all: [...loader.documents.values()],
    definitions: loader.definitions,
    schemas: loader.schemas,
    resolve: ({ location: where, base }) => {
      const found = loader.documents.get(absoluteFrom(base ?? main.location, where))
      return found !== undefined && isSchema(found.root)
        ? { schema: found.root, location: found.location }
        : undefined
    },
    target: loader.target,
  }
}

class Loader {
  readonly start: string
  readonly documents = new Map<string, Document>()
  readonly definitions: XmlElement[] = []
  readonly schemas: SchemaDocument[] = []
  readonly target = new Map<XmlElement, Document>()
  readonly #options: LoadOptions
  readonly #followed = new Set<XmlElement>()
  readonly #names = new Set<string>()

  constructor(options: LoadOptions, start: string) {
    this.#options = options
    this.start = start
  }

  async document(location: string): Promise<Document> {
    const known = this.documents.get(location)
    if (known !== undefined) return known
    if (this.documents.size >= maxDocuments)
      throw new GatewayError('DECODE_FAILED', `"${this.start}" imports more than ${maxDocuments} documents`)
    const { bytes, charset } = await this.#bytes(location)
    const root = readDocument(location, bytes, charset)
    const document = { location, name: this.#name(location, isSchema(root) ? 'xsd' : 'wsdl'), root }
    this.documents.set(location, document)
    return document
  }

  /** WSDL 1.1 §2.1.1: imports of other WSDLs; §2.2: schemas inside `types`. */
  async wsdl(document: Document): Promise<void> {
    if (this.definitions.includes(document.root)) return
    // WS-I BP 1.1 R2001: only WSDLs may be imported so; a schema is borne
    if (isSchema(document.root)) return this.inline(document, document.root)
    this.definitions.push(document.root)
    for (const child of childElements(document.root)) {
      if (child.uri !== ns.wsdl) continue
      const location = attribute(child, 'location')
      if (child.local === 'import' && location !== undefined)
        await this.wsdl(await this.#follow(document, child, location))
      if (child.local !== 'types') continue
      for (const schema of childElements(child)) if (isSchema(schema)) await this.inline(document, schema)
    }
  }

  /** A schema that is compiled from the start; others are by being referred to. */
  async inline(document: Document, schema: XmlElement): Promise<void> {
    this.schemas.push({ schema, location: document.location })
    await this.#references(document, schema)
  }

  /** XML Schema Part 1 §4.2: import, include and redefine. */
  async #references(document: Document, schema: XmlElement): Promise<void> {
    if (this.#followed.has(schema)) return
    this.#followed.add(schema)
    for (const child of childElements(schema)) {
      if (!isXsd(child.uri) || !/^(?:import|include|redefine)$/.test(child.local)) continue
      const location = attribute(child, 'schemaLocation')
      if (
        location === undefined ||
        (child.local === 'import' && builtIn.has(attribute(child, 'namespace') ?? ''))
      )
        continue
      const found = await this.#follow(document, child, location)
      // a generator's mistake that is met: a WSDL imported as a schema; the schemas in it are meant
      if (isSchema(found.root)) await this.#references(found, found.root)
      else await this.wsdl(found)
    }
  }

  async #follow(from: Document, element: XmlElement, location: string): Promise<Document> {
    const where = absoluteFrom(from.location, location)
    if (isRemote(from.location) || isRemote(where)) this.#mayFetch(where)
    const document = await this.document(where)
    this.target.set(element, document)
    return document
  }

  #mayFetch(url: string): void {
    if (!isRemote(url))
      throw new GatewayError(
        'DECODE_FAILED',
        `"${this.start}" imports ${url}, which is not allowed: from a URL only http and https are followed`,
      )
    const { host } = new URL(url)
    if (isRemote(this.start) && new URL(this.start).host === host) return
    if (this.#options.imports.some((allowed) => host === allowed || url.startsWith(allowed))) return
    throw new GatewayError(
      'DECODE_FAILED',
      `"${this.start}" imports ${url}, which is not allowed: add "${host}" to imports or keep a copy beside the file`,
    )
  }

  async #bytes(location: string): Promise<{ bytes: Uint8Array; charset?: string }> {
    if (!isRemote(location))
      return {
        bytes: await readFile(location).catch((cause: unknown) => {
          throw new GatewayError('DECODE_FAILED', `"${location}" cannot be read`, { cause })
        }),
      }
    const answer = await this.#options.fetch(location, {
      headers: { accept: 'text/xml, application/xml;q=0.9, */*;q=0.1' },
    })
    if (!answer.ok)
      throw new GatewayError('BACKEND_FAILED', `${location} answers ${answer.status} instead of a document`, {
        notExecuted: true,
      })
    const charset = /charset="?([\w.:-]+)/i.exec(answer.headers.get('content-type') ?? '')?.[1]
    return {
      bytes: new Uint8Array(await answer.arrayBuffer()),
      ...(charset === undefined ? {} : { charset }),
    }
  }

  #name(location: string, kind: string): string {
    const file = (location.split(/[?#]/, 1)[0] ?? '').split(/[\\/]/).at(-1) ?? ''
    const base = file.replaceAll(/[^\w.-]/g, '_') || kind
    let name = base
    for (let count = 2; this.#names.has(name.toLowerCase()); count++) name = `${count}-${base}`
    this.#names.add(name.toLowerCase())
    return name
  }
}

/** The document is named before what is wrong with it: there may be many. */
function readDocument(location: string, bytes: Uint8Array, charset: string | undefined): XmlElement {
  try {
    const options = { maxBytes, processingInstructions: 'ignore' } as const
    return readXml(bytes, charset === undefined ? options : { ...options, charset }).root
  } catch (error) {
    const { code, message } = GatewayError.from(error)
    const advice = message.endsWith('a DOCTYPE is not allowed') ? ': take it out of the copy' : ''
    throw new GatewayError(code, `"${location}": ${message}${advice}`, { cause: error })
  }
}

function absolute(location: string): string {
  if (isRemote(location)) return new URL(location).href
  const path = localPath(location)
  return isAbsolute(path) ? path : resolve(path)
}

/**
 * Where a reference of a document leads: a URI without its fragment (RFC 3986 §5.2), or the name of a file as it is. An empty one is the
 * document itself (RFC 3986 §4.4). Throws `DECODE_FAILED` for what is no address.
 */
function absoluteFrom(base: string, written: string): string {
  const location = written.trim()
  if (location === '') return base
  if (isRemote(location) || isRemote(base)) {
    const url = URL.parse(location, isRemote(base) ? base : undefined)
    if (url === null)
      throw new GatewayError('DECODE_FAILED', `"${base}" imports "${location}", which is no address`)
    url.hash = ''
    return url.href
  }
  const literal = resolve(dirname(base), localPath(location))
  return /[%#?\\]/.test(location) ? (pathOfUri(location, base, literal) ?? literal) : literal
}

/** Undefined where it is no URI of a file, or only the file of that very name is there. */
function pathOfUri(location: string, base: string, literal: string): string | undefined {
  let path
  try {
    path = fileURLToPath(new URL(location, pathToFileURL(base)))
  } catch (error) {
    if (error instanceof URIError || error instanceof TypeError) return undefined
    throw error
  }
  return existsSync(path) || !existsSync(literal) ? path : undefined
}

function localPath(location: string): string {
  return /^file:/i.test(location) ? fileURLToPath(location) : location
}

function isSchema(element: XmlElement): boolean {
  return element.local === 'schema' && isXsd(element.uri)
}

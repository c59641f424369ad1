// Loads an XML schema, or the schema inside a WSDL, with everything it imports and includes.
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GatewayError } from 'dragoman'
import { WSDL_NS, XSD_NS } from '../xml/names.ts'
import { readXml } from '../xml/read.ts'
import { compileSchemas } from '../xml/schema.ts'
import type { SchemaDocument, XmlSchemas } from '../xml/schema.ts'
import { attribute, childElement, childElements } from '../xml/tree.ts'
import type { XmlElement } from '../xml/tree.ts'
import { mediaType } from './http.ts'

export interface LoadedSchema {
  readonly schemas: XmlSchemas
  /** Of the WSDL or the (first) schema. */
  readonly namespace: string
  /** Operations a WSDL names; absent for a bare schema. */
  readonly operations?: readonly string[]
}

export interface LoadOptions {
  readonly fetch: typeof globalThis.fetch
}

const maxDocuments = 100

/**
 * Loads `location`: a path (relative ones from the working directory), a `file:` or `http(s):` URL. Imports are followed
 * in the file system by files, on the same host by URLs. Throws `DECODE_FAILED` for what cannot be read as a schema,
 * `BACKEND_FAILED` for what cannot be fetched.
 */
export async function loadSchema(location: string, options: LoadOptions): Promise<LoadedSchema> {
  const start = absolute(location)
  const loaded = new Map<string, XmlElement>()
  const main = await document(start, options)
  loaded.set(start, main)
  const isWsdl = main.uri === WSDL_NS && main.local === 'definitions'
  if (!isWsdl && !isSchema(main))
    throw new GatewayError(
      'DECODE_FAILED',
      `"${location}" is neither an XML schema nor a WSDL: its root is ${main.local}`,
    )
  const inside = isWsdl
    ? childElements(main, { uri: WSDL_NS, local: 'types' }).flatMap((types) => childElements(types))
    : [main]
  const schemas: SchemaDocument[] = inside.filter(isSchema).map((schema) => ({ schema, location: start }))
  for (const { schema } of schemas) await follow(schema, start, { loaded, start, options })
  return {
    schemas: compileSchemas(schemas, {
      resolve: ({ location: where, base }) => {
        const place = beside(base ?? start, where)
        const schema = loaded.get(place)
        return schema === undefined ? undefined : { schema, location: place }
      },
    }),
    namespace: attribute(main, 'targetNamespace') ?? '',
    ...(isWsdl && { operations: operationsOf(main) }),
  }
}

interface Loading {
  readonly loaded: Map<string, XmlElement>
  readonly start: string
  readonly options: LoadOptions
}

async function follow(schema: XmlElement, base: string, loading: Loading): Promise<void> {
  const { loaded, start, options } = loading
  for (const reference of childElements(schema)) {
    const where = attribute(reference, 'schemaLocation')
    const follows = ['import', 'include', 'redefine'].includes(reference.local) && reference.uri === XSD_NS
    if (!follows || where === undefined) continue
    const place = beside(base, where)
    // What a schema of ours names may not lead elsewhere: not from a URL to a file, not to another host.
    if (loaded.has(place) || hostOf(place) !== hostOf(start)) continue
    if (loaded.size >= maxDocuments)
      throw new GatewayError('DECODE_FAILED', `"${start}" imports more than ${maxDocuments} documents`)
    const found = await document(place, options)
    loaded.set(place, found)
    if (isSchema(found)) await follow(found, place, loading)
  }
}

async function document(place: string, { fetch }: LoadOptions): Promise<XmlElement> {
  if (!isRemote(place)) {
    const bytes = await readFile(place).catch((cause: unknown) => {
      throw new GatewayError('DECODE_FAILED', `schema "${place}" cannot be read`, { cause })
    })
    return readXml(bytes, { processingInstructions: 'ignore' }).root
  }
  const response = await fetch(place)
  if (!response.ok)
    throw new GatewayError('BACKEND_FAILED', `schema "${place}" was answered with ${response.status}`)
  const { charset } = mediaType(response.headers.get('content-type'))
  const bytes = new Uint8Array(await response.arrayBuffer())
  return readXml(bytes, { charset, processingInstructions: 'ignore' }).root
}

/** Names of the operations of all port types, each once, in their order (WSDL 1.1 §2.4). */
function operationsOf(definitions: XmlElement): string[] {
  const names = childElements(definitions, { uri: WSDL_NS, local: 'portType' }).flatMap((portType) =>
    childElements(portType, { uri: WSDL_NS, local: 'operation' }).flatMap((operation) => {
      const name = attribute(operation, 'name')
      return name === undefined || childElement(operation, WSDL_NS, 'input') === undefined ? [] : [name]
    }),
  )
  return [...new Set(names)]
}

function isSchema({ uri, local }: XmlElement): boolean {
  return uri === XSD_NS && local === 'schema'
}

function isRemote(place: string): boolean {
  return /^https?:\/\//i.test(place)
}

function hostOf(place: string): string {
  return isRemote(place) ? new URL(place).host : ''
}

function absolute(location: string): string {
  if (isRemote(location)) return new URL(location).href
  return resolve(/^file:/i.test(location) ? fileURLToPath(location) : location)
}

function beside(base: string, location: string): string {
  if (isRemote(location) || /^file:/i.test(location)) return absolute(location)
  return isRemote(base) ? new URL(location, base).href : resolve(dirname(base), location)
}

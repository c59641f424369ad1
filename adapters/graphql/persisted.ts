// Documents the caller only names: a file of trusted ones, and those registered by their SHA-256.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

import { GraphQLError } from 'graphql'
import { LRUCache } from 'lru-cache'

import type { ChannelConfig } from './channel-config.ts'
import { PERSISTED_NOT_FOUND, PERSISTED_NOT_SUPPORTED, refusal } from './errors.ts'
import { decodeUtf8, isObject, parseJsonText } from '../data/json.ts'

/** What a request asks for: a document, or its name. */
export interface Asked {
  readonly query?: unknown
  readonly extensions?: unknown
  /** As tools that write the file send it. */
  readonly documentId?: unknown
}

export interface Persisted {
  /** The document's text; undefined where none is asked for. Throws a `GraphQLError`. */
  find(asked: Asked): string | undefined
}

const REGISTERED = 1000
const REGISTERED_CHARACTERS = 2_000_000
const LONGEST = 64_000

/** Reads the file, if there is one. Rejects with an `Error` that names what is wrong in it. */
export async function openPersisted({
  file,
  only,
  automatic,
}: ChannelConfig['persisted']): Promise<Persisted> {
  const trusted = file === undefined ? new Map<string, string>() : await readDocuments(file)
  const texts = new Set(trusted.values())
  const registered = new LRUCache<string, string>({
    max: REGISTERED,
    maxSize: REGISTERED_CHARACTERS,
    sizeCalculation: (text) => Math.max(1, text.length),
  })

  function find({ query, extensions, documentId }: Asked): string | undefined {
    const hash = hashOf(extensions)
    const name = hash ?? (typeof documentId === 'string' ? documentId : undefined)
    const given = typeof query === 'string' && query !== '' ? query : undefined
    const known = name === undefined ? undefined : trusted.get(name)
    if (known !== undefined) return known
    if (only) {
      if (given !== undefined && texts.has(given)) return given
      if (given === undefined && name !== undefined) throw unknown(name)
      throw refusal('only persisted documents are taken here: send the id of one', 403)
    }
    if (name === undefined) return given
    if (hash === undefined || !automatic) {
      if (given !== undefined) return given
      // The texts and codes that clients of automatic persisted queries look for.
      if (hash !== undefined) throw missing('PersistedQueryNotSupported', PERSISTED_NOT_SUPPORTED)
      throw unknown(name)
    }
    if (given === undefined) {
      const found = registered.get(hash)
      if (found !== undefined) return found
      throw missing('PersistedQueryNotFound', PERSISTED_NOT_FOUND)
    }
    if (createHash('sha256').update(given).digest('hex') !== hash)
      throw refusal('provided sha does not match query')
    if (given.length <= LONGEST) registered.set(hash, given)
    return given
  }
  return { find }
}

function hashOf(extensions: unknown): string | undefined {
  if (!isObject(extensions) || !Object.hasOwn(extensions, 'persistedQuery')) return undefined
  const { persistedQuery } = extensions
  const hash = isObject(persistedQuery) ? persistedQuery['sha256Hash'] : undefined
  if (
    isObject(persistedQuery) &&
    persistedQuery['version'] === 1 &&
    typeof hash === 'string' &&
    /^[0-9a-f]{64}$/.test(hash)
  )
    return hash
  throw refusal('extensions.persistedQuery is not { version: 1, sha256Hash }: 64 digits in lower case')
}

// Status 200: the caller sends the document next, and that is no error of HTTP.
function missing(message: string, code: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { status: 200 } } })
}

function unknown(name: string): GraphQLError {
  return missing(`there is no document "${name.slice(0, 80)}"`, PERSISTED_NOT_FOUND)
}

async function readDocuments(file: string): Promise<ReadonlyMap<string, string>> {
  const documents = parseJsonText(decodeUtf8(await readFile(file)))
  if (!isObject(documents)) throw new Error(`${file} is not a JSON object of documents by their ids`)
  return new Map(
    Object.entries(documents).map(([id, text]) => {
      if (typeof text === 'string') return [id, text] as const
      throw new Error(`${file}: "${id}" is not a text`)
    }),
  )
}

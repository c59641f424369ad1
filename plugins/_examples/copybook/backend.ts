// The backend: one record out, one record back, over a kept TCP line.
import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Component, Json, Operation, Scope } from 'dragoman'
import { backendConfig, booksOf, named } from './config.ts'
import type { BackendConfig, BackendOperation, Books } from './config.ts'
import { fitted } from './frames.ts'
import { Lines } from './lines.ts'
import type { Exchange } from './lines.ts'
import type { RecordCodec } from './record.ts'

export const backend: Component<Backend, BackendConfig> = {
  config: backendConfig,
  create: (config, scope) => createBackend(config, scope),
}

interface Compiled {
  encode(call: BackendCall): Exchange
  decode(record: Uint8Array): Answer
}

function createBackend(config: BackendConfig, scope: Scope): Backend {
  const books = booksOf(config)
  const operations: Record<string, Operation> = Object.create(null) // null prototype: names come from the config
  const compiled = new Map<string, Compiled>()
  for (const [name, operation] of Object.entries(config.operations)) {
    compiled.set(name, compile(name, operation, { config, books }))
    operations[name] = { safe: false }
  }
  const lines = new Lines(config)

  return {
    operations,
    async call(call, signal) {
      const found = compiled.get(call.operation)
      if (found === undefined)
        throw new GatewayError(
          'NO_ROUTE',
          `backend "${scope.id}" has no operation "${call.operation}": it has ${[...compiled.keys()].join(', ')}`,
          { notExecuted: true },
        )
      return found.decode(await lines.exchange(found.encode(call), signal))
    },
    probe: (signal) => lines.probe(signal),
    [Symbol.asyncDispose]: () => lines[Symbol.asyncDispose](),
  }
}

interface Context {
  readonly config: BackendConfig
  readonly books: Books
}

/** Everything the config can have wrong is found here, before anything is called. Throws `TypeError`. */
function compile(
  name: string,
  { request, reply, set, key, fault }: BackendOperation,
  { config, books }: Context,
): Compiled {
  const who = `operation "${name}"`
  const { framing } = config
  const { charset } = books
  const outward = books.book(request, who)
  const inward = reply === undefined ? undefined : books.book(reply, who)
  named(`${who}: set`, () => outward.encode(set))
  if (key !== undefined) named(`${who}: key`, () => outward.encode({ [key]: 'a'.repeat(36) }))
  for (const field of [fault?.field, fault?.message])
    if (field !== undefined) named(`${who}: fault`, () => (inward ?? outward).has(field))
  if (fault !== undefined && inward === undefined)
    throw new TypeError(`${who}: a fault needs a reply to stand in`)

  return {
    encode(call) {
      const own = { ...set, ...(key !== undefined && { [key]: call.key }) }
      const data = { ...without(own, membersOf(call.params, who), who), ...own }
      const options = { framing, charset, maxBytes: outward.maxBytes }
      return {
        request: { record: encoded(outward, data, who), options },
        ...(inward !== undefined && { reply: { framing, charset, maxBytes: inward.maxBytes } }),
      }
    },
    decode(record) {
      if (inward === undefined) return {}
      try {
        const own = fitted(record, inward, { framing, charset })
        const data = inward.decode(own)
        if (fault === undefined) return { data }
        const said = String(inward.peek(fault.field, own) ?? '')
        if (fault.ok.includes(said)) return { data }
        const code = said === '' ? 'BLANK' : said
        const text = fault.message === undefined ? '' : String(inward.peek(fault.message, own) ?? '')
        return { fault: { code, message: text === '' ? `the answer says ${code}` : text, detail: data } }
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
        throw new GatewayError('BACKEND_FAILED', `${who}: the answer cannot be read: ${error.message}`, {
          cause: error,
        })
      }
    },
  }
}

function membersOf(params: Json, who: string): Readonly<Record<string, Json>> {
  if (params === null) return {}
  if (typeof params === 'object' && !Array.isArray(params)) return params as Readonly<Record<string, Json>> // no array
  throw new GatewayError('DECODE_FAILED', `${who} takes an object with the fields of its record`, {
    notExecuted: true,
  })
}

/** A caller may say what the config fixes only if he says the same. */
function without(
  own: Readonly<Record<string, Json>>,
  given: Readonly<Record<string, Json>>,
  who: string,
): Readonly<Record<string, Json>> {
  const other = Object.keys(own).find(
    (member) => Object.hasOwn(given, member) && given[member] !== own[member],
  )
  if (other === undefined) return given
  throw new GatewayError('DECODE_FAILED', `${who}: ${other} is fixed: leave it out`, { notExecuted: true })
}

/** What does not fit the record is the caller's mistake, and nothing has gone out. */
function encoded(book: RecordCodec, data: Json, who: string): Uint8Array {
  try {
    return book.encode(data)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new GatewayError('DECODE_FAILED', `${who}: ${error.message}`, { cause: error, notExecuted: true })
  }
}

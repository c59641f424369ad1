// Whatever comes in, the answer is a tree, a value or a refusal: never another error, never a changed prototype.
import * as fc from 'fast-check'
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import { expect, test } from 'vitest'
import { fromJson, resolveReferences, toJson } from '../../../../adapters/xml/bind.ts'
import { readXml } from '../../../../adapters/xml/read.ts'
import { childElements } from '../../../../adapters/xml/tree.ts'
import type { XmlElement } from '../../../../adapters/xml/tree.ts'
import { writeXml } from '../../../../adapters/xml/write.ts'
import { bodyOf, captured, firstChild, required, schemasOfWsdl } from './support.ts'

/** The value, or undefined if it was refused with one of these codes; any other error is a failure. */
function orRefused<T>(code: string, run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (
      error instanceof GatewayError &&
      error.code === code &&
      !/\n|node_modules|\.ts:\d/.test(error.message)
    )
      return undefined
    throw error
  }
}

const source = Buffer.from(writeXml(captured('soaplite-11/01-CreateOrder.req')))
const cut = fc.tuple(
  fc.nat(source.length),
  fc.nat(8),
  fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc
      .constantFrom(
        '<',
        '>',
        '&',
        ']]>',
        '<!',
        '<?',
        '&#x',
        '"',
        'xmlns:a="',
        '</',
        '<a>',
        '\0',
        '\uFEFF',
        '<![CDATA[',
      )
      .map((text) => Buffer.from(text)),
  ),
)
const mutated = fc.array(cut, { minLength: 1, maxLength: 4 }).map((cuts) => {
  let bytes = source
  for (const [at, length, piece] of cuts)
    bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + length)])
  return bytes
})

test('mutated documents are read or refused, and what is read can be written and read again', () => {
  fc.assert(
    fc.property(
      mutated,
      fc.constantFrom(undefined, 'utf-8', 'gbk', 'utf-16', 'big5', 'us-ascii'),
      (bytes, charset) => {
        const document = orRefused('DECODE_FAILED', () =>
          readXml(bytes, { charset, joinSurrogateReferences: true }),
        )
        if (document === undefined) return
        const again = readXml(writeXml(document.root, { charset: document.charset })).root
        expect(toJson(again, undefined)).toEqual(toJson(document.root, undefined))
      },
    ),
    { numRuns: 1000 },
  )
})

test('any bytes are refused or read', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      (bytes) => void orRefused('DECODE_FAILED', () => readXml(bytes)),
    ),
    { numRuns: 1000 },
  )
})

const schemas = [schemasOfWsdl('orders.wsdl'), schemasOfWsdl('legacy-rpcenc.wsdl')]
const create = required(schemas[0]?.element({ uri: 'urn:example:orders:v1', local: 'CreateOrder' }))
const ticket = required(
  schemas[1]?.declare({ uri: '', local: 'ticket' }, { uri: 'urn:example:legacy:types', local: 'Ticket' }),
)

test('mutated messages bind or are refused, with a schema and without, literal and encoded', () => {
  fc.assert(
    fc.property(
      mutated,
      fc.constantFrom(undefined, '1.1', '1.2'),
      fc.constantFrom('refuse', 'keep', 'drop'),
      (bytes, encoded, unknown) => {
        const document = orRefused('DECODE_FAILED', () => readXml(bytes, { charset: 'utf-8' }))
        const root =
          document === undefined
            ? undefined
            : orRefused('DECODE_FAILED', () => resolveReferences(document.root, { use: 'literal' }))
        if (root === undefined) return
        const options = { unknown, ...(encoded === undefined ? {} : { encoded }) } as const
        for (const body of childElements(root))
          for (const entry of childElements(body))
            for (const decl of [create, ticket, undefined])
              orRefused('DECODE_FAILED', () => toJson(entry, decl, options))
      },
    ),
    { numRuns: 500 },
  )
})

const order = toJson(firstChild(bodyOf(captured('soaplite-11/01-CreateOrder.req'))), create)

/** The order with one place somewhere replaced by anything. */
function replaced(value: Json, path: readonly number[], by: Json): Json {
  const [step, ...rest] = path
  if (step === undefined || typeof value !== 'object' || value === null) return by
  const entries = Object.entries(value)
  const at = entries.length === 0 ? 0 : step % entries.length
  const inner = entries.map(([key, child], i): [string, Json] => [
    key,
    i === at ? replaced(child, rest, by) : child,
  ])
  return Array.isArray(value) ? inner.map(([, child]) => child) : Object.fromEntries(inner)
}

test('any JSON is written or refused, and what is written is read by its schema', () => {
  const anything = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json> // fast-check types its JSON more loosely
  fc.assert(
    fc.property(
      fc.array(fc.nat(20), { maxLength: 5 }),
      anything,
      fc.constantFrom(undefined, '1.1'),
      (path, by, encoded) => {
        const options = encoded === undefined ? ({ missing: 'refuse' } as const) : ({ encoded } as const)
        for (const decl of [create, ticket, undefined])
          for (const value of [by, replaced(order, path, by)]) {
            const name = decl?.name ?? { uri: 'urn:x', local: 'x' }
            const tree = orRefused('ENCODE_FAILED', () => fromJson(value, name, decl, options))
            const bytes = tree === undefined ? undefined : orRefused('ENCODE_FAILED', () => writeXml(tree))
            if (bytes !== undefined) toJson(readXml(bytes).root, decl, options)
          }
      },
    ),
    { numRuns: 500 },
  )
})

test('nothing of all this has touched Object.prototype', () => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString']
  const hostile = names.reduce<XmlElement[]>(
    (children, local) => [
      {
        uri: '',
        local,
        attributes: names.map((name) => ({ uri: '', local: name, value: 'x' })),
        children,
        namespaces: new Map(),
      },
    ],
    [],
  )
  const [root] = hostile
  toJson(required(root), undefined)
  expect(Object.keys(Object.prototype)).toEqual([])
  expect(Reflect.ownKeys({})).toEqual([])
})

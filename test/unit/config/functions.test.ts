// JSONata in the adapters' own keys: a function that nothing defines is told at its character.
import { expect, test } from 'vitest'
import { z } from 'zod'
import graphql from '../../../adapters/graphql/index.ts'
import mqtt from '../../../adapters/mqtt/index.ts'
import rest from '../../../adapters/rest/index.ts'
import webservice from '../../../adapters/webservice/index.ts'
import { adapter, problemsOf } from './fakes.ts'

const plugin = adapter('spool', { channel: z.strictObject({ name: z.string().meta({ format: 'jsonata' }) }) })
const adapters = new Map([graphql, mqtt, plugin, rest, webservice].map((each) => [each.name, each]))
const at = 'http://127.0.0.1:9001'

test.each([
  [
    'backends.b.operations.X.result',
    `backends: { b: { adapter: rest, url: "${at}", operations: { X: { result: ~ } } } }`,
  ],
  ['backends.b.headers.accept', `backends: { b: { adapter: rest, url: "${at}", headers: { accept: ~ } } }`],
  [
    'backends.b.operations["*"].query.q',
    `backends: { b: { adapter: rest, url: "${at}", operations: { "*": { method: GET, query: { q: ~ } } } } }`,
  ],
  [
    'backends.b.operations.X.fault',
    `backends: { b: { adapter: webservice, dialect: pox, url: "${at}", operations: { X: { fault: ~ } } } }`,
  ],
  [
    'backends.b.operations.X.variables',
    `backends: { b: { adapter: graphql, url: "${at}", operations: { X: { document: "query X { x }", variables: ~ } } } }`,
  ],
  [
    'channels.m.topics["shop/+/say"].sender',
    'channels: { m: { adapter: mqtt, port: 1883, topics: { "shop/+/say": { kind: message, sender: ~ } } } }',
  ],
  ['channels.s.name', 'channels: { s: { adapter: spool, name: ~ } }'],
])('%s', async (key, file) => {
  const column = file.indexOf('~') + 2
  expect(await problemsOf(file.replace('~', '"a & $lowercse(b)"'), { adapters })).toEqual([
    `1:${column + 4}: ${key}: unknown function "$lowercse" (did you mean "$lowercase"?)`,
  ])
  expect(await problemsOf(file.replace('~', '"a & $lowercase($message.type)"'), { adapters })).toEqual([])
})

test('at an adapter that says what is wrong with the rest itself, both are told, each once', async () => {
  const file = `backends: { b: { adapter: rest, url: "${at}", headers: { a: "$no(b)", c: "d e" } } }`
  expect(await problemsOf(file, { adapters })).toEqual([
    expect.stringContaining('headers.a: unknown function "$no"'),
    expect.stringContaining('headers.c: "d e" is not JSONata'),
  ])
})

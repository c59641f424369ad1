// What `dragoman check` finds in the contracts that a config names: all that a start would refuse of them.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkContracts, withContracts } from '../../../bin/check-contracts.ts'
import { loadOnce } from '../../../bin/config-file.ts'
import { ConfigError } from '../../../config/load.ts'

const crm = resolve(import.meta.dirname, '../../../config/crm.wsdl')
const keys = resolve(import.meta.dirname, '../../fixtures/soap/keys')
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragoman-contracts-'))
  await mkdir(join(folder, 'folder'))
  const files = {
    'half.graphql': 'type Query { a: Int',
    'unknown.graphql': 'type Query { a: Foo }',
    'good.graphql': 'type Query { a: Int }',
    'page.html': '<html/>',
    'text.wsdl': 'no XML',
    'broken.xsd':
      '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="nope"/></xs:schema>',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
})
afterAll(() => rm(folder, { recursive: true }))

async function told(yaml: string): Promise<string> {
  const file = join(folder, 'gateway.yaml')
  await writeFile(file, yaml)
  try {
    await using loaded = await loadOnce(file)
    await checkContracts(file, loaded)
    return 'nothing'
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.replaceAll(`${folder}/`, '')
  }
}

/** As `told`, of a file with which something else is wrong. */
async function allTold(yaml: string): Promise<readonly string[]> {
  const file = join(folder, 'gateway.yaml')
  await writeFile(file, yaml)
  const error = await loadOnce(file).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ConfigError)) throw new Error('nothing is wrong with the file itself')
  return (await withContracts(file, error)).message.replaceAll(`${folder}/`, '').split('\n')
}

test.each([
  [
    'adapter: graphql, schema: ./half.graphql',
    '1:44: channels.c.schema: half.graphql: line 1, column 20: Syntax Error',
  ],
  ['adapter: graphql, schema: ./unknown.graphql', 'channels.c.schema: unknown.graphql: Unknown type "Foo"'],
  [
    'adapter: graphql, schema: ./good.graphql, operations: { b: }',
    'operation "b" is no field of Query or Mutation',
  ],
  [
    'adapter: soap, path: /c, wsdl: ./page.html',
    'channels.c.wsdl: "page.html" is neither a WSDL 1.1 document nor',
  ],
  ['adapter: soap, path: /c, wsdl: ./text.wsdl', 'channels.c.wsdl: '],
  ['adapter: soap, path: /c, wsdl: ./folder', 'channels.c.wsdl: "folder" cannot be read'],
  [
    `adapter: soap, path: /c, wsdl: ${crm}, operations: { GetOrde: { kind: request } }`,
    'channels.c.operations.GetOrde: the WSDL has no operation "GetOrde" (did you mean "GetOrder"?)',
  ],
  [
    `adapter: soap, path: /c, wsdl: ${crm}, operations: { GetOrder: { kind: request, example: { no: 1 } } }`,
    'channels.c.operations.GetOrder.example: GetOrder/orderNo: is missing',
  ],
  [
    `adapter: soap, path: /c, wsdl: ${crm}, security: { users: [{ user: a, password: b }] }, operations: { GetOrder: { kind: request, example: { no: 1 } } }`,
    'channels.c.operations.GetOrder.example: GetOrder/orderNo: is missing',
  ],
  [
    `adapter: soap, path: /c, wsdl: ${crm}, service: Nope`,
    `channels.c.service: "${crm}" has no service "Nope": there is CrmService`,
  ],
  [
    `adapter: soap, path: /c, wsdl: ${crm}, security: { sign: { keyFile: ${keys}/stranger.key, certFile: ${keys}/erp.pem } }`,
    `channels.c.security.sign.keyFile: "${keys}/stranger.key" of security cannot be used: the certificate is of another key`,
  ],
  [
    `adapter: soap, path: /c, wsdl: ${crm}, security: { sign: { keyFile: ${keys}/erp.key, certFile: ${keys}/erp.key } }`,
    `channels.c.security.sign.certFile: "${keys}/erp.key" of security cannot be used`,
  ],
  [
    `adapter: soap, path: /c, wsdl: ${crm}, security: { trust: [${keys}/erp.pem, ${keys}/erp.key] }`,
    `channels.c.security.trust[1]: "${keys}/erp.key" of security cannot be used: it holds no certificate in PEM form`,
  ],
  [
    'adapter: soap, path: /c',
    'channels.c: channel "c": without a wsdl, operations must say what is accepted',
  ],
  [
    'adapter: webservice, path: /c, schema: ./broken.xsd',
    'channels.c.schema: schema: type nope is not defined',
  ],
])('a channel with { %s } is a problem at its place: %s', async (channel, message) => {
  const text = await told(`channels: { c: { ${channel} } }\n`)
  expect(text).toContain('gateway.yaml:1:')
  expect(text).toContain(message)
})

test('so is a backend, and what would have to be fetched is none', async () => {
  const named = (...names: readonly string[]): Promise<string> =>
    told(
      `backends: { b: { adapter: soap, wsdl: ${crm}, operations: { ${names.map((name) => `${name}: { safe: true }`).join(', ')} } } }`,
    )
  expect(await named("'*'", 'GetOrder', 'SubmitTickt')).toMatch(
    /:1:\d+: backends\.b\.operations\.SubmitTickt: the WSDL has no operation "SubmitTickt" \(did you mean "SubmitTicket"\?\)$/u,
  )
  expect(await named('SubmitTickt', 'Nothing')).toMatch(
    /:1:\d+: backends\.b\.operations: the WSDL has no operation "SubmitTickt" .*; the WSDL has no operation "Nothing"$/u,
  )
  expect(await told('backends: { b: { adapter: soap, wsdl: ./text.wsdl } }')).toContain(
    '1:39: backends.b.wsdl: ',
  )
  expect(
    await told(`
channels:
  a: { adapter: soap, path: /a, wsdl: "http://127.0.0.1:1/?wsdl" }
  b: { adapter: soap, path: /b, wsdl: ${crm} }
  c: { adapter: graphql, schema: ./good.graphql }
backends:
  d: { adapter: soap, wsdl: "http://127.0.0.1:1/?wsdl", operations: { Nothing: { safe: true } } }
  e: { adapter: graphql, url: "http://127.0.0.1:1/", operations: { A: { document: "{ a }" } } }
`),
  ).toBe('nothing')
})

test('a file in the place of the data folder is a problem; a folder that is not there yet is none', async () => {
  expect(await told('data: ./page.html')).toBe(
    'gateway.yaml:1:7: data: page.html is a file: wanted is the folder of the data',
  )
  expect(await told('data: ./not-there/yet')).toBe('nothing')
})

test('DESIGN §10: what is wrong with contracts is told together with what is wrong with the rest, in the order of the file', async () => {
  expect(
    await allTold(`data: ./page.html
channels:
  a: { adapter: soap, path: /a, wsdl: ${crm}, operations: { GetOder: {} } }
  b: { adapter: soap, path: /b, wsdl: ${crm}, service: Nope }
  c: { adapter: graphql, schema: ./good.graphql, operations: { b: } }
  d: { adapter: soap, path: /d, wsdl: ./text.wsdl, nonsense: 1 }
  e: { adapter: nobody }
agents: { f: { adapter: webhook, url: "http://127.0.0.1:1/\${NOT_SET}" } }
routes: [{ agent: f, timout: 1 }]
`),
  ).toEqual([
    'gateway.yaml:1:7: data: page.html is a file: wanted is the folder of the data',
    expect.stringMatching(
      /^gateway.yaml:3:\d+: channels.a.operations.GetOder: the WSDL has no operation "GetOder" \(did you/,
    ),
    expect.stringMatching(/^gateway.yaml:4:\d+: channels.b.service: .* has no service "Nope": there is CrmS/),
    expect.stringMatching(/^gateway.yaml:5:\d+: channels.c.schema: .*operation "b" is no field of Query/),
    expect.stringMatching(/^gateway.yaml:6:\d+: channels.d: unknown key "nonsense"/),
    expect.stringMatching(/^gateway.yaml:7:\d+: channels.e.adapter: no adapter is named "nobody"/),
    expect.stringMatching(/^gateway.yaml:8:\d+: .*NOT_SET/),
    expect.stringMatching(/^gateway.yaml:9:\d+: route 1: unknown key "timout"/),
  ])
  expect(await allTold('channels: [')).toHaveLength(1)
})

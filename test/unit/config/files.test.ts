// Which texts of a config are files: where they lie, whether they can be read, and what changes with their content.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { loadBuiltIn } from '../../../bin/adapters.ts'
import type { Adapter } from '../../../core/api.ts'
import type { Config } from '../../../config/config.ts'
import { readConfig, resolveConfig } from '../../../config/load.ts'
import { ConfigError, formatProblem } from '../../../config/problems.ts'
import { adapter } from './fakes.ts'

const file = z.string().meta({ format: 'file' })
const files = adapter('files', {
  channel: z.strictObject({ contract: file.optional().describe('wrapped') }),
  backend: z.strictObject({
    trust: z.array(file).default([]),
    sign: z.union([z.literal('none'), z.strictObject({ key: file })]).optional(),
    operations: z
      .record(z.string(), z.strictObject({ query: z.string().meta({ format: 'file-or-text' }) }))
      .optional(),
  }),
  agent: z.strictObject({ note: z.string().optional() }),
})

let folder = ''
let adapters: ReadonlyMap<string, Adapter> = new Map()
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragoman-files-'))
  adapters = new Map([...(await loadBuiltIn()), files].map((each) => [each.name, each]))
  for (const name of ['a.pem', 'b.pem', 'c.txt', 'crm.wsdl']) await put(name, name)
})
afterAll(() => rm(folder, { recursive: true }))

const put = (name: string, content: string): Promise<void> => writeFile(join(folder, name), content)

async function load(yaml: string): Promise<Config> {
  await put('gateway.yaml', yaml)
  return resolveConfig(await readConfig(join(folder, 'gateway.yaml'), { env: {} }), adapters)
}

async function refusal(yaml: string): Promise<{ problems: readonly string[]; files: readonly string[] }> {
  try {
    await load(yaml)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const problems = error.problems.map((problem) => formatProblem(problem).replaceAll(folder, ''))
    return { problems, files: error.files }
  }
  throw new Error('nothing is wrong with it')
}

/** Of the component, before and after a file got another content. */
async function hashes(yaml: string, name: string): Promise<readonly (string | undefined)[]> {
  const hashOf = async (): Promise<string | undefined> => {
    const { channels, backends, agents } = await load(yaml)
    return (channels['x'] ?? backends['x'] ?? agents['x'])?.hash
  }
  await put(name, 'before')
  const before = await hashOf()
  await put(name, 'after')
  const after = await hashOf()
  await put(name, 'before')
  return [before, after, await hashOf()]
}

test('what a schema calls a file belongs to the folder of the config, at any depth; URLs stay as they are', async () => {
  const { channels, backends } = await load(`
channels:
  near: { adapter: files, contract: crm.wsdl }
  far: { adapter: files, contract: "https://erp.test/crm.wsdl" }
  url: { adapter: files, contract: "${pathToFileURL(join(folder, 'crm.wsdl')).href}" }
backends:
  x:
    adapter: files
    trust: [a.pem, ./b.pem, ${folder}/a.pem]
    sign: { key: a.pem }
    operations: { Get: { query: a.pem }, Find: { query: "${folder}/c.txt" } }
`)
  const at = (name: string): string => join(folder, name)
  expect([channels['near']?.config, channels['far']?.config, channels['url']?.config]).toEqual([
    { contract: at('crm.wsdl') },
    { contract: 'https://erp.test/crm.wsdl' },
    { contract: at('crm.wsdl') },
  ])
  expect(backends['x']?.config).toEqual({
    trust: [at('a.pem'), at('b.pem'), at('a.pem')],
    sign: { key: at('a.pem') },
    operations: { Get: { query: 'a.pem' }, Find: { query: at('c.txt') } },
  })
})

test.each([
  ['a WSDL without ./', 'channels: { x: { adapter: soap, path: /x, wsdl: crm.wsdl } }', 'crm.wsdl'],
  ['an absolute WSDL', 'backends: { x: { adapter: soap, wsdl: DIR/crm.wsdl } }', 'crm.wsdl'],
  ['a schema', 'channels: { x: { adapter: webservice, path: /x, schema: crm.wsdl } }', 'crm.wsdl'],
  ['a signer', 'channels: { x: { adapter: soap, path: /x, security: { trust: [DIR/a.pem] } } }', 'a.pem'],
  ['a key', 'channels: { x: { adapter: mqtt, port: 0, tls: { cert: a.pem, key: DIR/b.pem } } }', 'b.pem'],
  ['a GraphQL schema', 'channels: { x: { adapter: graphql, schema: crm.wsdl } }', 'crm.wsdl'],
  [
    'a GraphQL document',
    'backends: { x: { adapter: graphql, url: "http://h", operations: { Get: { document: DIR/c.txt } } } }',
    'c.txt',
  ],
  ['an authority', 'agents: { x: { adapter: webhook, url: "http://h", tls: { ca: a.pem } } }', 'a.pem'],
  ['an absolute authority', 'backends: { x: { adapter: files, tls: { ca: DIR/a.pem } } }', 'a.pem'],
])('%s that changes makes another component of it, and is watched', async (_, yaml, name) => {
  const text = yaml.replaceAll('DIR', folder)
  const [before, after, again] = await hashes(text, name)
  expect(after).not.toBe(before)
  expect(again).toBe(before)
  const config = await load(text)
  expect(config.files).toContain(join(folder, name))
  // Copies are made of what belongs to the config alone.
  expect(config.contents.has(join(folder, name))).toBe(!text.includes(`${folder}/${name}`))
})

test.each(['crm/crm.wsdl', 'DIR/crm/crm.wsdl'])(
  '%s brings what it imports, and what that includes',
  async (wsdl) => {
    await mkdir(join(folder, 'crm/types'), { recursive: true })
    await put(
      'crm/crm.wsdl',
      '<definitions><import schemaLocation="types/a.xsd"/><soap:address location="http://crm/"/></definitions>',
    )
    await put(
      'crm/types/a.xsd',
      `<schema><include schemaLocation='b.xsd'/><include schemaLocation="../crm.wsdl"/><import schemaLocation="none.xsd"/></schema>`,
    )
    const text = `channels: { x: { adapter: files, contract: ${wsdl.replace('DIR', folder)} } }`
    const [before, after, again] = await hashes(text, 'crm/types/b.xsd')
    expect(after).not.toBe(before)
    expect(again).toBe(before)
    const { files: watched, contents } = await load(text)
    const all = ['crm/crm.wsdl', 'crm/types/a.xsd', 'crm/types/b.xsd'].map((name) => join(folder, name))
    expect(watched).toEqual(all)
    expect([...contents.keys()]).toEqual(wsdl.startsWith('DIR') ? [] : all)
  },
)

test('a backend changes with the files of the channel it names', async () => {
  const named = adapter('named', {
    channel: z.strictObject({ card: file }),
    backend: z.strictObject({ channel: z.custom<object>().meta({ type: 'string', format: 'channel' }) }),
  })
  adapters = new Map([...adapters, ['named', named]])
  const text =
    'channels: { c: { adapter: named, card: a.pem } }\nbackends: { x: { adapter: named, channel: c } }\n'
  const [before, after, again] = await hashes(text, 'a.pem')
  expect(after).not.toBe(before)
  expect(again).toBe(before)
})

test('one that is not there is told with its place, and looked for again', async () => {
  const { problems, files: looked } = await refusal(`
channels: { c: { adapter: files, contract: none.wsdl } }
backends: { x: { adapter: files, trust: [a.pem, ${folder}/none.pem, ${folder}] } }
`)
  expect(problems).toEqual([
    '/gateway.yaml:2:44: channels.c.contract: "none.wsdl" cannot be read: there is no such file',
    expect.stringMatching(
      /^\/gateway\.yaml:3:\d+: backends\.x\.trust\[1\]: "\/none\.pem" cannot be read: there is no such file$/u,
    ),
    expect.stringMatching(/^\/gateway\.yaml:3:\d+: backends\.x\.trust\[2\]: "" is no file$/u),
  ])
  expect(looked).toEqual(expect.arrayContaining([join(folder, 'none.wsdl'), join(folder, 'none.pem')]))
})

test('a text that no schema calls a file is none: it is neither read nor looked for', async () => {
  const config = await load('agents: { h: { adapter: files, note: a.pem } }')
  expect(config.agents['h']?.config).toEqual({ note: 'a.pem' })
  expect(config.files).toEqual([])
})

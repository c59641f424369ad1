// The README of the GraphQL adapter: its config starts, its commands are answered, its tables say what the schemas say.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSchema, createYoga } from 'graphql-yoga'
import { expect, test } from 'vitest'
import { channelConfig } from '../../adapters/graphql/channel-config.ts'
import { startBot } from '../support/bot.ts'
import { startGateway } from '../support/gateway.ts'
import { blocksOf, read, run } from './documents.ts'

const readme = read('adapters/graphql/README.md')

/** A business system as the README's config has it. */
async function startBusiness(): Promise<AsyncDisposable & { readonly url: string }> {
  const yoga = createYoga({
    logging: false,
    schema: createSchema({
      typeDefs: `type Line { sku: ID! quantity: Int! } type Order { orderNo: ID! id: ID total: String lines: [Line!] }
        type Query { order(no: ID!): Order } type Mutation { cancel(no: ID!): Order }`,
      resolvers: {
        Query: {
          order: (_: unknown, { no }: { readonly no: string }) => ({
            orderNo: no,
            id: '9007199254740993',
            total: '1.10',
            lines: [{ sku: '0012', quantity: 1 }],
          }),
        },
      },
    }),
  })
  const server = createServer((request, response) => void yoga(request, response))
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}/graphql`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

test('a gateway starts with its config, and every command is answered', async () => {
  await using business = await startBusiness()
  await using bot = await startBot(() => ({ body: { text: 'It is on its way.' } }))
  const [yaml = ''] = blocksOf(readme, 'yaml')
  const [schema = ''] = blocksOf(readme, 'graphql')
  await using gateway = await startGateway({
    yaml: yaml
      .replace('http://127.0.0.1:4000/graphql', business.url)
      .replace('http://127.0.0.1:9100/bot', bot.url),
    files: {
      'shop.graphql': schema,
      'cancel.graphql': 'mutation ($no: ID!) { cancel(no: $no) { orderNo } }',
    },
  })
  const commands = blocksOf(readme, 'sh').join('').replaceAll('\\\n', ' ').trimEnd().split('\n')
  const answers: unknown[] = []
  for (const command of commands) {
    const { code, stdout } = await run('sh', [
      '-c',
      command.replaceAll('http://127.0.0.1:8080', gateway.base),
    ])
    expect(code, command).toBe(0)
    answers.push(JSON.parse(stdout))
  }
  expect(answers).toMatchObject([
    { data: { sendMessage: { conversation: 'app:ann', sequence: 1, reply: { text: 'It is on its way.' } } } },
    {
      data: { request: { data: { orderNo: '000777', id: '9007199254740993', total: '1.10' }, stale: false } },
    },
    { data: { order: { orderNo: '000777', id: '9007199254740993', total: 1.1 } } },
  ])
})

test('the table of the channel has every key and every default', () => {
  const [, section = ''] = /^## The channel\n([\s\S]*?)^All limits/mu.exec(readme) ?? []
  const listed = new Map(
    [...section.matchAll(/^\| `([\w.]+)` \|([^|]*)\|/gmu)].map(([, key = '', standard = '']) => [
      key,
      standard.replaceAll('`', '').trim(),
    ]),
  )
  const { persisted, limits, ...rest } = channelConfig.parse({})
  const nested = (name: string, group: object): readonly (readonly [string, string])[] =>
    Object.entries(group).map(([key, value]) => [`${name}.${key}`, String(value)])
  expect(Object.fromEntries(listed)).toEqual({
    ...Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, String(value)])),
    ...Object.fromEntries([...nested('persisted', persisted), ...nested('limits', limits)]),
    schema: 'the built-in one',
    introspection: '',
    'persisted.file': '',
  })
})

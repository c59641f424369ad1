// Where channels are served: what a start would refuse is a problem of the file, at its key.
import { expect, test } from 'vitest'
import graphql from '../../../adapters/graphql/index.ts'
import mqtt from '../../../adapters/mqtt/index.ts'
import { endpoints } from '../../../adapters/rest/endpoints.ts'
import rest from '../../../adapters/rest/index.ts'
import soap from '../../../adapters/soap/index.ts'
import webservice from '../../../adapters/webservice/index.ts'
import wechat from '../../../adapters/wechat/index.ts'
import { z } from 'zod'
import { defineAdapter } from '../../../core/api.ts'
import { load, problemsOf } from './fakes.ts'

const spool = defineAdapter({
  name: 'spool',
  apiVersion: 1,
  channel: {
    config: z.strictObject({ path: z.string() }),
    create: () => ({ start: async () => undefined, [Symbol.asyncDispose]: async () => undefined }),
  },
})
const adapters = new Map(
  [graphql, mqtt, rest, soap, spool, webservice, wechat].map((each) => [each.name, each]),
)

/** Without positions. */
async function told(channels: string, more = ''): Promise<readonly string[]> {
  const problems = await problemsOf(`channels:\n${channels}\n${more}`, { adapters })
  return problems.map((problem) => problem.replace(/^\d+:\d+: /u, ''))
}

test.each(['//a', '/a/../b', '/a/./b', '/a//', '/a\\b'])(
  '%s is no path that anybody asks for (RFC 3986 §5.2.4)',
  async (path) => {
    expect(await told(`  s: { adapter: webservice, path: '${path}' }`)).toEqual([
      expect.stringMatching(/^channels\.s\.path: .* is asked for by nobody/u),
    ])
  },
)

test("the gateway's own pages are refused at every key that serves something", async () => {
  for (const path of ['/v1/status', '/v1/callbacks/x', '/demo/chat'])
    expect(await told(`  s: { adapter: webservice, path: ${path} }`)).toEqual([
      `channels.s.path: ${path} is the gateway's own: choose another path`,
    ])
  expect(await told('  m: { adapter: mqtt, websocket: /metrics }')).toEqual([
    "channels.m.websocket: /metrics is the gateway's own: choose another path",
  ])
  expect(await told('  r: { adapter: rest, openapi: /asyncapi.json }')).toEqual([
    "channels.r.openapi: /asyncapi.json is the gateway's own: choose another path",
  ])
})

test('the chat page is served on this machine alone: elsewhere its path is free', async () => {
  const more = 'http: { host: 0.0.0.0 }\nidentity: { keys: { erp: { key: a-key-of-sixteen-and-more } } }'
  expect(await told('  s: { adapter: webservice, path: /demo/chat }', more)).toEqual([])
})

test('what an adapter serves beside its path is taken too, for requests and for WebSockets apart', async () => {
  expect(await told('  r: { adapter: rest }\n  w: { adapter: webservice, path: /openapi.json }')).toEqual([
    'channels.w.path: /openapi.json is the path of channel "r" already',
  ])
  expect(await told('  r: { adapter: rest }\n  m: { adapter: mqtt, websocket: /v1/ws }')).toEqual([
    'channels.m.websocket: /v1/ws is the path of channel "r" already',
  ])
  expect(
    await told('  a: { adapter: mqtt, websocket: /mqtt }\n  b: { adapter: mqtt, websocket: /mqtt }'),
  ).toEqual(['channels.b.websocket: /mqtt is the path of channel "a" already'])
  expect(await told('  a: { adapter: rest }\n  b: { adapter: rest }')).toHaveLength(1)
  expect(
    await told(`  a: { adapter: webservice, path: /s, serve: operations }
  b: { adapter: webservice, path: /s }
  c: { adapter: mqtt, websocket: /s }
  d: { adapter: rest, path: /v2 }
  e: { adapter: graphql }`),
  ).toEqual([])
})

test('a path inside what another channel serves takes it away from that one, which is told (DESIGN §16 "serve")', async () => {
  const noticed = async (channels: string): Promise<readonly string[]> => {
    const { notices } = await load(`channels:\n${channels}\n`, { adapters })
    return notices.map((notice) => notice.replace(/^.*gateway\.yaml:\d+:\d+: /u, ''))
  }
  const web = '  web: { adapter: rest }'
  const hook = (path: string) => `  hook: { adapter: webservice, path: ${path} }`
  const served = endpoints.map(({ path }) => `/v1${path.replace(/\{\w+\}/u, 'x')}`)
  for (const path of [...served, '/v1/requests', '/v1/conversations/x'])
    for (const both of [`${web}\n${hook(path)}`, `${hook(path)}\n${web}`])
      expect(await noticed(both)).toEqual([
        `channels.hook.path: takes ${path} away from channel "web", which serves it below /v1`,
      ])
  const component = `{ adapter: wechat, product: component, appId: wx1234567890abcdef, token: changeme, secret: s, encodingAESKey: ${'a'.repeat(43)} }`
  expect(await noticed(`  we: ${component}\n${hook('/wechat/callback')}`)).toContain(
    'channels.hook.path: takes /wechat/callback away from channel "we", which serves it below /wechat',
  )
  expect(await noticed(`  erp: { adapter: webservice, path: /erp/ }\n${hook('/erp/GetOrder')}`)).toEqual([
    'channels.hook.path: takes /erp/GetOrder away from channel "erp", which serves it below /erp',
  ])
  // What lies beside what is served there takes nothing away.
  for (const path of ['/v1/erp', '/v1/message', '/v2', '/messages'])
    expect(await noticed(`${web}\n${hook(path)}`)).toEqual([])
  expect(await noticed(`  soap: { adapter: graphql, path: /a }\n${hook('/a/b')}`)).toEqual([])
})

test("a plugin's `path` may be no path of HTTP: a folder that it watches", async () => {
  expect(
    await told(
      `  in: { adapter: spool, path: '/var/spool//in' }\n  out: { adapter: spool, path: /var/spool//out }`,
    ),
  ).toEqual([])
})

test('two cannot listen at one port of one address', async () => {
  const ports = (one: string, other: string) =>
    told(`  a: { adapter: mqtt, ${one} }\n  b: { adapter: mqtt, ${other} }`, 'http: { port: 8090 }')
  const taken = ['channels.b.port: 1883 is the port of channel "a" already']
  expect(await ports('port: 1883', 'port: 1883')).toEqual(taken)
  expect(await ports('port: 1883, host: 10.0.0.1', 'port: 1883, host: 0.0.0.0')).toEqual(taken)
  expect(await ports('port: 1883', 'port: 1883, host: 10.0.0.1')).toEqual([])
  expect(await ports('port: 1883, host: localhost', 'port: 1883')).toEqual(taken)
  expect(await ports('port: 1883', 'port: 1883, host: localhost')).toEqual(taken)
  expect(await ports('port: 1883, host: "::"', 'port: 1883')).toEqual(taken)
  expect(await ports('port: 1883, host: 0.0.0.0', 'port: 1883, host: "::1"')).toEqual([])
  expect(await ports('port: 0', 'port: 0')).toEqual([])
  expect(await ports('port: 1883', 'port: 8090')).toEqual([
    'channels.b.port: 8090 is the port of the listener (http.port) already',
  ])
})

// Where /asyncapi.json sends a stranger: every address, way to show the token and envelope it names is tried.
import { once } from 'node:events'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'

interface Described {
  readonly info: { readonly description: string }
  readonly servers: Readonly<
    Record<string, { host: string; pathname?: string; protocol: string; bindings?: { mqtt: Bindings } }>
  >
  readonly channels: Readonly<
    Record<string, { address: string; servers: readonly { $ref: string }[]; messages: object }>
  >
  readonly operations: Readonly<Record<string, { bindings?: { mqtt?: Bindings; http?: { method: string } } }>>
  readonly components: {
    readonly messages: Readonly<Record<string, { payload: { required?: readonly string[] } }>>
    readonly securitySchemes: Readonly<Record<string, { type: string }>>
  }
}
interface Bindings {
  readonly clientId?: string
  readonly cleanSession?: boolean
  readonly qos?: 0 | 1
}

const HELLO = { t: 'hello', v: 1, device: 'phone', boot: 'b', first: 1, epoch: '', offset: 0 }
let gateway: GatewayProcess
let described: Described

beforeAll(async () => {
  const port = await freePort()
  gateway = await startGateway({
    yaml: `
channels: { web: { adapter: rest, bodyLimit: 5mb }, devices: { adapter: mqtt, port: ${port}, websocket: /mqtt } }
agents: { bot: { adapter: webhook, url: "http://127.0.0.1:9/", responseLimit: 3mb } }
routes: [{ agent: bot }]
`,
  })
  described = (await (await fetch(`${gateway.base}/asyncapi.json`)).json()) as Described
})
afterAll(() => gateway.stop())

test('HTTP: the envelope it describes is answered, in the one it describes', async () => {
  const { web_http: server } = described.servers
  const { web_http: channel } = described.channels
  const { requestBody, responseBody } = described.components.messages
  expect([requestBody?.payload.required, responseBody?.payload.required]).toEqual([['frames'], ['frames']])
  const response = await fetch(`${server?.protocol}://${server?.host}${channel?.address}`, {
    method: described.operations['web_http_receive']?.bindings?.http?.method ?? '',
    headers: { 'content-type': 'application/json', authorization: 'Bearer ann' },
    body: JSON.stringify({ frames: [HELLO] }),
  })
  expect(await response.json()).toMatchObject({ frames: [{ t: 'welcome' }] })
})

test('WebSocket: its subprotocols and the token as one of them', async () => {
  const { web_ws: server } = described.servers
  const { web_ws: channel } = described.channels
  const socket = new WebSocket(`${server?.protocol}://${server?.host}${channel?.address}`, [
    'dragoman.1',
    'bearer.ann',
  ])
  await once(socket, 'open')
  socket.send(JSON.stringify(HELLO))
  const [said] = (await once(socket, 'message')) as [Buffer]
  expect(JSON.parse(said.toString())).toMatchObject({ t: 'welcome' })
  socket.close()
})

test.each(['devices_mqtt', 'devices_mqtt_websocket'])('MQTT: %s, topics, QoS and client id', async (name) => {
  const server = described.servers[name]
  const { devices_mqtt_up: up, devices_mqtt_down: down } = described.channels
  expect(up?.servers.map(({ $ref }) => $ref)).toContain(`#/servers/${name}`)
  const { clientId = '', cleanSession = false } = server?.bindings?.mqtt ?? {}
  const inPlace = (text: string): string => text.replace('{device}', HELLO.device)
  const client = await connectAsync(`${server?.protocol}://${server?.host}${server?.pathname ?? ''}`, {
    clientId: inPlace(clientId),
    clean: cleanSession,
    username: 'any',
    password: 'ann',
    reconnectPeriod: 0,
  })
  const { operations } = described
  const qosOf = (operation: string): 0 | 1 => operations[operation]?.bindings?.mqtt?.qos ?? 0
  expect([qosOf('devices_mqtt_receive'), qosOf('devices_mqtt_send')]).toEqual([1, 0])
  await client.subscribeAsync(inPlace(down?.address ?? ''), { qos: qosOf('devices_mqtt_send') })
  const heard = new Promise<string>((resolve) =>
    client.once('message', (_topic, payload) => resolve(payload.toString())),
  )
  await client.publishAsync(inPlace(up?.address ?? ''), JSON.stringify(HELLO), {
    qos: qosOf('devices_mqtt_receive'),
  })
  expect(JSON.parse(await heard)).toMatchObject({ t: 'welcome' })
  await client.endAsync()
})

test('how the token is shown is said for each server', () => {
  const { securitySchemes } = described.components
  expect(Object.values(securitySchemes).map(({ type }) => type)).toEqual(['http', 'userPassword'])
  for (const server of Object.values(described.servers)) expect(server).toHaveProperty('security.0.$ref')
})

test('its limits are those of what an app sends; what an app gets is bounded by the config', () => {
  const { description } = described.info
  expect(description).toContain('What an app sends has its limits: a frame 65536 bytes')
  expect(description).toContain('up to 5242880 bytes here')
})

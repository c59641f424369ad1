// In a worker: what is told to a channel reaches all who listen, whatever one of them does.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type {
  ChannelHost,
  Draft,
  HttpRequest,
  Identity,
  Socket,
  SocketOptions,
} from '../../../../core/api.ts'
import { channelService } from '../../../../core/plugins/channel-service.ts'
import type { Hosted } from '../../../../core/plugins/hosted.ts'
import type { Rpc } from '../../../../core/plugins/rpc.ts'
import { workerHost } from '../../../../core/plugins/worker-host.ts'
import { testHost } from '../../../../core/testing.ts'
import { testSocket } from '../../../../core/testing/socket.ts'
import { recordingLog } from '../http/recording-log.ts'

const silent: Rpc = { call: async () => undefined, tell() {}, flush() {}, close() {} }
const never = new AbortController().signal
const failing = (): never => {
  throw new Error('deaf')
}

test('an ear that throws is logged, and the later ones hear it all the same', () => {
  const { log, lines } = recordingLog()
  const { host, services } = workerHost(silent, 1, { id: 'demo', operations: {}, log })
  const heard: unknown[] = []
  host.onTold((said) => void heard.push(['first', said]))
  host.onTold(failing)
  host.onTold((said) => void heard.push(['last', said]))
  services['told']?.([7], never)
  expect(heard).toEqual([
    ['first', 7],
    ['last', 7],
  ])
  expect(lines).toMatchObject([{ level: 'error', fields: { channel: 'demo', error: { message: 'deaf' } } }])
})

test('a listener to the end of a WebSocket that throws is logged, and keeps it from no other', () => {
  const { log, lines } = recordingLog()
  const { host, services } = workerHost(silent, 1, { id: 'demo', operations: {}, log })
  let opened: Socket | undefined
  const ends: unknown[] = []
  host.socket('/ws', (socket) => {
    opened = socket
    socket.onClose(failing)
    socket.onClose((...end) => void ends.push(end))
  })
  services['socket.open']?.([0, 5, '', {}], never)
  services['socket.closed']?.([5, 1001, 'away'], never)
  expect(ends).toEqual([[1001, 'away']])
  expect(lines).toMatchObject([{ level: 'error', fields: { error: { message: 'deaf' } } }])
  opened?.onClose((...end) => void ends.push(end))
  expect(ends).toHaveLength(2)
})

test('that callers of a WebSocket identify later, and who they are then, passes from the worker to the gateway', () => {
  const ann: Identity = { role: 'customer', id: 'ann', until: 7 }
  const { socket, peer } = testSocket()
  const given: SocketOptions[] = []
  const outer: ChannelHost = {
    ...testHost(),
    socket(_path, handler, options = {}) {
      given.push(options)
      handler(socket, {} as HttpRequest) // nothing of it is looked at here
    },
  }
  const hosted = {
    call: async (method: string, args: readonly unknown[]) => worker.services[method]?.(args, never),
    tell: (method: string, ...args: readonly unknown[]) => void worker.services[method]?.(args, never),
  } as unknown as Hosted // all that the service asks of it
  const refusal = (why: string): GatewayError => new GatewayError('CHANNEL_GONE', why)
  const service = channelService(outer, {
    hosted: () => hosted,
    refusal,
    handlerRefusal: refusal,
  })
  const rpc: Rpc = { ...silent, tell: (method, [, ...args]) => void service.services[method]?.(args, never) }
  const worker = workerHost(rpc, 1, { id: 'demo', operations: {}, log: recordingLog().log })
  worker.host.socket('/ws', (opened) => opened.identified(ann), { identifiesLater: true, expiredCode: 4403 })
  expect(given).toMatchObject([{ identifiesLater: true, expiredCode: 4403 }])
  expect(peer.who).toEqual(ann)
})

test('of the handshake that a credential came with the worker tells the address and the headers, or the address alone', async () => {
  const asked: unknown[] = []
  const rpc: Rpc = { ...silent, call: async (_method, args) => void asked.push(args.at(-1)) }
  const { host } = workerHost(rpc, 1, { id: 'demo', operations: {}, log: recordingLog().log })
  const came = { remote: '192.0.2.1', headers: { host: 'desk.example' } }
  const request = { ...came, method: 'GET', uncloneable: () => undefined }
  for (const from of [request, '192.0.2.2', undefined]) await host.identify({ scheme: 'none' }, from)
  expect(asked).toEqual([came, '192.0.2.2', undefined])
})

test('a draft that is none is a mistake that its own line throws; bytes that are none are left to who judges drafts', async () => {
  const asked: unknown[] = []
  const rpc: Rpc = { ...silent, call: async (_method, args) => void asked.push(args[1]) }
  const { host } = workerHost(rpc, 1, { id: 'demo', operations: {}, log: recordingLog().log })
  const accept = (draft: unknown) => host.accept(draft as Draft)
  await expect(accept(undefined)).rejects.toThrow(
    new TypeError('host.accept takes a draft, { kind, type, sender, … }; this is undefined'),
  )
  await accept({ raw: { mediaType: 'text/plain', bytes: 'text' } })
  await accept({ raw: null })
  expect(asked).toEqual([{ raw: { mediaType: 'text/plain', bytes: 'text' } }, { raw: null }])
})

// Programs nobody here wrote, through a real gateway to a REST backend that never heard of XML.
import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { decodeText, encodeText } from '../../../../adapters/xml/charset.ts'
import { startGateway, type GatewayProcess } from '../../../support/gateway.ts'
import { fixtures } from './service.ts'

let gateway: GatewayProcess
const started = new AsyncDisposableStack()
const seen: unknown[] = []

beforeAll(async () => {
  const business = createServer((request, response) => {
    const chunks: Uint8Array[] = []
    request.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    request.on('end', () => {
      const params: unknown = JSON.parse(Buffer.concat(chunks).toString() || 'null')
      seen.push(params)
      const types = JSON.parse(String(request.headers['x-types'] ?? '{}')) as Record<string, string>
      const [status, type, data] = answer(request.url ?? '', params, types)
      response.writeHead(status, { 'content-type': type }).end(JSON.stringify(data))
    })
  })
  await new Promise<void>((ready) => business.listen(0, '127.0.0.1', ready))
  started.defer(() => void business.close())
  const { port } = business.address() as AddressInfo // it listens on TCP
  gateway = started.use(await startGateway({ yaml: config(port) }))
}, 30_000)

afterAll(async () => {
  await started.disposeAsync()
})

function config(port: number): string {
  return `
channels:
  rpc:
    adapter: webservice
    path: /RPC2
    operations: { echo: { kind: request }, fail: { kind: request }, kinds: { kind: request } }
  erp:
    adapter: webservice
    path: /erp
    charset: gb18030
    operations:
      GetOrder: { kind: request, example: { orderNo: "000777" } }
      Shipped: { kind: event, type: "'order.shipped'" }
backends:
  shop:
    adapter: rest
    url: http://127.0.0.1:${port}
    operations:
      '*': { method: POST, path: '/{operation}' }
      kinds: { headers: { x-types: '$message.metadata."xmlrpc:types"' } }
routes:
  - { when: "kind = 'request'", backend: shop }
  - { reply: "noted" , when: "kind = 'event'" }
`
}

/** The service the client programs expect. */
function answer(
  path: string,
  params: unknown,
  types: Record<string, string>,
): readonly [status: number, type: string, data: unknown] {
  const list = listOf(params)
  if (path === '/fail')
    return [422, 'application/problem+json', { code: 4, title: 'Too many <parameters> ü' }]
  if (path === '/kinds')
    return [200, 'application/json', list?.map((value, at) => kind(value, types[`/params/${at}`]))]
  return [200, 'application/json', list === undefined ? params : list[0]]
}

function listOf(params: unknown): readonly unknown[] | undefined {
  if (typeof params !== 'object' || params === null || !('params' in params)) return undefined
  return Array.isArray(params.params) ? params.params : undefined
}

function kind(value: unknown, type: string | undefined): string {
  if (type === 'base64') return `base64:${Buffer.from(String(value), 'base64').length}`
  if (type === 'dateTime.iso8601')
    return `date:${String(value).replace(/^(\d{4})(\d\d)(\d\d)T/u, '$1-$2-$3T')}.000Z`
  if (type !== undefined || typeof value === 'number') return `number:${String(value)}`
  if (Array.isArray(value)) return `array:${value.length}`
  return typeof value === 'object' && value !== null
    ? `struct:${Object.keys(value).join()}`
    : `${typeof value}:${String(value)}`
}

interface Client {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  /** Ends with 0 where the libraries are installed. */
  readonly probe: readonly string[]
  /** Lines of the program that are no "ok", and right. */
  readonly said?: readonly RegExp[]
}

const file = (name: string): string => fileURLToPath(new URL(`xmlrpc-clients/${name}`, fixtures))
// Ruby refuses nil unless it is told to take it.
const nilInRuby =
  'require "xmlrpc/client"; XMLRPC::Config.module_eval { remove_const(:ENABLE_NIL_PARSER); const_set(:ENABLE_NIL_PARSER, true) }; load ARGV.shift'
const clients: readonly Client[] = [
  {
    name: 'Python xmlrpc.client',
    program: '/usr/bin/python3',
    args: [file('client.py')],
    probe: ['-c', 'import xmlrpc.client'],
    // What it wants for an unknown method is a fault, whatever its number.
    said: [/^X13 unknown method FAIL got \('fault', -32601, /u],
  },
  {
    name: 'PHP xmlrpc',
    program: 'php',
    args: [file('client.php')],
    probe: ['-r', 'exit(function_exists("xmlrpc_decode") ? 0 : 1);'],
  },
  {
    name: 'Perl RPC::XML, Frontier, XMLRPC::Lite',
    program: 'perl',
    args: [file('client.pl')],
    probe: ['-MRPC::XML::Client', '-MFrontier::Client', '-MXMLRPC::Lite', '-e', '1'],
  },
  {
    name: 'Ruby xmlrpc',
    program: 'ruby',
    args: ['-W0', '-e', nilInRuby, file('client.rb')],
    probe: ['-e', 'require "xmlrpc/client"'],
  },
  {
    name: 'Tcl xmlrpc',
    program: 'tclsh',
    args: [file('client.tcl')],
    probe: [file('client.tcl'), 'http://127.0.0.1:9/RPC2'],
    // Its call gives a pair: what was left over, and the value.
    said: [/^X02 FAIL got \{\} -5$/u],
  },
]

describe('XML-RPC clients', () => {
  // Skipped where the interpreter or its library is not installed.
  test.for(clients)('$name', { timeout: 60_000 }, async ({ program, args, probe, said = [] }, { skip }) => {
    skip(spawnSync(program, [...probe], { timeout: 10_000 }).status !== 0, 'it is not installed')
    const lines = (await run(program, [...args, `${gateway.base}/RPC2`])).trim().split('\n')
    const others = lines.filter((line) => !line.endsWith(' ok'))
    expect(others.filter((line) => !said.some((pattern) => pattern.test(line)))).toEqual([])
    expect(others).toHaveLength(said.length)
  })
})

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], { timeout: 30_000 })
    let out = ''
    child.stdout.on('data', (chunk) => (out += String(chunk)))
    child.stderr.on('data', (chunk) => (out += String(chunk)))
    child.on('error', reject)
    child.on('close', () => resolve(out))
  })
}

describe('the same order by every way', () => {
  const order = { orderNo: '000777', name: '王小明 <&>', price: '1.10', id: '9007199254740993' }
  const pox =
    '<orderNo>000777</orderNo><name>王小明 &lt;&amp;&gt;</name><price>1.10</price><id>9007199254740993</id>'

  test('plain XML in GBK', async () => {
    const response = await fetch(`${gateway.base}/erp`, {
      method: 'POST',
      headers: { 'content-type': 'text/xml; charset=gbk' },
      body: Buffer.from(encodeText(`<GetOrder>${pox}</GetOrder>`, 'gbk') ?? ''),
    })
    const text = decodeText(new Uint8Array(await response.arrayBuffer()), 'gbk')
    expect([response.status, seen.at(-1)]).toEqual([200, order])
    expect(text.replaceAll('&gt;', '>')).toContain(
      `<GetOrderResponse>${pox.replaceAll('&gt;', '>')}</GetOrderResponse>`,
    )
  })

  test('a form in GB18030, a GET in it', async () => {
    const form = 'orderNo=000777&name=%CD%F5%D0%A1%C3%F7+%3C%26%3E&price=1.10&id=9007199254740993'
    for (const request of [
      new Request(`${gateway.base}/erp/GetOrder?${form}`),
      new Request(`${gateway.base}/erp/GetOrder`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form,
      }),
    ]) {
      const response = await fetch(request)
      const text = decodeText(new Uint8Array(await response.arrayBuffer()), 'gb18030')
      expect([response.status, seen.at(-1)]).toEqual([200, order])
      expect(text).toContain('<id>9007199254740993</id>')
    }
  })

  test('an event is answered when it is stored, again with its own key as a duplicate', async () => {
    const send = async (): Promise<string> => {
      const response = await fetch(`${gateway.base}/erp`, {
        method: 'POST',
        headers: { 'content-type': 'text/xml; charset=utf-8', 'idempotency-key': 'shipped-1' },
        body: '<Shipped><orderNo>7</orderNo></Shipped>',
      })
      return response.text()
    }
    const first = await send()
    const id = /<id>([0-9a-f-]{36})<\/id>/u.exec(first)?.[1]
    expect(id).toBeDefined()
    expect(first).toContain('<duplicate>false</duplicate>')
    const second = await send()
    expect(second).toContain(`<id>${id}</id>`)
    expect(second).toContain('<duplicate>true</duplicate>')
  })

  test('the command the gateway prints is answered', async () => {
    const hint =
      gateway
        .output()
        .split('\n')
        .find((line) => line.startsWith('curl') && line.includes('GetOrder')) ?? ''
    expect(await run('sh', ['-c', hint])).toContain('<orderNo>000777</orderNo>')
  })
})

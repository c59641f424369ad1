// A dead business system still gets an answer (DESIGN §6, §7): last good answers, marked in every protocol, also after a restart.
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import { metric, post, say } from '../support/rest.ts'

const WSDL = resolve(import.meta.dirname, '../../config/crm.wsdl')
const order = {
  orderNo: '000777',
  id: '9007199254740993',
  customer: '王小明 <&>',
  status: 'shipped',
  total: '1.10',
  lines: [{ sku: '0012', quantity: 1 }],
}
const yaml = (operation: string, more = ''): string => `
channels:
  web: { adapter: rest }
  crm: { adapter: soap, path: /crm, wsdl: "${WSDL}" }
  erp: { adapter: webservice, path: /erp, parameters: { GetOrder: [orderNo] } }
backends:
  orders:
    adapter: orders
    timeout: 5s
    operations:
      GetOrder: ${operation}
${more}
routes: [{ backend: orders }]
`
const cached = '{ public: true, cache: { fresh: 0s, stale: 1h } }'

function orders() {
  return handBackend(
    'orders',
    { GetOrder: { safe: true }, CreateOrder: { safe: false, idempotent: true } },
    async () => ({ data: order }),
  )
}
const down = async (): Promise<never> => {
  throw new GatewayError('BACKEND_FAILED', 'connection refused', { notExecuted: true })
}
const ask = (base: string, params: object = { orderNo: '000777' }) =>
  post<Record<string, unknown>>(`${base}/v1/requests/GetOrder`, params)

function answersIn(file: string): unknown {
  const reader = new DatabaseSync(file, { readOnly: true })
  try {
    return reader.prepare('SELECT count(*) AS n FROM answer').get()?.['n']
  } finally {
    reader.close()
  }
}

interface Caller {
  readonly name: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The dialect's own mark. */
  readonly mark: RegExp | undefined
}
const envelope = (namespace: string): string =>
  `<e:Envelope xmlns:e="${namespace}"><e:Body><GetOrder xmlns="urn:example:crm"><orderNo>000777</orderNo></GetOrder></e:Body></e:Envelope>`
const callers: readonly Caller[] = [
  {
    name: 'REST',
    path: '/v1/requests/GetOrder',
    headers: { 'content-type': 'application/json' },
    body: '{"orderNo":"000777"}',
    mark: /"stale":true/u,
  },
  {
    name: 'SOAP 1.1',
    path: '/crm',
    headers: { 'content-type': 'text/xml', soapaction: '""' },
    body: envelope('http://schemas.xmlsoap.org/soap/envelope/'),
    mark: /<[\w:]*Header>.*[sS]tale/su,
  },
  {
    name: 'SOAP 1.2',
    path: '/crm',
    headers: { 'content-type': 'application/soap+xml' },
    body: envelope('http://www.w3.org/2003/05/soap-envelope'),
    mark: /<[\w:]*Header>.*[sS]tale/su,
  },
  {
    name: 'plain XML',
    path: '/erp',
    headers: { 'content-type': 'text/xml' },
    body: '<GetOrder><orderNo>000777</orderNo></GetOrder>',
    mark: /<GetOrderResponse [^>]*stale="true"/u,
  },
  { name: 'ASMX', path: '/erp/GetOrder?orderNo=000777', mark: /<\w+ [^>]*stale="true"/u },
  {
    name: 'XML-RPC',
    path: '/erp',
    headers: { 'content-type': 'text/xml' },
    body: '<methodCall><methodName>GetOrder</methodName><params><param><value>000777</value></param></params></methodCall>',
    mark: undefined,
  },
]

test('the mark crosses every protocol: Age and Cache-Status, and the dialect’s own', async () => {
  const backend = orders()
  const calm = yaml(cached).replace('timeout: 5s', 'timeout: 5s\n    breaker: { minimumCalls: 1000 }')
  await using house = await openHouse({ yaml: calm, adapters: [backend.adapter] })
  const call = async ({ path, headers, body }: Caller) => {
    const response = await fetch(`${house.base}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      ...(headers !== undefined && { headers }),
      ...(body !== undefined && { body }),
    })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  for (const caller of callers) {
    backend.call = async () => ({ data: order })
    const first = await call(caller)
    expect(first.status, caller.name).toBe(200)
    expect(first.headers.get('cache-status'), caller.name).toBeNull()
    expect(first.text, caller.name).not.toMatch(/stale/iu)
    backend.call = down
    const stale = await call(caller)
    expect(stale.status, caller.name).toBe(200)
    expect(stale.text, caller.name).toContain('9007199254740993')
    expect(stale.headers.get('cache-status'), caller.name).toBe('dragoman; hit; detail=stale')
    expect(stale.headers.get('age'), caller.name).toMatch(/^\d+$/u)
    if (caller.mark !== undefined) expect(stale.text, caller.name).toMatch(caller.mark)
  }
  const stale = 'dragoman_stale_answers_total{backend="orders",operation="GetOrder"}'
  expect(await metric(house.base, stale)).toBe(callers.length)
})

test('a public answer serves callers of another protocol, one that is not public only the caller it was made for', async () => {
  const backend = orders()
  await using house = await openHouse({ yaml: yaml(cached), adapters: [backend.adapter] })
  await ask(house.base)
  backend.call = down
  const xml = await fetch(`${house.base}/erp/GetOrder?orderNo=000777`)
  expect([xml.status, xml.headers.get('cache-status')]).toEqual([200, 'dragoman; hit; detail=stale'])

  backend.call = async () => ({ data: order })
  await house.reload(yaml('{ cache: { fresh: 0s, stale: 1h } }'))
  const header = (name: string) => ({ headers: { authorization: `Bearer ${name}` } })
  const as = (name: string) => post(`${house.base}/v1/requests/GetOrder`, { orderNo: '1' }, header(name))
  expect((await as('ann')).status).toBe(200)
  backend.call = down
  expect((await as('bob')).status).toBe(502)
  expect((await as('ann')).headers.get('cache-status')).toBe('dragoman; hit; detail=stale')
})

test('a question in other words gets the last good answer too, where the call does not read the words', async () => {
  const backend = handBackend(
    'orders',
    { GetOrder: { safe: true, readsMessage: false }, Read: { safe: true } },
    async () => ({ data: order }),
  )
  const route = (operation: string): string =>
    `{ when: "type = 'text'", backend: orders, operation: ${operation}, params: "{ 'orderNo': $match($message.parts[0].text, /[0-9]+/).match }" }`
  const asking = (operation: string): string =>
    yaml(cached, `      Read: ${cached}`).replace('routes: [', `routes: [${route(operation)}, `)
  await using house = await openHouse({ yaml: asking('GetOrder'), adapters: [backend.adapter] })
  const asked = async (text: string) => {
    const { status, body } = await say(house.base, text, { waitSeconds: 5 })
    return [status, body.reply]
  }
  const known = [200, expect.objectContaining({ data: order, stale: true })]
  const anew = [200, expect.not.objectContaining({ stale: true })]
  expect(await asked('where is 7?')).toEqual(anew)
  backend.call = down
  expect(await asked('Please, order 7!')).toEqual(known)
  expect((await asked('where is 8?'))[0]).toBe(502)

  backend.call = async () => ({ data: order })
  await house.reload(asking('Read'))
  expect(await asked('where is 7?')).toEqual(anew)
  backend.call = down
  expect(await asked('where is 7?')).toEqual(known)
  expect((await asked('Please, order 7!'))[0]).toBe(502)
})

test('a fresh answer costs no call; a write makes it untrue, whatever its outcome', async () => {
  const backend = orders()
  const write = '      CreateOrder: { invalidates: [GetOrder] }'
  const fresh = '{ cache: { fresh: 1h, stale: 2h } }'
  await using house = await openHouse({ yaml: yaml(fresh, write), adapters: [backend.adapter] })
  const reads = (): number => backend.calls.filter(({ operation }) => operation === 'GetOrder').length
  await ask(house.base)
  const hit = await ask(house.base)
  expect(reads()).toBe(1)
  expect([hit.headers.get('cache-status'), hit.body['stale']]).toEqual(['dragoman; hit', undefined])
  const create = () => post(`${house.base}/v1/requests/CreateOrder`, {})
  expect((await create()).status).toBe(200)
  await ask(house.base)
  expect(reads()).toBe(2)
  backend.call = async () => {
    throw new GatewayError('BACKEND_FAILED', 'reset') // it may have been done
  }
  expect((await create()).status).toBe(502)
  backend.call = async () => ({ data: order })
  await ask(house.base)
  expect(reads()).toBe(3)
  backend.call = down // nothing was done: what is known is still true
  expect((await create()).status).toBe(502)
  await ask(house.base)
  expect(reads()).toBe(3)
})

test('a write makes untrue what was answered by a name that only `*` stands for', async () => {
  const backend = handBackend(
    'orders',
    { '*': { safe: true }, CreateOrder: { safe: false, idempotent: true } },
    async () => ({ data: order }),
  )
  const write = "      CreateOrder: { invalidates: ['*'] }"
  const kept = yaml('{ cache: { fresh: 1h, stale: 2h } }', write).replace('GetOrder: {', "'*': {")
  await using house = await openHouse({ yaml: kept, adapters: [backend.adapter] })
  const reads = (): number => backend.calls.filter(({ operation }) => operation === 'GetOrder').length
  await ask(house.base)
  await ask(house.base)
  expect(reads()).toBe(1)
  expect((await post(`${house.base}/v1/requests/CreateOrder`, {})).status).toBe(200)
  await ask(house.base)
  expect(reads()).toBe(2)
})

test('an answer that was torn on the way is never kept, and the last whole one stands in', async () => {
  let tear = false
  const server: Server = createServer((_request, response) => {
    const body = JSON.stringify(order)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length + 20 })
    if (!tear) response.end(body.padEnd(body.length + 20))
    else {
      response.write(body.slice(0, 20))
      setTimeout(() => response.destroy(), 20)
    }
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  try {
    await using house = await openHouse({
      yaml: yaml(
        `{ method: GET, path: "/{orderNo}", public: true, cache: { fresh: 0s, stale: 1h } }`,
      ).replace('adapter: orders', `adapter: rest\n    url: http://127.0.0.1:${port}`),
    })
    tear = true
    expect((await ask(house.base)).status).toBe(502)
    expect((await ask(house.base)).status).toBe(502)
    tear = false
    expect((await ask(house.base)).body['stale']).toBeUndefined()
    tear = true
    expect((await ask(house.base)).body).toMatchObject({ id: '9007199254740993', stale: true })
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

test('while its plugin cannot be loaded the answers of before stand in', async () => {
  const said = '{ cache: { fresh: 0s, stale: 1h } }'
  const first = await openHouse({ yaml: yaml(said), adapters: [orders().adapter] })
  expect((await ask(first.base)).body).toEqual(order)
  await first.stop()
  await using house = await openHouse({
    yaml: yaml(said),
    directory: first.directory,
    plugins: { 'orders.ts': 'export default (' },
  })
  expect((await ask(house.base)).body).toEqual({ ...order, stale: true })
  expect((await ask(house.base, { orderNo: '1' })).status).toBe(503)
})

test('a fixed answer stands in where there is no other', async () => {
  const backend = orders()
  backend.call = down
  await using house = await openHouse({
    yaml: yaml('{ static: { status: unknown } }'),
    adapters: [backend.adapter],
  })
  expect((await ask(house.base)).body).toEqual({ status: 'unknown', stale: true })
})

test.each([
  '{ static: { status: unknown } }',
  '{ static: { status: unknown }, cache: { fresh: 0s, stale: 1h } }',
  '{ static: { status: unknown }, retry: { attempts: 2 } }',
])('with a fixed answer its system still gets the parameters and the key as they came: %s', async (said) => {
  const backend = orders()
  await using house = await openHouse({ yaml: yaml(said), adapters: [backend.adapter] })
  const answer = await ask(house.base, { orderNo: '000777', lines: ['0012'] })
  expect([answer.status, answer.body]).toEqual([200, order])
  const [call] = backend.calls
  expect(call?.params).toEqual({ orderNo: '000777', lines: ['0012'] })
  expect(call?.key).toBe(call?.message.id)
})

test('with a fixed answer a path has its parameters, and a body is the one that was sent', async () => {
  const seen: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${body}`)
      response.setHeader('content-type', 'application/json').end('{}')
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  try {
    for (const said of [
      '{ method: GET, path: "/orders/{orderNo}", static: {} }',
      '{ method: POST, path: "/find", safe: true, static: {} }',
    ]) {
      await using house = await openHouse({
        yaml: yaml(said).replace('adapter: orders', `adapter: rest\n    url: http://127.0.0.1:${port}`),
      })
      expect((await ask(house.base)).status).toBe(200)
    }
  } finally {
    server.close()
    server.closeAllConnections()
  }
  expect(seen).toEqual(['GET /orders/000777 ', 'POST /find {"orderNo":"000777"}'])
})

test('the breaker opens within 10 failing calls though 75 % of the traffic is served from the cache', async () => {
  const backend = orders()
  await using house = await openHouse({
    yaml: yaml('{ public: true, cache: { fresh: 1h, stale: 2h } }'),
    adapters: [backend.adapter],
  })
  await ask(house.base, { orderNo: 'hot' })
  const before = backend.calls.length
  backend.call = down
  for (let n = 0; n < 80; n++)
    await ask(house.base, n % 4 === 0 ? { orderNo: `cold-${n}` } : { orderNo: 'hot' })
  expect(backend.calls.length - before).toBeLessThanOrEqual(10)
  expect(house.log()).toContain('breaker OPEN')
})

test('after a restart with the system down it is still answered, within the same age; the command line makes it forget', async () => {
  const directory = await temporaryDirectory()
  const port = await freePort()
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(order))
  })
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  const config = yaml(
    `{ method: GET, path: "/{orderNo}", public: true, cache: { fresh: 0s, stale: 1h } }`,
  ).replace('adapter: orders', `adapter: rest\n    url: http://127.0.0.1:${port}`)
  {
    await using first = await startGateway({ yaml: config, directory })
    expect((await ask(first.base)).status).toBe(200)
    server.close()
    server.closeAllConnections()
    await until(() => (answersIn(join(directory, 'data', 'cache.db')) === 1 ? true : undefined))
    await first.kill()
  }
  await using second = await startGateway({ yaml: config, directory })
  const stale = await ask(second.base)
  expect([stale.status, stale.body['stale'], stale.body['id']]).toEqual([200, true, order.id])

  const run = async (...args: readonly string[]): Promise<string> => {
    const bin = resolve(import.meta.dirname, '../../bin/dragoman.ts')
    const where = ['--config', join(directory, 'gateway.yaml'), '--data', join(directory, 'data')]
    return (await promisify(execFile)(process.execPath, [bin, ...args, ...where])).stdout
  }
  expect(await run('cache')).toMatch(/orders\.GetOrder +1 /u)
  expect(await run('cache', 'drop', 'orders', 'GetOrder', '--params', '{"orderNo":"1"}')).toContain(
    '0 answers',
  )
  expect(await run('cache', 'drop', 'orders', 'GetOrder', '--params', '{"orderNo":"000777"}')).toContain(
    '1 answer of orders.GetOrder dropped.',
  )
  expect((await ask(second.base)).status).toBe(502)
  expect(await run('cache')).toContain('The cache is empty.')
  await expect(run('cache', 'drop', 'nobody', 'GetOrder')).rejects.toThrow(/no backend is named "nobody"/u)
  await until(() => (second.log().includes('"stale":true') ? true : undefined))
})

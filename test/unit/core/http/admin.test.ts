import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { adminMounts, type AdminSource, type Unready } from '../../../../core/http/admin.ts'
import { ADMIN_TOKEN, running } from './raw-client.ts'

const authorization = `Bearer ${ADMIN_TOKEN}`

function source(changes: Partial<AdminSource> = {}): AdminSource {
  return {
    messageBytes: 1_000_000,
    unready: () => Promise.resolve([]),
    metrics: () =>
      Promise.resolve({ contentType: 'text/plain; version=0.0.4; charset=utf-8', text: 'a 1\n' }),
    status: () => ({ generation: 3 }),
    trace: (id) => Promise.resolve(id === 'm/1' ? { steps: ['receive'] } : undefined),
    reload: () => Promise.resolve({ generation: 4 }),
    ledger: () => ({ offered: 1 }),
    ...changes,
  }
}

async function admin(changes?: Partial<AdminSource>, host = '127.0.0.1') {
  const edge = await running({ mounts: adminMounts(source(changes)), http: { host } })
  const ask = async (path: string, init?: RequestInit) => {
    const answer = await fetch(`http://127.0.0.1:${edge.port}${path}`, init)
    const text = await answer.text()
    const isJson = /json/u.test(answer.headers.get('content-type') ?? '')
    const body: unknown = isJson ? JSON.parse(text) : text
    return { status: answer.status, headers: answer.headers, body }
  }
  return { ask, edge, [Symbol.asyncDispose]: () => edge[Symbol.asyncDispose]() }
}

test('on loopback health, readiness and metrics need no token', async () => {
  await using gateway = await admin()
  expect(await gateway.ask('/healthz')).toMatchObject({ status: 200, body: { status: 'alive' } })
  expect(await gateway.ask('/readyz')).toMatchObject({ status: 200, body: { ready: true, reasons: [] } })
  const metrics = await gateway.ask('/metrics')
  expect(metrics).toMatchObject({ status: 200, body: 'a 1\n' })
  expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(metrics.headers.get('cache-control')).toBe('no-store')
})

test('on another address they need the admin token', async () => {
  await using gateway = await admin({}, '0.0.0.0')
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    expect((await gateway.ask(path)).status).toBe(401)
    expect((await gateway.ask(path, { headers: { authorization } })).status).toBe(200)
  }
})

test('not ready is 503 with every reason', async () => {
  const reasons: Unready[] = [
    { part: 'store', reason: 'disk is full' },
    { part: 'route 3', reason: 'agent crm is gone' },
  ]
  await using gateway = await admin({ unready: () => Promise.resolve(reasons) })
  expect(await gateway.ask('/readyz')).toMatchObject({ status: 503, body: { ready: false, reasons } })
})

test.each([
  ['GET', '/admin/v1/status'],
  ['GET', '/admin/v1/ledger'],
  ['GET', '/admin/v1/trace/x'],
  ['GET', '/admin/v1/trace?id=x'],
  ['GET', '/admin/v1/dead-letters'],
  ['POST', '/admin/v1/reload'],
  ['GET', '/admin/v1'],
  ['GET', '/admin/v1/nothing'],
])('%s %s always needs the token, on loopback too', async (method, path) => {
  let touched = false
  const touch = () => {
    touched = true
    return Promise.resolve({})
  }
  await using gateway = await admin({
    status: touch,
    ledger: touch,
    trace: touch,
    reload: touch,
  })
  expect((await gateway.ask(path, { method })).status).toBe(401)
  expect((await gateway.ask(path, { method, headers: { authorization: 'Bearer wrong' } })).status).toBe(401)
  expect(touched).toBe(false)
})

test('with the token the pages answer', async () => {
  await using gateway = await admin()
  const ask = (path: string, method = 'GET') => gateway.ask(path, { method, headers: { authorization } })
  expect(await ask('/admin/v1/status')).toMatchObject({ status: 200, body: { generation: 3 } })
  expect(await ask('/admin/v1/ledger')).toMatchObject({ status: 200, body: { offered: 1 } })
  expect(await ask('/admin/v1/reload', 'POST')).toMatchObject({ status: 200, body: { generation: 4 } })
  expect(await ask('/admin/v1/trace?id=m%2F1')).toMatchObject({ status: 200, body: { steps: ['receive'] } })
  expect(await ask('/admin/v1/trace?id=unknown')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  expect(await ask('/admin/v1/trace/unknown')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
  expect(await ask('/admin/v1/nothing')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } })
})

test('another method is 405 with what is allowed (RFC 9110 §15.5.6), and a GET never reloads', async () => {
  let reloads = 0
  await using gateway = await admin({ reload: () => Promise.resolve({ reloads: (reloads += 1) }) })
  const reload = await gateway.ask('/admin/v1/reload', { headers: { authorization } })
  expect([reload.status, reload.headers.get('allow'), reloads]).toEqual([405, 'POST', 0])
  const health = await gateway.ask('/healthz', { method: 'POST' })
  expect([health.status, health.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  const trace = await gateway.ask('/admin/v1/trace/x', { method: 'DELETE', headers: { authorization } })
  expect([trace.status, trace.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})

test('a path that ends where its id should stand is 404: no method is served there', async () => {
  await using gateway = await admin()
  for (const path of ['/admin/v1/trace/', '/admin/v1/trace', '/admin/v1/status/'])
    expect((await gateway.ask(path, { headers: { authorization } })).status).toBe(404)
})

test('HEAD is GET without the body', async () => {
  await using gateway = await admin()
  const head = await gateway.ask('/metrics', { method: 'HEAD' })
  expect([head.status, head.headers.get('content-length'), head.body]).toEqual([200, '4', ''])
})

test('a reload that fails is told in its own words; a mistake of ours is not', async () => {
  const bad = new GatewayError('DECODE_FAILED', 'gateway.yaml:3:1: unknown key "rotes"')
  await using gateway = await admin({
    reload: () => Promise.reject(bad),
    status: () => {
      throw new Error('secret detail')
    },
  })
  expect(await gateway.ask('/admin/v1/reload', { method: 'POST', headers: { authorization } })).toMatchObject(
    {
      status: 400,
      body: { detail: 'gateway.yaml:3:1: unknown key "rotes"' },
    },
  )
  const status = await gateway.ask('/admin/v1/status', { headers: { authorization } })
  expect(status.status).toBe(500)
  expect(JSON.stringify(status.body)).not.toContain('secret')
  expect(gateway.edge.lines).toHaveLength(1)
})

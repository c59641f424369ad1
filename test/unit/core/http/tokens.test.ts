import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { expect, test } from 'vitest'
import { createTokenCheck } from '../../../../core/http/tokens.ts'
import { recordingLog } from './recording-log.ts'

const { log } = recordingLog()

const SECRET = 'a secret of the customers, long enough'
const AGENTS = 'a secret of the agents, long enough too'
const bytes = (text: string) => new TextEncoder().encode(text)

function sign(payload: JWTPayload, secret = SECRET, algorithm = 'HS256'): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: algorithm }).sign(bytes(secret))
}

const now = () => Math.floor(Date.now() / 1000)

test('a customer is who sub says', async () => {
  const check = createTokenCheck({ customers: { secret: SECRET } }, { log })
  for (const id of ['alice', '王小明', '𝕏'.repeat(256)])
    expect(await check(await sign({ sub: id }))).toEqual({ role: 'customer', id })
})

test('whom a token names is good until the moment from which the token would be refused', async () => {
  let time = Date.now()
  const check = createTokenCheck({ customers: { secret: SECRET } }, { log, now: () => time })
  const token = await sign({ sub: 'alice', exp: now() + 60 })
  const until = (await check(token))?.until ?? 0
  for (const remembered of [true, false]) {
    time = remembered ? time : until - 1
    expect(await check(token)).toEqual({ role: 'customer', id: 'alice', until })
  }
  time = until
  expect(await check(token)).toBeUndefined()
})

test("an agent has roles; the customers' key makes no agent, and agents without roles are none", async () => {
  const check = createTokenCheck({ customers: { secret: SECRET }, agents: { secret: AGENTS } }, { log })
  const roles = ['desk', 'lead']
  expect(await check(await sign({ sub: 'amy', roles }, AGENTS))).toEqual({ role: 'agent', id: 'amy', roles })
  expect(await check(await sign({ sub: 'mallory', roles }))).toEqual({ role: 'customer', id: 'mallory' })
  expect(await check(await sign({ sub: 'amy' }, AGENTS))).toBeUndefined()
  expect(await check(await sign({ sub: 'amy', roles: [] }, AGENTS))).toBeUndefined()
  expect(await check(await sign({ sub: 'amy', roles: ['desk', 7] }, AGENTS))).toBeUndefined()
  expect(await check(await sign({ sub: 'a\ny', roles }, AGENTS))).toBeUndefined()
})

test('with one key for both, roles make the agent', async () => {
  const check = createTokenCheck({ customers: { secret: SECRET }, agents: { secret: SECRET } }, { log })
  expect(await check(await sign({ sub: 'amy', roles: ['desk'] }))).toMatchObject({ role: 'agent' })
  expect(await check(await sign({ sub: 'bob' }))).toMatchObject({ role: 'customer' })
})

test.each([
  ['another key', () => sign({ sub: 'a' }, AGENTS)],
  ['no name', () => sign({})],
  ['an empty name', () => sign({ sub: '' })],
  ['a name with a line break', () => sign({ sub: 'a\nb' })],
  ['a name with U+001F', () => sign({ sub: 'a\u001Fb' })],
  ['a name with a C1 control character', () => sign({ sub: 'a\u0085b' })],
  ['a name of 257 characters', () => sign({ sub: 'a'.repeat(257) })],
  ['a name that is not well-formed Unicode', () => sign({ sub: 'a\uD800' })],
  ['expired', () => sign({ sub: 'a', exp: now() - 60 })],
  ['not yet valid', () => sign({ sub: 'a', nbf: now() + 60 })],
  ['unsigned (alg none)', () => Promise.resolve(new UnsecuredJWT({ sub: 'a' }).encode())],
  ['no token', () => Promise.resolve('abc')],
  ['three parts of noise', () => Promise.resolve('a.b.c')],
  ['too long', async () => sign({ sub: 'a'.repeat(9000) })],
  [
    'a changed payload',
    async () =>
      (await sign({ sub: 'a' })).replace(
        /\.[^.]+\./u,
        `.${Buffer.from('{"sub":"b"}').toString('base64url')}.`,
      ),
  ],
])('%s is nobody', async (_what, token) => {
  const check = createTokenCheck({ customers: { secret: SECRET } }, { log })
  expect(await check(await token())).toBeUndefined()
})

test('issuer and audience must be the configured ones', async () => {
  const check = createTokenCheck(
    { customers: { secret: SECRET, issuer: 'https://id', audience: ['desk', 'app'] } },
    { log },
  )
  expect(await check(await sign({ sub: 'a', iss: 'https://id', aud: 'app' }))).toMatchObject({ id: 'a' })
  expect(await check(await sign({ sub: 'a', iss: 'https://other', aud: 'app' }))).toBeUndefined()
  expect(await check(await sign({ sub: 'a', iss: 'https://id', aud: 'shop' }))).toBeUndefined()
  expect(await check(await sign({ sub: 'a', iss: 'https://id' }))).toBeUndefined()
})

test('a verified token is remembered for a minute at most, and never beyond its expiry', async () => {
  let time = Date.now()
  const check = createTokenCheck({ customers: { secret: SECRET } }, { log, now: () => time })
  const lasting = await sign({ sub: 'a' })
  const short = await sign({ sub: 'b', exp: Math.floor(time / 1000) + 10 })
  await Promise.all([check(lasting), check(short)])
  expect(check(lasting)).toEqual({ role: 'customer', id: 'a' }) // at once, not a promise
  expect(check(short)).toMatchObject({ role: 'customer', id: 'b' })
  time += 30_000
  expect(await check(short)).toBeUndefined()
  expect(check(lasting)).toEqual({ role: 'customer', id: 'a' })
  time += 31_000
  expect(check(lasting)).toBeInstanceOf(Promise)
})

test('keys from a file (JWKS, RFC 7517), asymmetric ones only: the public key is no HMAC secret', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'dragoman-jwks-'))
  try {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
    const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }
    const file = join(directory, 'jwks.json')
    await writeFile(
      file,
      JSON.stringify({
        keys: [jwk, { kty: 'oct', kid: 'k2', k: Buffer.from(SECRET).toString('base64url') }],
      }),
    )
    const check = createTokenCheck({ customers: { jwks: file } }, { log })
    const token = await new SignJWT({ sub: 'alice' })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(privateKey)
    expect(await check(token)).toEqual({ role: 'customer', id: 'alice' })
    const forged = await new SignJWT({ sub: 'a' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k2' })
      .sign(bytes(SECRET))
    expect(await check(forged)).toBeUndefined()
    const missing = createTokenCheck({ customers: { jwks: join(directory, 'none.json') } }, { log })
    await expect(missing(token)).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('a key file is read again when it is another; while it is bad the keys of before stay, and the log says so once', async () => {
  await using disposer = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'dragoman-jwks-'))
  disposer.defer(() => rm(directory, { recursive: true }))
  const file = join(directory, 'jwks.json')
  const signer = async (kid: string) => {
    const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
    const set = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES256' }] })
    const token = (sub: string) =>
      new SignJWT({ sub }).setProtectedHeader({ alg: 'ES256', kid }).sign(privateKey)
    return { set, token }
  }
  const [old, fresh] = [await signer('old'), await signer('fresh')]
  const { log: heard, lines } = recordingLog()
  let time = Date.now()
  const check = createTokenCheck({ customers: { jwks: file } }, { log: heard, now: () => time })

  await expect(check(await old.token('a'))).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  await writeFile(file, old.set)
  const remembered = await old.token('alice')
  expect(await check(remembered)).toEqual({ role: 'customer', id: 'alice' })

  for (const bad of [old.set.slice(0, 40), '{"keys":7}']) {
    await writeFile(file, bad)
    time += 5000
    expect(await check(await old.token(`b${time}`))).toMatchObject({ role: 'customer' })
  }
  expect(lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
    'error identity.customers: the key set in the file cannot be used; the one before it stays',
  ])

  await writeFile(file, fresh.set)
  time += 5000
  expect(await check(await fresh.token('c'))).toEqual({ role: 'customer', id: 'c' })
  expect(await check(await old.token('d'))).toBeUndefined()
  expect(lines.at(-1)).toMatchObject({
    message: 'identity.customers: the key set in the file can be used again',
  })
  time += 45_000
  expect(await check(remembered)).toBeUndefined()
})

test('a token without a kid is tried with each key that fits its algorithm (RFC 7515 §4.1.4), of a file and of a URL', async () => {
  await using disposer = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'dragoman-jwks-'))
  disposer.defer(() => rm(directory, { recursive: true }))
  const pairs = await Promise.all(
    Array.from({ length: 18 }, () => generateKeyPair('ES256', { extractable: true })),
  )
  const keys = await Promise.all(pairs.map(({ publicKey }) => exportJWK(publicKey)))
  const signedBy = async (index: number, exp = now() + 60): Promise<string> => {
    const key = pairs[index]?.privateKey ?? new Uint8Array()
    return new SignJWT({ sub: `number ${index}`, exp }).setProtectedHeader({ alg: 'ES256' }).sign(key)
  }
  const file = join(directory, 'jwks.json')
  await writeFile(file, JSON.stringify({ keys: keys.slice(0, 17) }))
  const server = createServer((_request, response) =>
    response.end(JSON.stringify({ keys: keys.slice(0, 17) })),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  disposer.defer(() => void server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP

  for (const jwks of [file, `http://127.0.0.1:${port}/jwks`]) {
    const check = createTokenCheck({ customers: { jwks } }, { log })
    for (const known of [0, 1, 15])
      expect(await check(await signedBy(known))).toMatchObject({ id: `number ${known}` })
    expect(await check(await signedBy(16))).toBeUndefined() // what one token may cost is bounded
    expect(await check(await signedBy(17))).toBeUndefined()
    expect(await check(await signedBy(1, now() - 60))).toBeUndefined()
  }
})

test('keys from a URL; while they cannot be fetched nobody is turned away as if his token were wrong', async () => {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'EdDSA' }
  let status = 503
  let body: unknown = { keys: [jwk] }
  const server = createServer((_request, response) => response.writeHead(status).end(JSON.stringify(body)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo // it listens on TCP
    const check = createTokenCheck({ agents: { jwks: `http://127.0.0.1:${port}/jwks` } }, { log })
    const token = await new SignJWT({ sub: 'amy', roles: ['desk'] })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'k1' })
      .sign(privateKey)
    await expect(check(token)).rejects.toMatchObject({ code: 'BACKEND_FAILED', retry: true })
    status = 200
    for (const none of [{ error: 'maintenance' }, [], { keys: [await exportJWK(privateKey)] }]) {
      body = none
      const checking = createTokenCheck({ agents: { jwks: `http://127.0.0.1:${port}/jwks` } }, { log })
      const bare = await new SignJWT({ sub: 'amy', roles: ['desk'] })
        .setProtectedHeader({ alg: 'EdDSA' })
        .sign(privateKey)
      await expect(checking(bare)).rejects.toMatchObject({
        message: 'the token cannot be checked now',
        cause: { message: 'identity.agents: the key set cannot be used' },
      })
    }
    body = { keys: [jwk] }
    expect(await check(token)).toEqual({ role: 'agent', id: 'amy', roles: ['desk'] })
    const closed = createTokenCheck({ agents: { jwks: 'http://127.0.0.1:1/jwks' } }, { log })
    await expect(closed(token)).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  } finally {
    server.close()
  }
})

test("while the agents' keys cannot be had a customer gets in, and a token with roles is nobody's yet", async () => {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true })
  const customers = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] }
  let asked = 0
  const server = createServer(({ url }, response) => {
    if (url === '/customers') return response.end(JSON.stringify(customers))
    asked++
    return response.end('{"error":"maintenance"}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo // it listens on TCP
    const origin = `http://127.0.0.1:${port}`
    const check = createTokenCheck(
      { customers: { jwks: `${origin}/customers` }, agents: { jwks: `${origin}/agents` } },
      { log },
    )
    const signed = (payload: JWTPayload) =>
      new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'k1' }).sign(privateKey)
    expect(await check(await signed({ sub: 'alice' }))).toEqual({ role: 'customer', id: 'alice' })
    expect(await check(await signed({ sub: 'alice', roles: [] }))).toEqual({ role: 'customer', id: 'alice' })
    expect(asked).toBe(0)
    const roles = await signed({ sub: 'amy', roles: ['desk'] })
    await expect(check(roles)).rejects.toMatchObject({ code: 'BACKEND_FAILED', status: 502 })
  } finally {
    server.close()
  }
})

test('a key set is read to a megabyte, and no redirect of it is followed', async () => {
  const { privateKey } = await generateKeyPair('EdDSA')
  const token = await new SignJWT({ sub: 'amy', roles: ['desk'] })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'k1' })
    .sign(privateKey)
  let asked = ''
  const server = createServer((request, response) => {
    asked += `${request.url} `
    if (request.url === '/moved') response.writeHead(302, { location: '/jwks' }).end()
    else response.end(`{"keys":[],"more":"${'x'.repeat(2 * 1024 * 1024)}"}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo // it listens on TCP
    for (const path of ['huge', 'moved']) {
      const check = createTokenCheck({ agents: { jwks: `http://127.0.0.1:${port}/${path}` } }, { log })
      await expect(check(token)).rejects.toMatchObject({
        code: 'BACKEND_FAILED',
        message: 'the token cannot be checked now',
        cause: { message: 'identity.agents: the key set cannot be fetched' },
      })
    }
    expect(asked).toBe('/huge /moved ')
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

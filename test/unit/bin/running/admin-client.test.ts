// How commands ask the running gateway, whose admin token is that of its start.
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { adminOf } from '../../../../bin/running/admin-client.ts'
import { ConfigError } from '../../../../bin/config-file.ts'
import { leaveAddress, takeAddress } from '../../../../bin/running/local-gateway.ts'

/** A gateway that takes one token, with what its folder and its config hold by now. */
async function running(token: string, now: { readonly config: string; readonly made?: string }) {
  const folder = await mkdtemp(join(tmpdir(), 'admin-client-'))
  const data = join(folder, 'data')
  await mkdir(data)
  const config = join(folder, 'gateway.yaml')
  await writeFile(config, now.config)
  if (now.made !== undefined) await writeFile(join(data, 'admin.token'), `${now.made}\n`)
  const asked: (string | undefined)[] = []
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization)
    const isTaken = request.headers.authorization === `Bearer ${token}`
    response.writeHead(isTaken ? 200 : 401).end(isTaken ? '{"fine":true}' : '{"detail":"no such token"}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  await leaveAddress(data, { origin: `http://127.0.0.1:${port}` })
  onTestFinished(async () => {
    await takeAddress(data)
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
  return { config, asked }
}

const EDITED = 'admin: { token: the-edited-token-of-now }\n'
const ITS_START = /the running one has that of its start, so restart it/u

test('where the config has been given a token since the start, that in the data folder is taken', async () => {
  const { config, asked } = await running('the-made-token', { config: EDITED, made: 'the-made-token' })
  const admin = await adminOf({ config })
  expect(await admin('status')).toEqual({ fine: true })
  expect(asked).toEqual(['Bearer the-edited-token-of-now', 'Bearer the-made-token'])
})

test('the configured token is asked with first, and alone where it is taken', async () => {
  const { config, asked } = await running('the-edited-token-of-now', {
    config: EDITED,
    made: 'the-made-token',
  })
  await (
    await adminOf({ config })
  )('status')
  expect(asked).toEqual(['Bearer the-edited-token-of-now'])
})

test.each([
  ['the token was edited', { config: EDITED }],
  ['that of an earlier start is not it either', { config: EDITED, made: 'the-made-token' }],
  ['the token was taken out of the config', { config: '{}\n' }],
])('where %s, it is said that the gateway has the token of its start', async (_what, now) => {
  const { config } = await running('the-token-of-the-start', now)
  const asking = adminOf({ config }).then((admin) => admin('status'))
  await expect(asking).rejects.toMatchObject({
    code: 'AUTH_FAILED',
    message: expect.stringMatching(ITS_START),
  })
})

test.each([
  ['an unknown key', 'foo: 1\n'],
  ['a variable that is not set here', 'http: { host: "${NO_SUCH_HOST}" }\n'],
])('the token of a config that has %s by now is taken', async (_what, mistake) => {
  const { config, asked } = await running('the-edited-token-of-now', { config: EDITED + mistake })
  const admin = await adminOf({ config })
  expect(await admin('status')).toEqual({ fine: true })
  expect(asked).toEqual(['Bearer the-edited-token-of-now'])
})

test('where the token was edited and the config has a mistake beside it, both are said: a restart would not help', async () => {
  const { config } = await running('the-token-of-the-start', { config: `${EDITED}foo: 1\n` })
  const error: unknown = await adminOf({ config })
    .then((admin) => admin('status'))
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code: 'AUTH_FAILED' })
  expect(String(error)).toMatch(
    /the running one has that of its start, so let the config name that one again/u,
  )
  expect(String(error)).toContain(`\n${config}:2:1: unknown key "foo"`)
  expect(String(error)).not.toContain('restart')
})

test.each([
  ['NO_SUCH_TOKEN is not set', { config: 'admin: { token: "${NO_SUCH_TOKEN}" }\n' }],
  ['NO_SUCH_TOKEN is not set', { config: 'admin: { token: "a${NO_SUCH_TOKEN}" }\n', made: 'the-made-token' }],
  ['admin.token', { config: 'admin: { token: "two words" }\n' }],
])('where the token cannot be told, the mistake of the config is: %s', async (problem, now) => {
  const { config, asked } = await running('the-token-of-the-start', now)
  const error: unknown = await adminOf({ config })
    .then((admin) => admin('status'))
    .catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  expect(String(error)).toContain(problem)
  expect(String(error)).not.toContain('restart')
  expect(asked).not.toContain('Bearer a')
})

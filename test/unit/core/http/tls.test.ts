import { execFileSync } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { get, type RequestOptions } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { expire } from '../../../support/certificate.ts'
import { running } from './raw-client.ts'

let directory = ''
const file = (name: string): string => join(directory, name)

const EC = ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']

/** A self-signed certificate NAME.crt with NAME.key, or one signed by SIGNER. */
function certificate(name: string, signer?: string, kind = EC): void {
  const signed = signer === undefined ? [] : ['-CA', file(`${signer}.crt`), '-CAkey', file(`${signer}.key`)]
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', ...kind, '-nodes', '-days', '2', ...signed]
      .concat('-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1')
      .concat('-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)),
    { stdio: 'ignore' },
  )
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dragoman-tls-'))
  certificate('one')
  certificate('two')
  certificate('authority')
  certificate('caller', 'authority')
  await copyFile(file('one.crt'), file('live.crt'))
  await copyFile(file('one.key'), file('live.key'))
})
afterAll(() => rm(directory, { recursive: true }))

const tls = () => ({ certFile: file('live.crt'), keyFile: file('live.key') })

/** The status, and who the server says it is. */
function ask(
  port: number,
  options: RequestOptions = {},
): Promise<{ status: number | undefined; name: string }> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false, rejectUnauthorized: false, ...options }, (response) => {
      const { subject } = (response.socket as TLSSocket).getPeerCertificate() // https hands out nothing else
      response.resume()
      response.on('end', () => resolve({ status: response.statusCode, name: String(subject.CN) }))
    }).on('error', reject)
  })
}

test('the listener speaks TLS, its origin is https, and handlers see it', async () => {
  await using edge = await running({ http: { tls: tls() } })
  expect(edge.origin).toBe(`https://127.0.0.1:${edge.port}`)
  expect(await ask(edge.port)).toEqual({ status: 200, name: 'one' })
  expect(edge.seen[0]).toMatchObject({ origin: edge.origin, remote: '127.0.0.1' })
  await vi.waitFor(() => expect(edge.edge.connections).toBe(0), 10_000)
})

test('a new certificate is taken for new connections while old ones go on, with a warning where callers refuse it; a bad one keeps the old', async () => {
  await using edge = await running({ http: { tls: tls() } })
  const old = connect({ port: edge.port, host: '127.0.0.1', rejectUnauthorized: false })
  await new Promise((resolve) => old.once('secureConnect', resolve))
  await copyFile(file('two.crt'), file('live.crt'))
  await expect(edge.edge.reloadTls()).rejects.toThrow(/live\.crt and .*live\.key cannot be used/u) // the key is still the old one's
  expect((await ask(edge.port)).name).toBe('one')
  await copyFile(file('two.key'), file('live.key'))
  await edge.edge.reloadTls()
  expect((await ask(edge.port)).name).toBe('two')
  expire({ cert: file('live.crt'), key: file('live.key') })
  await edge.edge.reloadTls()
  expect(edge.lines.slice(-2)).toMatchObject([
    { level: 'warn', message: 'the certificate of http.tls ends soon', fields: { file: file('live.crt') } },
    { level: 'warn', message: 'the time of the certificate of http.tls is over: callers refuse it' },
  ])
  const answer = new Promise((resolve) => old.once('data', (chunk: Buffer) => resolve(chunk.toString())))
  old.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(await answer).toMatch(/^HTTP\/1\.1 200/u)
  old.destroy()
})

test('a certificate of another key type does not go in before its key: callers go on with the old pair', async () => {
  certificate('rsa', undefined, ['rsa:2048'])
  const pair = { certFile: file('typed.crt'), keyFile: file('typed.key') }
  for (const end of ['crt', 'key']) await copyFile(file(`rsa.${end}`), file(`typed.${end}`))
  await using edge = await running({ http: { tls: pair } })
  await copyFile(file('two.crt'), pair.certFile)
  await expect(edge.edge.reloadTls()).rejects.toThrow(
    /typed\.crt and .*typed\.key cannot be used: the key is of another certificate/u,
  )
  expect((await ask(edge.port)).name).toBe('rsa')
  await copyFile(file('two.key'), pair.keyFile)
  await edge.edge.reloadTls()
  expect((await ask(edge.port)).name).toBe('two')
  const [first, second] = await Promise.all(
    ['rsa.crt', 'two.crt'].map((name) => readFile(file(name), 'utf8')),
  )
  await writeFile(pair.certFile, `${first}${second}`)
  await expect(edge.edge.reloadTls()).rejects.toThrow('the first must begin with its own certificate')
  await writeFile(pair.certFile, `${second?.trimEnd()}${first}`)
  await expect(edge.edge.reloadTls()).rejects.toThrow(/typed\.crt .* a line break behind it is missing$/u)
})

test('a certificate file that is missing or no certificate is named, and nothing is bound', async () => {
  await expect(running({ http: { tls: { ...tls(), certFile: file('none.crt') } } })).rejects.toThrow(
    'none.crt cannot be read',
  )
  await writeFile(file('bad.crt'), 'no certificate')
  await expect(running({ http: { tls: { ...tls(), certFile: file('bad.crt') } } })).rejects.toThrow(
    'bad.crt and',
  )
})

test('a ca that holds no certificate is named, and what cannot be used is an error for operators', async () => {
  await writeFile(file('empty.crt'), 'nobody')
  const refused = running({ http: { tls: { ...tls(), caFile: file('empty.crt') } } })
  await expect(refused).rejects.toThrow(/empty\.crt holds no certificate/u)
  await expect(refused).rejects.toBeInstanceOf(GatewayError)
  const strange = running({ http: { tls: { ...tls(), keyFile: file('authority.key') } } })
  await expect(strange).rejects.toBeInstanceOf(GatewayError)
})

test('with a ca every caller needs a certificate it signed', async () => {
  await using edge = await running({ http: { tls: { ...tls(), caFile: file('authority.crt') } } })
  const { readFileSync } = await import('node:fs')
  const own = (name: string) => ({
    cert: readFileSync(file(`${name}.crt`)),
    key: readFileSync(file(`${name}.key`)),
  })
  expect((await ask(edge.port, own('caller'))).status).toBe(200)
  await expect(ask(edge.port)).rejects.toThrow(/certificate|reset|closed|hang up/iu)
  await expect(ask(edge.port, own('two'))).rejects.toThrow(/unknown ca|reset|closed|hang up/iu)
  await vi.waitFor(() => expect(edge.refused).toEqual(['tls', 'tls']), 10_000)
})

test('plain HTTP and noise on the TLS port are refused, and the listener lives', async () => {
  await using edge = await running({ http: { tls: tls() } })
  for (const text of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', '\u0000\u0001\u0002\u0003\u0004\u0005']) {
    const socket = connectPlain({ port: edge.port, host: '127.0.0.1' })
    socket.on('error', () => socket.destroy())
    socket.write(text)
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
  }
  expect(edge.refused).toEqual(['tls', 'tls'])
  expect((await ask(edge.port)).status).toBe(200)
})

test('a drain closes TLS connections that idle', async () => {
  await using edge = await running({ http: { tls: tls() } })
  const idle = connect({ port: edge.port, host: '127.0.0.1', rejectUnauthorized: false })
  await new Promise((resolve) => idle.once('secureConnect', resolve))
  await vi.waitFor(() => expect(edge.edge.connections).toBe(1), 10_000)
  const closed = new Promise((resolve) => idle.once('close', resolve))
  idle.resume()
  await edge.edge.drain(60_000)
  await closed
  expect(edge.edge.connections).toBe(0)
})

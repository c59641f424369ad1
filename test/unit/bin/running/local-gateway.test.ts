// How commands know the gateway of a data folder: by its own certificate, whatever name that is for.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import {
  callLocally,
  leaveAddress,
  localGateway,
  takeAddress,
} from '../../../../bin/running/local-gateway.ts'
import { ownAddress } from '../../../../bin/running/own-address.ts'
import { freePort } from '../../../../bin/demo/free-port.ts'
import { expire, makeCertificate } from '../../../support/certificate.ts'

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'local-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

function certificateFor(host: string) {
  const certificate = makeCertificate(host)
  onTestFinished(() => certificate[Symbol.dispose]())
  return certificate
}

/** Answers what it was asked. */
async function listening({ cert, key }: { readonly cert: string; readonly key: string }) {
  const asked: string[] = []
  const files = { cert: await readFile(cert), key: await readFile(key) }
  const server = createServer(files, (request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    response.writeHead(202).end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // it listens on TCP
  return { asked, origin: `https://127.0.0.1:${port}` }
}

const NOBODY = 65_534
const headers = { authorization: 'Bearer secret' }

test('a gateway is known by the certificate it left, though that is for another name', async () => {
  const own = certificateFor('desk.example.com')
  const { asked, origin } = await listening(own)
  const gateway = { origin, certFile: own.cert }
  expect(await callLocally(gateway, '/admin/v1/x', { method: 'POST', headers, body: '1' })).toEqual({
    status: 202,
    body: '{}',
  })
  expect(asked).toEqual(['POST /admin/v1/x Bearer secret'])
})

test('a gateway is known by its certificate also when the time of that is over', async () => {
  const own = certificateFor('desk.example.com')
  expire(own)
  const { asked, origin } = await listening(own)
  const gateway = { origin, certFile: own.cert }
  expect(await callLocally(gateway, '/healthz', { headers })).toEqual({ status: 202, body: '{}' })
  expect(asked).toEqual(['GET /healthz Bearer secret'])
})

test('a certificate that somebody signed is known by itself: who signed it need not be', async () => {
  const folder = await temporary()
  const authority = certificateFor('authority.example.com')
  const [cert, key, asked] = ['cert.pem', 'key.pem', 'asked.pem'].map((name) => join(folder, name))
  const wanted = ['-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=desk.example.com', '-keyout', `${key}`]
  execFileSync('openssl', ['req', ...wanted, '-out', `${asked}`], { stdio: 'ignore' })
  const signed = ['-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial', '-days', '2']
  execFileSync('openssl', ['x509', '-req', '-in', `${asked}`, ...signed, '-out', `${cert}`], {
    stdio: 'ignore',
  })
  const chain = `${await readFile(`${cert}`, 'utf8')}${await readFile(authority.cert, 'utf8')}`
  await writeFile(`${cert}`, chain)
  const { origin } = await listening({ cert: `${cert}`, key: `${key}` })
  expect((await callLocally({ origin, certFile: cert }, '/')).status).toBe(202)
  // Another one of the same authority is not it.
  const other = await listening(authority)
  await expect(callLocally({ origin: other.origin, certFile: cert }, '/', { headers })).rejects.toThrow(
    'is not known by the certificate',
  )
  expect(other.asked).toEqual([])
})

test('another certificate for the very same name is refused, and its owner is sent nothing', async () => {
  const own = certificateFor('desk.example.com')
  const { asked, origin } = await listening(certificateFor('desk.example.com'))
  const refused = await callLocally({ origin, certFile: own.cert }, '/admin/v1/x', { headers }).catch(
    (error: unknown) => error,
  )
  expect(refused).toMatchObject({ code: 'AUTH_FAILED' })
  expect(String(refused)).toContain(`${origin} is not known by the certificate in ${own.cert}`)
  expect(asked).toEqual([])
})

/** Does `then` with a connection once a request has come by it; asks callers for a certificate where `ca` is one. */
async function breaking(
  { cert, key }: { readonly cert: string; readonly key: string },
  then: (socket: TLSSocket) => unknown,
  ca?: string,
): Promise<string> {
  const asking = ca !== undefined && { requestCert: true, rejectUnauthorized: true, ca: await readFile(ca) }
  const files = { cert: await readFile(cert), key: await readFile(key), ...asking }
  const server = createTlsServer(files, (socket) =>
    socket.on('error', () => undefined).once('data', () => then(socket)),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
}

test('of the gateway, once it is known, it is never said that something else listens there and was sent nothing', async () => {
  const own = certificateFor('desk.example.com')
  const told = async (then: (socket: TLSSocket) => unknown, ca?: string): Promise<Error> => {
    const origin = await breaking(own, then, ca)
    const gateway = { origin, certFile: own.cert, ...(ca !== undefined && { keyFile: own.key }) }
    const failed: unknown = await callLocally(gateway, '/', { method: 'POST', headers }).catch(
      (error: unknown) => error,
    )
    return failed instanceof Error ? failed : new Error('it was answered')
  }
  const noHttp = await told((socket) => socket.end('HTTP/1.1 xyz\r\n\r\n'))
  expect(noHttp).toMatchObject({ code: 'INTERNAL', cause: { code: 'HPE_INVALID_STATUS' } })
  expect(noHttp.message).toMatch(
    /^the gateway at https:.* answered what is no HTTP \(HPE_.*may have been done$/u,
  )
  // With `http.tls.ca` a gateway that has begun to answer has taken our certificate; of one that has not it is unknown.
  const cut = 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc'
  expect(await told((socket) => socket.write(cut, () => socket.destroy()), own.cert)).toMatchObject({
    code: 'ECONNRESET',
  })
  const ended = await told((socket) => socket.destroy(), own.cert)
  expect(ended).toMatchObject({ code: 'AUTH_FAILED' })
  expect(ended.message).toMatch(
    /either turns away its own, .*, or stopped meanwhile \(ECONNRESET\): .*clientAuth/u,
  )
})

test('where its certificate cannot be read it is not said that no gateway runs, and nobody is sent anything', async () => {
  const { asked, origin } = await listening(certificateFor('desk.example.com'))
  const certFile = join(await temporary(), 'cert.pem')
  const refused = { code: 'AUTH_FAILED', message: expect.stringContaining(`cannot be read from ${certFile}`) }
  await expect(callLocally({ origin, certFile }, '/', { headers })).rejects.toMatchObject({ code: 'ENOENT' })
  await writeFile(certFile, 'half of it')
  await expect(callLocally({ origin, certFile }, '/', { headers })).rejects.toMatchObject(refused)
  expect(asked).toEqual([])
})

test('where nobody listens the system says so', async () => {
  const own = certificateFor('desk.example.com')
  const gateway = { origin: `https://127.0.0.1:${await freePort()}`, certFile: own.cert }
  await expect(callLocally(gateway, '/')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('the address left is that of this machine, for its owner alone, with the certificate if there is one', async () => {
  const folder = await temporary()
  const http = { host: '::1', port: 0, publicUrl: 'https://desk.example.com' }
  const tls = { certFile: '/etc/cert.pem', keyFile: '/etc/key.pem' }
  await leaveAddress(folder, ownAddress(http, 8443))
  expect(await localGateway(folder)).toEqual({ origin: 'http://[::1]:8443', certFile: undefined })
  expect(await readFile(join(folder, 'gateway.url'), 'utf8')).toBe('http://[::1]:8443\n')
  await leaveAddress(folder, ownAddress({ ...http, tls }, 8443))
  expect(await localGateway(folder)).toEqual({ origin: 'https://[::1]:8443', certFile: '/etc/cert.pem' })
  expect((await stat(join(folder, 'gateway.url'))).mode & 0o777).toBe(0o600)
  await takeAddress(folder)
  await expect(localGateway(folder)).rejects.toMatchObject({ code: 'ENOENT' })
})

test.skipIf(process.getuid?.() !== 0)(
  'in a folder that everybody may write the address is a file of our own, and that of another user is not believed',
  async () => {
    const folder = await temporary()
    await chmod(folder, 0o777)
    const file = join(folder, 'gateway.url')
    const plant = async (): Promise<void> => {
      await rm(file, { force: true })
      await writeFile(file, 'http://127.0.0.1:1\n', { mode: 0o666 })
      await chown(file, NOBODY, NOBODY)
    }
    await plant()
    await leaveAddress(folder, { origin: 'http://127.0.0.1:2' })
    expect(await localGateway(folder)).toMatchObject({ origin: 'http://127.0.0.1:2' })
    const { uid, mode } = await stat(file)
    expect([uid, mode & 0o777]).toEqual([0, 0o600])
    expect((await readdir(folder)).toSorted()).toEqual(['gateway.lock', 'gateway.url'])
    await plant()
    await expect(localGateway(folder)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining(`${file} belongs to user ${NOBODY}`),
    })
    await takeAddress(folder)
  },
)

test('who has left no address, or whose address another gateway has replaced, takes none', async () => {
  const folder = await temporary()
  const file = join(folder, 'gateway.url')
  await writeFile(file, 'http://127.0.0.1:1\n')
  await takeAddress(folder)
  await leaveAddress(folder, { origin: 'http://127.0.0.1:2' })
  await writeFile(file, 'http://127.0.0.1:1\n')
  await takeAddress(folder)
  expect(await localGateway(folder)).toMatchObject({ origin: 'http://127.0.0.1:1' })
})

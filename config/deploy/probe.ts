// Asks the gateway in this container: `node config/deploy/probe.ts /healthz` (or /readyz) ends with 0 where the answer is 200.
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get as getPlainly } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { get as getSecurely } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import type { TLSSocket } from 'node:tls'

const [path = '/healthz', data = '/data'] = process.argv.slice(2)
const TIMEOUT_MS = 4000

try {
  // Where it listens and how operators are known, as the gateway left it for its own commands; a token that its config
  // names (`admin: { token: "${ADMIN_TOKEN}" }`) it leaves nowhere.
  const left = async (file: string): Promise<string> => (await readFile(join(data, file), 'utf8')).trim()
  const [url = '', certFile, keyFile] = (await left('gateway.url')).split('\n')
  const token = process.env['ADMIN_TOKEN'] ?? (await left('admin.token'))
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const get = certFile === undefined ? getPlainly : getSecurely
  const socket = certFile === undefined ? undefined : await known(new URL(url), { certFile, keyFile, signal })
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = { authorization: `Bearer ${token}` }
  const line = socket !== undefined && { createConnection: () => socket }
  get(`${url}${path}`, { headers, signal, ...line }, resolve).once('error', reject)
  const answer = await promise
  const body = await text(answer)
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${body}`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

interface Known {
  readonly certFile: string
  readonly keyFile: string | undefined
  readonly signal: AbortSignal
}

/** Whatever name its certificate is for, whoever signed it, and when it ends: it has to be that one. Nothing is sent before. */
async function known({ hostname, port }: URL, { certFile, keyFile, signal }: Known): Promise<TLSSocket> {
  const own = new X509Certificate(await readFile(certFile))
  // Where callers have to show one (`http.tls.ca`) the gateway's own is shown.
  if (keyFile !== undefined && own.validToDate.getTime() < Date.now())
    process.stderr.write(
      `${certFile} has been over since ${own.validToDate.toISOString()}, and no caller with it is taken (http.tls.ca), nor is the probe: renew it\n`,
    )
  const shown = keyFile !== undefined && { cert: await readFile(certFile), key: await readFile(keyFile) }
  const host = hostname.replace(/^\[|\]$/gu, '')
  const socket = connect({ host, port: Number(port || 443), rejectUnauthorized: false, ...shown })
  signal.addEventListener('abort', () => socket.destroy())
  await once(socket, 'secureConnect', { signal })
  if (socket.getPeerX509Certificate()?.raw.equals(own.raw) === true) return socket
  socket.destroy()
  throw new Error('it shows another certificate')
}

// Asks the gateway in this container: `node config/deploy/probe.ts /healthz` (or /readyz) ends with 0 where the answer is 200.
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { get as getPlainly } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { get as getSecurely } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const [path = '/healthz', data = '/data'] = process.argv.slice(2)
const TIMEOUT_MS = 4000

try {
  // Where it listens and how operators are known, as the gateway left it for its own commands; a token that its config
  // names (`admin: { token: "${ADMIN_TOKEN}" }`) it leaves nowhere.
  const left = async (file: string): Promise<string> => (await readFile(join(data, file), 'utf8')).trim()
  const [url = '', certFile, keyFile] = (await left('gateway.url')).split('\n')
  const token = process.env['ADMIN_TOKEN'] ?? (await left('admin.token'))
  // Whatever name its certificate is for, and whoever signed it: it has to be that one.
  const own = certFile === undefined ? undefined : new X509Certificate(await readFile(certFile))
  const pinned = own !== undefined && {
    ca: own.toString(),
    allowPartialTrustChain: true,
    checkServerIdentity: (_host: string, { raw }: { readonly raw: Buffer }) =>
      own.raw.equals(raw) ? undefined : new Error('it shows another certificate'),
    // Where callers have to show one (`http.tls.ca`) the gateway's own is shown.
    ...(keyFile !== undefined && { cert: await readFile(`${certFile}`), key: await readFile(keyFile) }),
  }
  const get = certFile === undefined ? getPlainly : getSecurely
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = { authorization: `Bearer ${token}` }
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  get(`${url}${path}`, { headers, signal, ...pinned }, resolve).once('error', reject)
  const answer = await promise
  const body = await text(answer)
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${body}`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

// Asks the gateway in this container: `node config/deploy/probe.ts /healthz` (or /readyz) ends with 0 where the answer is 200.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const [path = '/healthz', data = '/data'] = process.argv.slice(2)
const TIMEOUT_MS = 4000

try {
  // Where it listens and how operators are known, as the gateway left it for its own commands; a token that its config
  // names (`admin: { token: "${ADMIN_TOKEN}" }`) it leaves nowhere.
  const left = async (file: string): Promise<string> => (await readFile(join(data, file), 'utf8')).trim()
  const url = await left('gateway.url')
  const token = process.env['ADMIN_TOKEN'] ?? (await left('admin.token'))
  const response = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}

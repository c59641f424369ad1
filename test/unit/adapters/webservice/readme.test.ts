import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import adapter from '../../../../adapters/webservice/index.ts'
import { startGateway } from '../../../support/gateway.ts'

const folder = new URL('../../../../adapters/webservice/', import.meta.url)
const readme = readFileSync(new URL('README.md', folder), 'utf8')
const [channels = '', backends = ''] = [...readme.matchAll(/```yaml\n(.*?)```/gsu)].map(
  ([, yaml = '']) => yaml,
)
const commands = [...readme.matchAll(/```sh\n(.*?)```/gsu)].map(([, command = '']) => command)

test('the commands of the README are answered by the channel of the README', async () => {
  const business = createServer((request, response) => {
    request.resume().on('end', () => {
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"orderNo":"000777","total":"1.10"}')
    })
  })
  await new Promise<void>((ready) => business.listen(0, '127.0.0.1', ready))
  using _closing = { [Symbol.dispose]: () => void business.close() }
  const { port } = business.address() as AddressInfo // it listens on TCP
  await using gateway = await startGateway({
    yaml: `${channels}
backends: { shop: { adapter: rest, url: 'http://127.0.0.1:${port}', operations: { '*': { path: '/{operation}' } } } }
routes: [{ backend: shop }]
`,
  })
  const answers = []
  for (const command of commands) {
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      command.replace('http://127.0.0.1:8080', gateway.base),
    ])
    answers.push(stdout)
  }
  expect(answers).toHaveLength(3)
  expect(answers[0]).toContain('<GetOrderResponse><orderNo>000777</orderNo><total>1.10</total>')
  expect(answers[1]).toMatch(/<GetOrderResult .*><orderNo>000777<\/orderNo>/u)
  expect(answers[2]).toContain('<member><name>total</name><value><string>1.10</string></value></member>')
})

test('the backends of the README are ones, but for what the core takes out', async () => {
  const { backends: all } = parse(backends) as { backends: Record<string, Record<string, unknown>> }
  for (const { adapter: name, operations, ...config } of Object.values(all)) {
    expect(name).toBe('webservice')
    const own = Object.fromEntries(
      Object.entries(operations as Record<string, Record<string, unknown>>).map(
        ([key, { safe: _safe, ...rest }]) => [key, rest],
      ),
    )
    const checked = await adapter.backend?.config['~standard'].validate({ ...config, operations: own })
    expect(checked).not.toHaveProperty('issues')
  }
})

test('the README explains every key of the channel', async () => {
  const checked = await adapter.channel?.config['~standard'].validate({
    path: '/x',
    namespace: 'n',
    schema: 's',
    title: 't',
  })
  const keys = checked !== undefined && 'value' in checked ? Object.keys(checked.value as object) : []
  expect(keys.length).toBeGreaterThan(15)
  for (const key of keys) expect(readme).toMatch(new RegExp(`^\\| [^|]*\`${key}\``, 'mu'))
})

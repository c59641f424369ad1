// An old rpc/encoded service, its header blocks and its fault declared by types, and one that answers more than its WSDL has.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { fixtures, runProgram, skipped, why } from './clients.ts'
import { startPhp } from './soap-server.ts'
import type { SoapServer } from './soap-server.ts'

const wsdl = join(fixtures, '../soap/wsdl/errands-rpcenc.wsdl')

describe.skipIf(skipped('php'))(`before PHP's SoapServer${why('php')}`, () => {
  const started = new AsyncDisposableStack()
  let server: SoapServer
  let gateway: GatewayProcess
  beforeAll(async () => {
    server = started.use(await startPhp())
    const { url } = server
    const yaml = `
channels:
  api: { adapter: rest }
  errands: { adapter: soap, path: /errands, wsdl: ./errands.wsdl }
backends:
  errands: { adapter: soap, wsdl: ./errands.wsdl, endpoint: "${url}/errands" }
  plain: { adapter: soap, wsdl: ./errands.wsdl, endpoint: "${url}/errands-plain" }
routes:
  - { when: "channel = 'errands'", backend: errands }
  - { backend: plain }
`
    const files = { 'errands.wsdl': await readFile(wsdl, 'utf8') }
    gateway = started.use(await startGateway({ yaml, files }))
  })
  afterAll(() => started.disposeAsync())

  test("its header blocks and its fault reach PHP's SoapClient as if it had been asked itself", async () => {
    const said = async (base: string): Promise<unknown> =>
      JSON.parse(await runProgram('php', [join(fixtures, 'clients/errands.php'), `${base}/errands?wsdl`]))
    const direct = await said(server.url)
    expect(direct).toMatchObject({
      run: 'S-000777 x',
      quota: { left: 5 },
      problem: { enc_stype: 'Problem', enc_value: { code: 'S-000777', count: 2, hint: null } },
    })
    expect(await said(gateway.base)).toEqual(direct)
  })

  test.each([
    ['doVoid', {}, { return: null }],
    ['echoAny', { a: 'large' }, { return: '9007199254740993' }],
  ])('what it answers to %s without a WSDL is taken', async (operation, params, answer) => {
    const response = await fetch(`${gateway.base}/v1/requests/${operation}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(params),
    })
    expect([response.status, await response.json()]).toEqual([200, answer])
  })
})

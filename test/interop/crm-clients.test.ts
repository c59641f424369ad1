// The main job in one line: a legacy SOAP client, by `?wsdl`, before a JSON service that never heard of SOAP.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { fixtures, runProgram, skipped, why } from './clients.ts'
import { startBusiness } from './rest-business.ts'
import type { Business } from './rest-business.ts'

/** The same order, with its numbers as text and bare: `JSON.parse` would make 9007199254740992 and 1.1 of the latter. */
const answers = {
  'numbers as text': '{"orderNo":"000777","id":"9007199254740993","total":"1.10"',
  'bare numbers': '{"orderNo":"000777","id":9007199254740993,"total":1.10',
}
const rest = ',"status":"shipped","customer":"王小明 <&>","lines":[{"sku":"0042","quantity":1}]}'

const order = {
  orderNo: '000777',
  id: '9007199254740993',
  total: '1.10',
  customer: '王小明 <&>',
  skus: ['0042'],
  quantities: [1],
}

const path = '/services/CrmService.asmx'

describe.each(Object.entries(answers))('a JSON service that answers with %s', (_, head) => {
  let business: Business
  let gateway: GatewayProcess
  beforeAll(async () => {
    business = await startBusiness(({ operation }) =>
      operation === 'orders/000777' ? { json: head + rest } : { status: 404, json: '{}' },
    )
    gateway = await startGateway({
      files: { 'crm.wsdl': await readFile(join(import.meta.dirname, '../../config/crm.wsdl'), 'utf8') },
      yaml: `
channels: { crm: { adapter: soap, path: ${path}, wsdl: ./crm.wsdl, operations: { GetOrder: { kind: request } } } }
backends:
  orders:
    adapter: rest
    url: ${business.url}
    operations: { GetOrder: { method: GET, path: "/orders/{orderNo}" } }
routes: [{ backend: orders }]
`,
    })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await business[Symbol.asyncDispose]()
  })

  test.skipIf(skipped('zeep'))(`is exact for Python zeep${why('zeep')}`, async () => {
    const said = await runProgram('/usr/bin/python3', [
      join(fixtures, 'clients/crm.py'),
      `${gateway.base}${path}?wsdl`,
      '000777',
    ])
    expect(JSON.parse(said)).toEqual(order)
  })

  test.skipIf(skipped('php')).each(['11', '12'])(
    `is exact for PHP SoapClient, SOAP %s${why('php')}`,
    async (version) => {
      const args = [join(fixtures, 'clients/crm.php'), `${gateway.base}${path}?wsdl`, '000777', version]
      expect(JSON.parse(await runProgram('php', args))).toEqual(order)
    },
  )
})

// `dragoman map` as a command: the default config, one that reshapes, and what it says where it cannot.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MapReport } from '../../../../core/map/report.ts'

const ROOT = resolve(import.meta.dirname, '../../../..')
const CRM = join(ROOT, 'config/crm.wsdl')
let directory = ''
/** The business system: whoever connects to it is counted. */
const system = createServer()
let connections = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dragoman-map-'))
  system.on('connection', (socket) => {
    connections += 1
    socket.destroy()
  })
  await once(system.listen(0, '127.0.0.1'), 'listening')
  const { port } = system.address() as AddressInfo // it listens on TCP
  await writeFile(join(directory, 'reshape.yaml'), reshaping(port))
})
afterAll(async () => {
  system.close()
  await rm(directory, { recursive: true, force: true })
})

/** An operation of another name, other fields, a code table, a default, and a `result`. */
function reshaping(port: number): string {
  return `
channels:
  web: { adapter: rest }
  crm: { adapter: soap, path: /crm, wsdl: ${CRM} }
backends:
  erp:
    adapter: rest
    url: http://127.0.0.1:${port}/api
    headers: { authorization: "'Bearer \${ERP_TOKEN:-very-secret-token}'" }
    operations:
      readOrder:
        path: /orders/{no}
        body: "{ 'amount': $number(total), 'state': $lookup({'01': 'OPEN', '02': 'SHIPPED'}, status), 'currency': currency ? currency : 'EUR' }"
        result: "{ 'orderNo': number, 'id': id, 'status': $lookup({'S': 'shipped'}, state), 'total': total, 'customer': name }"
        safe: true
  legacy: { adapter: soap, wsdl: ${CRM}, endpoint: "http://127.0.0.1:${port}/legacy" }
  rpc: { adapter: webservice, dialect: xmlrpc, url: "http://127.0.0.1:${port}/rpc" }
  form: { adapter: webservice, dialect: asmx-get, url: "http://127.0.0.1:${port}/s.asmx", charset: gbk }
  later: { adapter: soap, wsdl: "http://127.0.0.1:${port}/orders?wsdl" }
  shop:
    adapter: graphql
    url: http://127.0.0.1:${port}/graphql
    operations:
      order:
        document: "query ($no: ID!) { order(no: $no) { ...Head customer { name } } } fragment Head on Order { no: orderNo customer { city } }"
        result: order
routes:
  - { when: "type = 'GetOrder'", backend: erp, operation: readOrder, params: "{ 'no': orderNo, 'status': '02', 'total': '5.00' }" }
  - { when: "type = 'Read'", backend: erp, operation: readOrder, params: "{ 'no': orderNo, 'status': status, 'total': total, 'currency': cur }" }
  - { when: "type = 'Legacy'", backend: legacy, operation: GetOrder, params: "{ 'orderNo': number, 'hint': hint }" }
  - { when: "type = 'Rpc'", backend: rpc }
  - { when: "type = 'Form'", backend: form }
  - { when: "type = 'Later'", backend: later, operation: GetOrder }
  - { when: "type = 'Shop'", backend: shop, operation: order }
`
}

interface Ran {
  readonly status: number | null
  readonly output: string
  readonly errors: string
}

async function dragoman(...args: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, [join(ROOT, 'bin/dragoman.ts'), 'map', ...args], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let errors = ''
  child.stdout.on('data', (piece) => (output += String(piece)))
  child.stderr.on('data', (piece) => (errors += String(piece)))
  const [status] = (await once(child, 'close')) as [number | null] // its exit status
  return { status, output, errors }
}

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(directory, name), text)
  return join(directory, name)
}

async function reported(...args: readonly string[]): Promise<MapReport> {
  const { output } = await dragoman(...args, '--json')
  return JSON.parse(output) as MapReport // the command wrote it
}

const envelope = (body: string): string =>
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`
const soap = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: crm.example.com\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: ""\r\n\r\n${envelope(body)}`
const rest = (operation: string, body: string): string =>
  `POST /v1/requests/${operation} HTTP/1.1\nContent-Type: application/json\n\n${body}\n`
const getOrder = '<GetOrder xmlns="urn:example:crm"><orderNo>000777</orderNo></GetOrder>'
const became = (values: MapReport['values']['request']) =>
  Object.fromEntries(values.map((value) => [value.path, value.became]))

test('with the default config each stage of a SOAP request is shown, the sample plugin’s call among them', async () => {
  const captured = await file('default.http', soap('/services/CrmService.asmx', getOrder))
  const { status, output, errors } = await dragoman(captured, '--config', join(ROOT, 'config/gateway.yaml'))
  expect(errors).toBe('')
  expect(status).toBe(0)
  const stages = output.match(/^\d+ .*?(?= {2,}|$)/gm)
  expect(stages).toEqual(['1 request', '2 decoded', '3 draft', '4 route', '5 call', '6 reply', '7 to caller'])
  expect(output).toContain(`route 1 → backend orders, because its "when" holds: kind = 'request'`)
  expect(output).toContain('orders.GetOrder (sample-orders), which asks nobody over HTTP: this is its call')
  expect(output).toContain('<ns1:total>1.10</ns1:total>')
  expect(output).not.toContain('Look at')
})

test('numbers of a given answer keep their digits where nothing goes over HTTP', async () => {
  const captured = await file('digits.http', soap('/services/CrmService.asmx', getOrder))
  const text = '{ "orderNo": "000777", "id": 12345678901234567890, "status": "shipped", "total": 1.10 }'
  const answer = await file('digits.json', text)
  const given = ['--config', join(ROOT, 'config/gateway.yaml'), '--answer', answer]
  const { output } = await dragoman(captured, ...given)
  expect(output).toContain('"id": "12345678901234567890"')
  expect(output).toContain('"total": "1.10"')
})

test('a reshaping route shows the request exactly as it would go, secrets blanked out, and nobody is called', async () => {
  const captured = await file('soap.http', soap('/crm', getOrder))
  const answer = await file(
    'answer.json',
    '{"number":"000777","id":9007199254740993,"state":"S","total":1.10,"name":"王小明 <&>","rank":"A"}',
  )
  const report = await reported(captured, '--config', 'reshape.yaml', '--answer', answer)
  expect(report.target).toMatchObject({
    id: 'erp',
    operation: 'readOrder',
    params: { no: '000777', status: '02' },
  })
  const [sent] = report.outbound
  expect(sent?.method).toBe('POST')
  expect(sent?.url).toMatch(/\/api\/orders\/000777$/)
  expect(sent?.headers['authorization']).toBe('***')
  expect(JSON.parse(sent?.body ?? '')).toEqual({ amount: 5, state: 'SHIPPED', currency: 'EUR' })
  expect(report.encoded?.body).toContain('<ns1:id>9007199254740993</ns1:id>')
  expect(report.encoded?.body).toContain('<ns1:total>1.10</ns1:total>')
  expect(report.values.request).toMatchObject([
    { path: 'orderNo', became: 'kept', to: [{ path: 'path segment 3' }] },
  ])
  expect(became(report.values.answer)).toMatchObject({ total: 'kept', name: 'kept', rank: 'unused' })
  expect(JSON.stringify(report)).not.toContain('very-secret-token')
  expect(connections).toBe(0)
  expect(existsSync(join(directory, 'data'))).toBe(false)
})

test('unknown fields and changed values are pointed out by their path', async () => {
  const captured = await file(
    'read.http',
    rest('Read', '{"orderNo":"0007","status":"01","total":"1.10","note":"please","items":[{"a":"1"}]}'),
  )
  const { output, status } = await dragoman(captured, '--config', 'reshape.yaml')
  expect(status).toBe(0)
  expect(output).toContain('! note "please" is lost: no expression and nothing that is sent depends on it')
  expect(output).toContain('! items[0].a "1" is lost')
  expect(output).toContain('! total "1.10" is changed: body amount is "1.1"')
  expect(output).toContain('! status "01" is changed: body state is "OPEN"')
  expect(output).toContain('hint: put what the system really answers')
})

test('a SOAP backend answers with a sample by its WSDL; what its schema has no place for is said', async () => {
  const captured = await file('legacy.http', rest('Legacy', '{"number":"0007","hint":"x"}'))
  const report = await reported(captured, '--config', 'reshape.yaml')
  expect(report.outbound[0]?.body).toContain('<ns1:orderNo>0007</ns1:orderNo>')
  expect(report.answers[0]).toMatchObject({ status: 200, from: 'a sample by the WSDL of the backend' })
  expect(report.reply?.data).toMatchObject({ total: '1.00', lines: [{ sku: 'text', quantity: 1 }] })
  expect(became(report.values.request)).toEqual({ number: 'kept', hint: 'checked' })
  expect(report.log).toMatchObject([{ component: 'backend "legacy"', level: 'warn' }])
})

test('a GraphQL backend answers with what its document selects; that its schema is not asked for is said without advice', async () => {
  const captured = await file('shop.http', rest('Shop', '{"no":"1"}'))
  const { status, output } = await dragoman(captured, '--config', 'reshape.yaml')
  expect(output).toContain('a sample by the document of the operation')
  expect(output).toContain('nobody is called here: what it would answer is not known')
  expect(output).not.toContain('save it to a file')
  expect(status).toBe(0)
  const { reply } = await reported(captured, '--config', 'reshape.yaml')
  expect(reply?.data).toEqual({ no: 'text', customer: { city: 'text', name: 'text' } })
  expect(connections).toBe(0)
})

test('members of XML-RPC and form fields in GBK are followed by their names', async () => {
  const rpc = await reported(
    await file('rpc.http', rest('Rpc', '{"on":true,"who":{"no":"007"}}')),
    '--config',
    'reshape.yaml',
  )
  expect(rpc.outbound[0]?.body).toContain('<methodName>Rpc</methodName>')
  expect(rpc.values.request).toMatchObject([
    { path: 'on', became: 'kept', to: [{ path: 'body methodCall.on' }] },
    { path: 'who.no', became: 'kept', to: [{ path: 'body methodCall.who.no' }] },
  ])
  const form = await reported(
    await file('form.http', rest('Form', '{"name":"中"}')),
    '--config',
    'reshape.yaml',
  )
  expect(form.outbound[0]?.url).toMatch(/\/s\.asmx\/Form\?name=%D6%D0$/)
  expect(form.values.request).toMatchObject([{ path: 'name', became: 'kept', to: [{ path: 'query name' }] }])
})

test('a raw HTTP response is taken with its status: a 404 of the business system becomes the caller’s fault', async () => {
  const captured = await file('fault.http', soap('/crm', getOrder))
  const answer = await file(
    'answer.http',
    'HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\n\r\n{"code":"OrderNotFound","title":"no such order","detail":{"OrderNotFound":{"orderNo":"000777"}}}',
  )
  const report = await reported(captured, '--config', 'reshape.yaml', '--answer', answer)
  expect(report.reply?.fault).toMatchObject({ code: 'OrderNotFound', message: 'no such order' })
  expect(report.encoded).toMatchObject({ status: 500 })
  expect(report.encoded?.body).toMatch(/<ns1:OrderNotFound.*<ns1:orderNo>000777</)
})

test.each([
  ['not HTTP', 'hello\n', /is not an HTTP request: its first line is "hello"/],
  ['no channel', 'GET /nowhere HTTP/1.1\n\n', /no channel serves \/nowhere: there is .*\/v1/],
  ['a hostile path', 'GET /v1/%2e%2e/x HTTP/1.1\n\n', /dot segments/],
])('%s ends with one line that says why, and status 1', async (name, text, message) => {
  const { status, output, errors } = await dragoman(
    await file(`${name}.http`, text),
    '--config',
    'reshape.yaml',
  )
  expect(status).toBe(1)
  expect(output).toBe('')
  expect(errors).toMatch(message)
  expect(errors.trim().split('\n')).toHaveLength(1)
})

test('no route: every route is named, and the refusal is shown as the caller gets it', async () => {
  const captured = await file('nope.http', rest('Nope', '{}'))
  const { status, output } = await dragoman(captured, '--config', 'reshape.yaml')
  expect(status).toBe(1)
  expect(output).toContain("(route 6 does not match: type = 'Later')")
  expect(output).toContain('stopped at route: NO_ROUTE: no route takes this request of type "Nope"')
  expect(output).toContain('"code":"NO_ROUTE"')
})

test('a WSDL at an address is not fetched: the message says what to do instead', async () => {
  const captured = await file('later.http', rest('Later', '{"orderNo":"1"}'))
  const { status, output } = await dragoman(captured, '--config', 'reshape.yaml')
  expect(status).toBe(1)
  expect(output).toMatch(/stopped at call: .*nobody is called here: save it to a file/)
  expect(connections).toBe(0)
})

test('files that cannot be read, and answers that are none, are named', async () => {
  const captured = await file('again.http', rest('Read', '{}'))
  const nonsense = await file('nonsense.txt', 'hello')
  expect((await dragoman('missing.http')).errors).toBe('dragoman: there is no file missing.http\n')
  const { errors } = await dragoman(captured, '--config', 'reshape.yaml', '--answer', nonsense)
  expect(errors).toMatch(/nonsense\.txt: it is neither an HTTP response/)
})

// Header blocks of rpc/encoded services: declared by a part with a type, not by an element of the schema (WSDL 1.1 §3.7).
import { expect, test } from 'vitest'
import { call, open, wire, xml } from './caller.ts'
import { ask, bodyText, serve, wsdl } from './service.ts'

const errands = { wsdl: wsdl('errands-rpcenc') }
const encodingStyle = 's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'

/** What PHP 8.2's SoapClient sends. */
const request = `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="urn:example:errands" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><SOAP-ENV:Header><ns1:Session xsi:type="xsd:string" SOAP-ENV:mustUnderstand="1">S-000777</ns1:Session></SOAP-ENV:Header><SOAP-ENV:Body><ns1:run><s xsi:type="xsd:string">x</s></ns1:run></SOAP-ENV:Body></SOAP-ENV:Envelope>
`
const answer = (header: string): string =>
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:n="urn:example:errands"><s:Header>${header}</s:Header><s:Body><n:runResponse><return>x</return></n:runResponse></s:Body></s:Envelope>`

test('a caller’s block is understood and becomes metadata by its type', async () => {
  await using running = await serve({ config: errands, reply: () => ({ origin: 'backend', data: {} }) })
  expect((await ask(running, request)).status).toBe(200)
  expect(running.host.drafts[0]?.metadata).toEqual({ 'soap:Session': '"S-000777"' })
  const unknown = request.replaceAll('ns1:Session', 'ns1:Sessions')
  expect((await ask(running, unknown)).text).toContain('s:MustUnderstand')
})

test('metadata reaches a business system as the block its binding declares, with its type', async () => {
  const { fetch, sent } = wire(() => xml(answer('')))
  await using backend = await open({ ...errands, endpoint: 'http://x.example/ws' }, { fetch })
  await call(backend, 'run', { s: 'x' }, { 'soap:Session': '"S-000777"', 'soap:Other': '"secret"' })
  expect(sent[0]?.text).toContain(
    `<s:Header><ns1:Session xsi:type="xsd:string" ${encodingStyle}>S-000777</ns1:Session></s:Header>`,
  )
  expect(sent[0]?.text).toContain('xmlns:ns1="urn:example:errands"')
})

test('the block of an answer is understood and read by its type', async () => {
  const block = '<n:Quota s:mustUnderstand="1"><left>5</left><unit>call</unit></n:Quota>'
  const { fetch } = wire(() => xml(answer(block)))
  await using backend = await open({ ...errands, endpoint: 'http://x.example/ws' }, { fetch })
  await expect(call(backend, 'run', { s: 'x' })).resolves.toEqual({
    data: { return: 'x' },
    metadata: { 'soap:Quota': '{"left":5,"unit":"call"}' },
  })
})

test('an answer to a caller has it, with its type', async () => {
  await using running = await serve({
    config: errands,
    reply: () => ({ origin: 'backend', data: { return: 'x' }, metadata: { 'soap:Quota': '{"left":5}' } }),
  })
  expect(bodyText(await running.post(request))).toContain(
    `<s:Header><ns1:Quota xsi:type="t1:Quota" ${encodingStyle}><left xsi:type="xsd:int">5</left></ns1:Quota></s:Header>`,
  )
})

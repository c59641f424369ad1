// Faults of rpc/encoded services: their detail is a part with a type, and Axis writes it beside the fault.
import type { Fault } from 'dragoman'
import { describe, expect, test } from 'vitest'
import { call, open, wire, xml } from './caller.ts'
import { wsdl } from './service.ts'

/** Of a server that was captured, here under the names of `errands-rpcenc.wsdl`. */
async function faultIn(text: string): Promise<Fault | undefined> {
  await using backend = await open(
    { wsdl: wsdl('errands-rpcenc'), endpoint: 'http://x.example/ws' },
    { fetch: wire(() => xml(text, 500)).fetch },
  )
  return (await call(backend, 'run', { s: 'X1' })).fault
}

const axis = (problem: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>soapenv:Server.generalException</faultcode><faultstring>axis says</faultstring><detail><ns1:problem href="#id0" xmlns:ns1="urn:example:errands"/><ns2:exceptionName xmlns:ns2="http://xml.apache.org/axis/">errands.Problem</ns2:exceptionName><ns4:hostname xmlns:ns4="http://xml.apache.org/axis/">vm</ns4:hostname></detail></soapenv:Fault><multiRef id="id0" soapenc:root="0" soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" xsi:type="ns5:Problem" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:ns5="urn:example:errands:types">${problem}</multiRef></soapenv:Body></soapenv:Envelope>`

describe('a fault of a business system', () => {
  test('of Axis 1 has the detail it refers to beside itself (SOAP 1.1 §5.4.1)', async () => {
    const problem = '<code xsi:type="xsd:string">X1</code><hint xsi:type="xsd:string" xsi:nil="true"/>'
    expect(await faultIn(axis(problem))).toMatchObject({
      code: 'Server.generalException',
      message: 'axis says',
      detail: { problem: { code: 'X1', hint: null }, exceptionName: 'errands.Problem', hostname: 'vm' },
    })
  })

  test('whose detail leads back to itself is told without it', async () => {
    expect(await faultIn(axis('<code xsi:type="xsd:string">X1</code><self href="#id0"/>'))).toMatchObject({
      message: 'axis says',
      detail: { exceptionName: 'errands.Problem' },
    })
  })
})

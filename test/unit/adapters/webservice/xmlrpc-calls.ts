// Calls and answers of XML-RPC, for tests.
import { expect } from 'vitest'
import type { HttpResponse, Json } from 'dragoman'
import { readXml } from '../../../../adapters/xml/read.ts'
import { readResponse } from '../../../../adapters/webservice/xmlrpc-messages.ts'
import { readValue } from '../../../../adapters/webservice/xmlrpc-read.ts'
import { bytesOf } from './service.ts'

/** A methodCall; each value is what stands inside a `value` element. */
export function call(method: string, ...values: readonly string[]): string {
  const params = values.map((value) => `<param><value>${value}</value></param>`).join('')
  return `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${params}</params></methodCall>`
}

/** The one value of an answer, or its fault; always with HTTP 200. */
export function result(response: HttpResponse): Json | { fault: readonly [number | string, string] } {
  expect([response.status, response.headers?.['content-type']]).toEqual([200, 'text/xml; charset=utf-8'])
  const read = readResponse(readXml(bytesOf(response)).root)
  if ('fault' in read) return { fault: [read.fault.faultCode, read.fault.faultString] }
  if (read.value === undefined) throw new Error('an answer of ours has a value')
  return readValue(read.value, new Map())
}

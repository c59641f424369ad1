// The W3C XML conformance suite against the reader.
import { GatewayError } from 'dragoman'
import { expect, test } from 'vitest'
import { decodeXml } from '../../../../adapters/xml/charset.ts'
import { refuseDoctype } from '../../../../adapters/xml/prolog.ts'
import { readXml } from '../../../../adapters/xml/read.ts'
import { cases } from './suite.ts'

function refusal(bytes: Uint8Array): string | undefined {
  try {
    readXml(bytes, { processingInstructions: 'ignore' })
    return undefined
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'DECODE_FAILED') throw error
    return error.message
  }
}

const all = cases()

test('every document without DOCTYPE that is not well-formed XML 1.0 is refused', () => {
  const wrong = all.filter((one) => one.type === 'not-wf' && !one.doctype && one.editions.includes('5'))
  expect(wrong.length).toBeGreaterThanOrEqual(239)
  expect(wrong.filter((one) => refusal(one.bytes) === undefined).map((one) => one.id)).toEqual([])
})

test('every well-formed document without DOCTYPE is accepted but the two whose names break Namespaces in XML', () => {
  const right = all.filter((one) => ['valid', 'invalid'].includes(one.type) && !one.doctype)
  expect(right.length).toBeGreaterThanOrEqual(72)
  const refused = right.filter((one) => refusal(one.bytes) !== undefined).map((one) => one.id)
  // Element names such as "A.-:" and "A:_-.": the suite marks both NAMESPACE="no".
  expect(refused).toEqual(['o-p04pass1', 'o-p05pass1'])
})

test('every document with a DOCTYPE is refused, and before it is parsed (SOAP 1.1 §3, BP 1.1 R1008)', () => {
  const declared = all.filter((one) => one.doctype)
  expect(declared.length).toBeGreaterThan(1900)
  expect(declared.filter((one) => refusal(one.bytes) === undefined).map((one) => one.id)).toEqual([])
  const unseen = declared.filter((one) => {
    try {
      refuseDoctype(decodeXml(one.bytes).text)
      return true
    } catch {
      return false // by the charset or by its DOCTYPE: no parser was asked
    }
  })
  // What should be their prolog is not well-formed itself (a root, text or an unended <?xml before the DOCTYPE): the
  // parser refuses that, and never comes to the DOCTYPE.
  expect(unseen.map((one) => one.id)).toEqual([
    'ibm-not-wf-P01-ibm01n02.xml',
    'ibm-not-wf-P23-ibm23n05.xml',
    'ibm-not-wf-P23-ibm23n06.xml',
    'ibm-not-wf-P83-ibm83n02.xml',
  ])
})

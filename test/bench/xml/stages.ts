// What the stages of one SOAP request cost by themselves, in one process, without sockets. Prints one JSON line.
import { join } from 'node:path'
import { loadDocuments } from '../../../adapters/soap/documents.ts'
import { bodyEntry, makeEnvelope, packEnvelope, readEnvelope } from '../../../adapters/soap/envelope.ts'
import { messageCodec } from '../../../adapters/soap/messages.ts'
import { readWsdl } from '../../../adapters/soap/wsdl.ts'
import { readXml } from '../../../adapters/xml/read.ts'
import { envelope } from './documents.ts'

export interface StageCost {
  readonly stage: string
  readonly micros: number
}

const WSDL = join(import.meta.dirname, '../../fixtures/soap/wsdl/orders.wsdl')
const ANSWER = {
  orderId: '9007199254740995',
  total: '22.10',
  itemCount: 3,
  status: 'NEW',
  seen: 'channel=WEB|priority=9|customerRef=000123|externalId=9007199254740993',
}

/** Processor time of one call, the best of several rounds: the others met somebody else's work. */
function cost(work: () => unknown): number {
  const rounds = Array.from({ length: 8 }, () => {
    const before = process.cpuUsage()
    for (let index = 0; index < 2000; index += 1) work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 2000
  })
  return Math.min(...rounds)
}

async function measure(): Promise<readonly StageCost[]> {
  const wsdl = readWsdl(await loadDocuments(WSDL, { fetch, imports: [] }))
  const operation = wsdl.operations.find(({ name }) => name === 'CreateOrder')
  if (operation?.output === undefined) throw new Error('the WSDL has no CreateOrder')
  const input = messageCodec(wsdl.schemas, operation, operation.input)
  const output = messageCodec(wsdl.schemas, operation, operation.output)
  const bytes = new TextEncoder().encode(envelope)
  const { root } = readXml(bytes)
  const entry = bodyEntry(readEnvelope(root))
  const body = output.encode(ANSWER, '1.1')
  const whole = makeEnvelope({ version: '1.1', ...(body !== undefined && { body }) })
  const stages: readonly (readonly [string, () => unknown])[] = [
    ['readXml', () => readXml(bytes)],
    ['readEnvelope, bodyEntry', () => bodyEntry(readEnvelope(root))],
    ['decode: toJson by the schema', () => input.decode(entry, '1.1')],
    // The tree above is looked at again and again, and its elements are there; those of a request are made once.
    ['all three of a new document', () => input.decode(bodyEntry(readEnvelope(readXml(bytes).root)), '1.1')],
    ['encode: fromJson by the schema', () => output.encode(ANSWER, '1.1')],
    ['packEnvelope: writeXml', () => packEnvelope(whole, { version: '1.1' })],
  ]
  return stages.map(([stage, work]) => ({ stage, micros: cost(work) }))
}

if (import.meta.main) console.log(JSON.stringify(await measure()))

// What stands for the answers of business systems while nobody is called: a given file, else a sample by their schema.
import { readCapturedResponse } from '../../core/map/capture.ts'
import type { Given } from '../../core/map/passage.ts'
import type { Told } from '../../core/map/recorder.ts'
import type { Asked } from '../../core/map/rehearsal.ts'
import { loadDocuments } from '../../adapters/soap/documents.ts'
import { makeEnvelope, packEnvelope } from '../../adapters/soap/envelope.ts'
import { messageCodec } from '../../adapters/soap/messages.ts'
import { readWsdl } from '../../adapters/soap/wsdl.ts'
import type { Wsdl, WsdlOperation } from '../../adapters/soap/wsdl.ts'
import { describedResult } from '../../adapters/webservice/asmx-results.ts'
import { makeContract } from '../../adapters/webservice/contract.ts'
import type { Described } from '../../adapters/webservice/contract.ts'
import { loadSchema } from '../../adapters/webservice/schema.ts'
import { responseElement } from '../../adapters/webservice/xmlrpc-messages.ts'
import { writeValue } from '../../adapters/webservice/xmlrpc-write.ts'
import { fromJson } from '../../adapters/xml/bind.ts'
import { sample } from '../../adapters/xml/schema.ts'
import { element } from '../../adapters/xml/tree.ts'
import { writeXml } from '../../adapters/xml/write.ts'
import { GatewayError } from '../../core/api.ts'
import type { Json } from '../../core/api.ts'
import { decodeContent } from '../../core/guard/content-coding.ts'
import { graphqlSample } from './map-graphql.ts'

const LIMIT_BYTES = 64 * 1024 * 1024
const HINT =
  'put what the system really answers (a raw HTTP response, or its body) into a file: --answer FILE'

/** A file with a raw HTTP response, or with a body alone: JSON or XML, as it begins. Throws `DECODE_FAILED`. */
export async function answerOf(bytes: Uint8Array): Promise<Told> {
  const captured = readCapturedResponse(bytes)
  if (captured !== undefined) {
    const { 'content-encoding': coding, ...headers } = captured.headers
    const { status, body } = captured
    return {
      status,
      headers,
      body: coding === undefined ? body : await decodeContent(body, coding, LIMIT_BYTES),
    }
  }
  const first = new TextDecoder('latin1').decode(bytes.subarray(0, 64)).replace(/^ï»¿/, '').trimStart()[0]
  if (first === '<') return told('text/xml', bytes)
  try {
    JSON.parse(new TextDecoder().decode(bytes))
  } catch (error) {
    throw new GatewayError(
      'DECODE_FAILED',
      'it is neither an HTTP response (it does not begin with HTTP/) nor XML nor JSON',
      { cause: error },
    )
  }
  return told('application/json', bytes)
}

/** Samples by what is known of the system that is asked; each comes with the word where it is from. */
export async function sampleAnswer(asked: Asked): Promise<Given> {
  const { target, settings, channel, operation } = asked
  if (target.kind === 'agent')
    return { told: json({ text: 'A sample answer.' }), from: 'a sample of what a bot answers', hint: HINT }
  if (settings.adapter === 'soap') {
    const envelope = await soapSample(settings.config, target.operation)
    if (envelope !== undefined) return { told: envelope, from: 'a sample by the WSDL of the backend' }
  }
  if (settings.adapter === 'webservice') return webserviceSample(settings.config, target.operation)
  // Who shapes the answer himself knows it; the caller's contract says only what must come out at the end.
  const wanted = shapesAnswer(settings.config, target.operation)
    ? undefined
    : await wantedBy(channel, operation)
  if (settings.adapter === 'graphql')
    return {
      told: json(graphqlSample(asked.request.body, wanted)),
      from: 'a sample by the document of the operation',
      hint: HINT,
    }
  if (wanted !== undefined)
    return { told: json(wanted), from: "a sample by the caller's schema, as JSON", hint: HINT }
  return { told: json({}), from: 'an empty object: nothing is known of what it answers', hint: HINT }
}

async function soapSample(config: unknown, name: string): Promise<Told | undefined> {
  const found = await operationOf(config, name)
  if (found === undefined) return undefined
  const { wsdl, operation } = found
  const { output } = operation
  if (output === undefined) return { status: 202, headers: {}, body: new Uint8Array() }
  const version = textOf(config, 'version') === '1.2' ? '1.2' : operation.port.version
  const codec = messageCodec(wsdl.schemas, operation, output)
  const body = codec.encode(codec.sample(), version)
  const envelope = makeEnvelope({ version, encoded: codec.encoded, ...(body !== undefined && { body }) })
  const packed = packEnvelope(envelope, { version })
  return told(packed.contentType, packed.bytes)
}

/** An answer as the caller's own contract has it. */
async function wantedBy({ adapter, config }: Asked['channel'], name: string): Promise<Json | undefined> {
  if (adapter === 'webservice') {
    const response = (await describedBy(config, name))?.response
    return response === undefined ? undefined : sample(response)
  }
  const found = await operationOf(config, name)
  if (found?.operation.output === undefined) return undefined
  return messageCodec(found.wsdl.schemas, found.operation, found.operation.output).sample()
}

/** In the dialect of the backend; by its schema where it has one. */
async function webserviceSample(config: unknown, name: string): Promise<Given> {
  const dialect = textOf(config, 'dialect')
  if (dialect === 'xmlrpc') {
    const empty = responseElement(writeValue({}, () => undefined))
    return {
      told: told('text/xml', writeXml(empty)),
      from: 'an empty struct: nothing is known of it',
      hint: HINT,
    }
  }
  const described = await describedBy(config, name)
  const { response, result } = described ?? {}
  if (response === undefined) {
    const root = element(textOf(config, 'namespace') ?? '', `${name}Response`)
    return {
      told: told('text/xml', writeXml(root)),
      from: 'an empty document: nothing is known of it',
      hint: HINT,
    }
  }
  const { uri } = response.name
  const root =
    dialect === 'pox' || result === undefined
      ? fromJson(sample(response), response.name, response)
      : describedResult(sample(result), result, { namespace: uri, lenient: true, dropped: () => undefined })
  return { told: told('text/xml', writeXml(root)), from: 'a sample by the schema of the backend' }
}

async function describedBy(config: unknown, name: string): Promise<Described | undefined> {
  const location = textOf(config, 'schema')
  if (location === undefined || /^https?:/i.test(location)) return undefined
  const loaded = await loadSchema(location, { fetch: refusing(location) })
  return makeContract(textOf(config, 'namespace'), loaded).describe(name)
}

const read = new Map<string, Promise<Wsdl>>()

/** The operation of a WSDL that is a file; undefined where there is none, and for one that would have to be fetched. */
async function operationOf(
  config: unknown,
  name: string,
): Promise<{ readonly wsdl: Wsdl; readonly operation: WsdlOperation } | undefined> {
  const location = textOf(config, 'wsdl')
  if (location === undefined || /^https?:/i.test(location)) return undefined
  const loading = read.get(location) ?? loadWsdl(location)
  read.set(location, loading)
  const wsdl = await loading
  const version = textOf(config, 'version')
  const all = wsdl.operations.filter((operation) => operation.name === name)
  const operation = all.find(({ port }) => port.version === version) ?? all[0]
  return operation === undefined ? undefined : { wsdl, operation }
}

async function loadWsdl(location: string): Promise<Wsdl> {
  return readWsdl(await loadDocuments(location, { fetch: refusing(location), imports: [] }))
}

function refusing(location: string): typeof fetch {
  return async () => {
    throw new GatewayError('BACKEND_FAILED', `${location} imports what would have to be fetched`)
  }
}

function shapesAnswer(config: unknown, operation: string): boolean {
  const operations = memberOf(config, 'operations')
  const own = memberOf(operations, operation) ?? memberOf(operations, '*')
  return memberOf(own, 'result') !== undefined
}

function textOf(config: unknown, name: string): string | undefined {
  const value = memberOf(config, name)
  return typeof value === 'string' ? value : undefined
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Readonly<Record<string, unknown>>)[name] // an object that has this own member
}

function json(value: Json): Told {
  return told('application/json', new TextEncoder().encode(JSON.stringify(value)))
}

function told(type: string, body: Uint8Array): Told {
  return { status: 200, headers: { 'content-type': type }, body }
}

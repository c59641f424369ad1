// What a SOAP system answered: a reply, a business fault, or a breakage.
import { GatewayError } from 'dragoman'
import type { Answer } from 'dragoman'
import { retryAfterMs } from '../data/retry-after.ts'
import { NOT_BUSINESS } from '../data/status.ts'
import { resolveReferences, type ReferenceOptions } from '../xml/bind.ts'
import { readXml } from '../xml/read.ts'
import { isNamed, type XmlElement } from '../xml/tree.ts'
import { isAddressing } from './addressing.ts'
import { includeParts, readPackage } from './attachments.ts'
import type { Caller } from './backend.ts'
import { mediaType } from './content.ts'
import { bodyEntry, isEncoded, readEnvelope, type Envelope } from './envelope.ts'
import { isFault, readFault } from './faults.ts'
import { checkUnderstood, headersToMetadata } from './headers.ts'
import { clark } from './names.ts'
import { isSecurity } from './wsse.ts'

/** Statuses that speak of the way to the system, whatever their body says: not its answer to this request. */
const breakages: ReadonlySet<number> = new Set([...NOT_BUSINESS, 404, 405, 407, 413, 415, 502, 503, 504])

/**
 * Reads an answer. A fault is a value (`Answer.fault`). Throws `BACKEND_FAILED` for everything that is no envelope of the
 * version we spoke, however hostile.
 */
export async function readAnswer(caller: Caller, response: Response): Promise<Answer> {
  const { called, wsdl } = caller
  const bytes = new Uint8Array(await response.arrayBuffer())
  if (breakages.has(response.status)) throw httpFailure(caller, response)
  if (called.output === undefined && response.ok && bytes.length === 0) return {}
  if (bytes.length === 0) throw httpFailure(caller, response)
  try {
    const envelope = parse(caller, response, bytes)
    await caller.guard?.check(envelope)
    const entry = bodyEntry(envelope)
    if (entry !== undefined && isFault(entry, envelope.version))
      return faultAnswer(caller, wholeFault(caller, envelope, entry), response)
    if (!response.ok) throw httpFailure(caller, response)
    checkUnderstood(envelope, (block) => isAddressing(block) || isSecurity(block) || declares(caller, block))
    const metadata = headersToMetadata(
      envelope.headers.filter((block) => !isAddressing(block) && !isSecurity(block)),
      envelope.version,
      { declared: called.headersIn, schemas: wsdl.schemas },
    )
    // DESIGN §16: a system may grow; what its description does not have yet is kept, as in plain XML
    const data = called.output?.decode(checkedEntry(caller, envelope), envelope.version, { unknown: 'keep' })
    return {
      ...(data === undefined ? {} : { data }),
      ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    }
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BACKEND_FAILED') throw error
    const why = error instanceof Error ? error.message : 'unreadable'
    throw failure(caller, response, { problem: `with no valid answer: ${why}`, cause: error })
  }
}

function parse(caller: Caller, response: Response, bytes: Uint8Array): Envelope {
  const outer = mediaType(response.headers.get('content-type') ?? undefined)
  const packaged = outer.type === 'multipart/related' ? readPackage(bytes, outer) : undefined
  const { type, parameters } = packaged?.type ?? outer
  if (type !== '' && !/^(?:text|application)\/(?:soap\+|xop\+)?xml$/.test(type))
    throw new GatewayError('DECODE_FAILED', `its media type is "${type}"`)
  const read = readXml(packaged?.root ?? bytes, {
    charset: parameters.get('charset'),
    joinSurrogateReferences: true,
    processingInstructions: 'ignore',
  })
  // SOAP Messages with Attachments §3: none has to be referred to; the work is done, so what the Body says is kept
  const stray = (id: string): void =>
    caller.scope.log.warn(
      `${name(caller)} answered with attachment "${id}", which is referred to nowhere: it is left out`,
    )
  const root = packaged === undefined ? read.root : includeParts(read.root, packaged.parts, stray)
  const envelope = readEnvelope(root)
  const { version } = caller.called
  if (envelope.version !== version)
    throw new GatewayError('DECODE_FAILED', `it is SOAP ${envelope.version}, the request was SOAP ${version}`)
  return envelope
}

/** The one child of the Body, which must be the one the WSDL names (WS-I BP 1.1 R2712, R2729). */
function checkedEntry(caller: Caller, envelope: Envelope): XmlElement | undefined {
  const { called } = caller
  // in the Body alone: what a signature covers, a Header that it does not cover cannot add to
  const body = resolveReferences(envelope.body, referencesOf(caller, envelope))
  const entry = bodyEntry({ ...envelope, body })
  const wanted = called.operation.output?.body
  if (wanted === undefined) return entry
  if (entry === undefined) throw new GatewayError('DECODE_FAILED', 'its Body is empty')
  // SOAP 1.1 §7.1: in rpc/encoded the name of the response is a convention; in literal it is checked
  const free = called.output?.encoded === true || called.operation.style === 'rpc'
  if (!free && clark(entry) !== clark(wanted))
    throw new GatewayError('DECODE_FAILED', `its Body has ${clark(entry)}, not ${clark(wanted)}`)
  return entry
}

/** The fault with what its detail refers to (SOAP 1.1 §5.4.1), which Axis writes beside it. One that leads nowhere, or in a circle, leaves it as it is: it is told all the same. */
function wholeFault(caller: Caller, envelope: Envelope, fault: XmlElement): XmlElement {
  try {
    const body = resolveReferences(envelope.body, referencesOf(caller, envelope))
    return bodyEntry({ ...envelope, body }) ?? fault
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'DECODE_FAILED') return fault
    throw error
  }
}

/** As the description says, or the envelope itself (SOAP 1.1 §4.1.1). */
function referencesOf({ called: { output }, wsdl }: Caller, envelope: Envelope): ReferenceOptions {
  const encoded = output?.encoded === true || isEncoded(envelope, bodyEntry(envelope))
  return {
    use: encoded ? 'encoded' : 'literal',
    schemas: wsdl.schemas,
    parts: output?.style === 'rpc' ? output.declarations : undefined,
  }
}

function faultAnswer(caller: Caller, entry: XmlElement, response: Response): Answer {
  const { version, faults } = caller.called
  const { soapCode, ...fault } = readFault(entry, version, faults)
  // about how we spoke, not about business
  if (soapCode === 'VersionMismatch' || soapCode === 'MustUnderstand' || soapCode === 'DataEncodingUnknown')
    throw new GatewayError(
      'BACKEND_FAILED',
      `${name(caller)} answered ${response.status}, ${soapCode}: ${fault.message}`,
      { detail: { status: response.status, soapCode } },
    )
  return { fault }
}

function declares({ called }: Caller, block: XmlElement): boolean {
  return called.headersIn.some((codec) => isNamed(block, codec.name))
}

function httpFailure(caller: Caller, response: Response): GatewayError {
  return failure(caller, response, { problem: 'without a SOAP answer' })
}

/** An answer came: its status says so, whatever is in it. */
function failure(
  caller: Caller,
  response: Response,
  { problem, cause }: { readonly problem: string; readonly cause?: unknown },
): GatewayError {
  const { status, headers, redirected } = response
  const later = retryAfterMs(headers.get('retry-after'), caller.scope.now())
  return new GatewayError('BACKEND_FAILED', `${name(caller)} answered ${status} ${problem}`, {
    detail: { status },
    // SEMANTICS 3: too many requests means none of this one was done, unless who redirected it has done it
    notExecuted: status === 429 && !redirected,
    ...(later !== undefined && { retryAfterMs: later }),
    ...(cause !== undefined && { cause }),
  })
}

function name({ scope, called }: Caller): string {
  return `backend "${scope.id}", operation "${called.operation.name}"`
}

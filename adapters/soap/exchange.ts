// One request's way through a SOAP channel: envelope → operation → draft → accept → envelope.
import { GatewayError } from 'dragoman'
import type { HttpRequest, HttpResponse, Identity, Party } from 'dragoman'
import { resolveReferences } from '../xml/bind.ts'
import { readXml, type XmlDocument } from '../xml/read.ts'
import { childElements, isNamed, type XmlElement } from '../xml/tree.ts'
import { isAddressing, readAddressing, type Addressing } from './addressing.ts'
import { includeParts, readPackage } from './attachments.ts'
import { mediaType, soapAction, type MediaType } from './content.ts'
import type { ServedOperation } from './contract.ts'
import { bodyEntry, type Envelope, isEncoded, readEnvelope, requestEntry } from './envelope.ts'
import { faultOfError, faultOfReply } from './faults.ts'
import { checkUnderstood, headersToMetadata, isForUs, isTrace, traceOf } from './headers.ts'
import { clark, versions } from './names.ts'
import { faultResponse, outwardHeaders, replyResponse, type Exchange, type Service } from './respond.ts'
import { isSecurity } from './wsse.ts'

/** Answers one POST whose body is decoded. Never throws: every failure becomes a fault of the caller's version. */
export async function exchange(
  service: Service,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const type = mediaType(request.headers['content-type'])
  const state: Exchange = {
    version: type.type === 'application/soap+xml' ? '1.2' : '1.1',
    charset: 'utf-8',
    sealer: service.guard,
    mtom: false,
  }
  try {
    return await answer(service, { request, signal, type, state })
  } catch (error) {
    const fault = faultOfError(error)
    // what accept refuses the core has recorded
    if (fault.code === 'server' && (!(error instanceof GatewayError) || error.code === 'ENCODE_FAILED'))
      service.scope.log.error('a request was answered with a fault of ours', { error })
    return faultResponse(fault, state)
  }
}

interface Call {
  readonly request: HttpRequest
  readonly signal: AbortSignal
  readonly type: MediaType
  readonly state: Exchange
}

async function answer(service: Service, { request, signal, type, state }: Call): Promise<HttpResponse> {
  const { config, contract, guard, host, scope } = service
  const { root, charset } = readRequest(service, { request, signal, type, state })
  // UTF-16 is answered in UTF-8, which whoever reads XML must read as well (XML 1.0 §4.3.3, SSBP R1012)
  state.charset = charset.startsWith('utf-16') ? 'utf-8' : charset
  const envelope = readEnvelope(root)
  const { version } = envelope
  state.version = version
  const identity = (await guard?.check(envelope)) ?? request.identity
  const addressing = readAddressing(envelope.headers, version)
  if (addressing !== undefined) state.addressing = addressing
  const entry = requestEntry(envelope)
  const operation = contract.find({
    entry,
    version,
    encoded: isEncoded(envelope, entry),
    actions: actionsOf(request, type, addressing),
  })
  checkUnderstood(envelope, (block) => isUnderstood(block, service, operation))
  const body = operation.decode(resolvedEntry(service, { envelope, entry, operation }))
  const draft = await host.draft(operation.name, body, {
    kind: operation.oneWay ? 'event' : 'request',
    sender: senderOf(identity, scope.id),
    metadata: {
      ...headersToMetadata(businessHeaders(envelope), version, {
        declared: operation.headersIn,
        ...(contract.schemas === undefined ? {} : { schemas: contract.schemas }),
      }),
      ...traceOf(envelope.headers, request.headers['traceparent']),
    },
    ...(addressing?.messageId === undefined ? {} : { externalId: addressing.messageId }),
    // passwords are not for the store
    ...(envelope.headers.some(isSecurity)
      ? {}
      : { raw: { mediaType: request.headers['content-type'] ?? 'text/xml', bytes: request.body } }),
  })
  if (draft === undefined)
    throw new GatewayError('DECODE_FAILED', `operation "${operation.name}" is not offered here`)
  const accepted = await host.accept(draft, {
    signal,
    identity,
    ...(draft.kind === 'message' && !operation.oneWay ? { waitMs: config.waitMs } : {}),
  })
  // WS-I BP 1.1 R2714: nothing comes back but the acceptance
  if (operation.oneWay || addressing?.noReply === true)
    return { status: 202, headers: { 'content-length': '0' } }
  return accepted.reply?.fault === undefined
    ? replyResponse(service, { operation, accepted, state, isRequest: draft.kind === 'request' })
    : faultResponse(faultOfReply(accepted.reply.fault, operation.faults), state, {
        accepted,
        headers: outwardHeaders(service, operation, accepted),
      })
}

/** The document of a request, its attachments put in place. */
function readRequest({ config }: Service, { request, type, state }: Call): XmlDocument {
  const options = {
    maxBytes: Infinity, // the listener has counted them
    joinSurrogateReferences: config.tolerateSurrogateRefs,
    processingInstructions: config.processingInstructions,
  }
  if (type.type !== 'multipart/related')
    return readXml(request.body, { ...options, charset: type.parameters.get('charset') })
  const isXop = type.parameters.get('type')?.toLowerCase() === 'application/xop+xml' // XOP §5.1; else plain attachments
  state.mtom = config.mtom === 'both' && isXop
  // what cannot be read is answered as the package itself names its envelope (RFC 2387 §3.1, §3.3)
  const named = mediaType(type.parameters.get(isXop ? 'start-info' : 'type'))
  if (named.type === versions['1.2'].mediaType) state.version = '1.2'
  const { root, type: inner, parts } = readPackage(request.body, type)
  if (inner.type === versions['1.2'].mediaType) state.version = '1.2'
  const document = readXml(root, { ...options, charset: inner.parameters.get('charset') })
  return { ...document, root: includeParts(document.root, parts) }
}

interface Meant {
  readonly envelope: Envelope
  readonly entry: XmlElement | undefined
  readonly operation: ServedOperation
}

/** The Body's child with references put in place (SOAP 1.1 §5.4.1); PHP uses them in literal too. */
function resolvedEntry(
  { contract: { schemas } }: Service,
  { envelope, entry, operation }: Meant,
): XmlElement | undefined {
  // in the Body alone: what a signature covers, a Header that it does not cover cannot add to
  const body = resolveReferences(envelope.body, {
    use: operation.encoded || isEncoded(envelope, entry) ? 'encoded' : 'literal',
    schemas,
    parts: operation.parts,
  })
  const { length } = childElements(body)
  if (length > 1 && !operation.encoded)
    throw new GatewayError(
      'DECODE_FAILED',
      `the envelope has ${length} children in the Body (WS-I BP 1.1 R9981)`,
    )
  return body === envelope.body ? entry : bodyEntry({ ...envelope, body })
}

/** SOAPAction is 1.1's, the `action` parameter 1.2's (RFC 3902); some stacks send both. wsa:Action counts like them. */
function actionsOf(request: HttpRequest, type: MediaType, addressing: Addressing | undefined): string[] {
  return [
    soapAction(request.headers['soapaction']),
    type.parameters.get('action'),
    addressing?.action,
  ].filter((action): action is string => action !== undefined && action !== '')
}

function isUnderstood(block: XmlElement, { config, guard }: Service, operation: ServedOperation): boolean {
  const { understand } = config
  if (isAddressing(block) || (guard !== undefined && isSecurity(block))) return true
  if (operation.headersIn.some(({ name }) => isNamed(block, name))) return true
  return understand.includes(clark(block)) || understand.includes(clark({ uri: block.uri, local: '*' }))
}

/** Blocks with a meaning for the business; those of the protocol itself end here. */
function businessHeaders({ headers, version }: Envelope): XmlElement[] {
  return headers.filter(
    (block) => !isAddressing(block) && !isSecurity(block) && !isTrace(block) && isForUs(block, version),
  )
}

function senderOf(identity: Identity, channel: string): Party {
  return identity.role === 'customer'
    ? { id: identity.id, role: 'customer' }
    : { id: channel, role: 'system' }
}

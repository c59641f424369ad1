// What goes back to a caller: the answer or the fault, in his version and charset, with the headers that belong to it.
import type { Accepted, ChannelHost, HttpResponse, Json, Scope } from 'dragoman'
import type { XmlElement } from '../xml/tree.ts'
import { answerAddressing, faultAction, type Addressing } from './addressing.ts'
import type { ChannelConfig } from './config.ts'
import type { Contract, ServedOperation } from './contract.ts'
import { faultEnvelope, makeEnvelope, packEnvelope } from './envelope.ts'
import { faultStatus, type SoapFault } from './faults.ts'
import { metadataToHeaders, staleHeader } from './headers.ts'
import type { Version } from './names.ts'
import type { Guard } from './security.ts'

/** What a channel works with. */
export interface Service {
  readonly config: ChannelConfig
  readonly scope: Scope
  readonly host: ChannelHost
  readonly contract: Contract
  readonly guard: Guard | undefined
}

/** What is known of a request while it is answered; a fault is written with as much of it as there is. */
export interface Exchange {
  version: Version
  charset: string
  addressing?: Addressing
  readonly sealer: Guard | undefined
  /** The request came in MTOM, and so the answer goes, a fault too: WCF reads nothing else then. */
  mtom: boolean
}

export interface Answered {
  readonly operation: ServedOperation
  readonly accepted: Accepted
  readonly state: Exchange
  /** Of a request: one without a reply was queued, its answer exists no earlier than its execution. */
  readonly isRequest: boolean
}

/** The answer to a request, or what is known of one that was only stored. Throws `ENCODE_FAILED`. */
export function replyResponse(
  service: Service,
  { operation, accepted, state, isRequest }: Answered,
): HttpResponse {
  const { version, charset, addressing, sealer } = state
  const { reply } = accepted
  const value: Json = reply?.data !== undefined ? reply.data : operation.acknowledge(accepted)
  const isAcknowledgement = reply === undefined || (reply.data === undefined && !isRequest)
  const { body, encoded } = operation.encode(value, {
    dropped: (path) => service.scope.log.debug(`${path} is not in the schema and is left out of the answer`),
    ...(isAcknowledgement ? { missing: 'keep' } : {}),
  })
  const headers = [
    ...(addressing === undefined ? [] : answerAddressing(addressing, operation.answerAction)),
    ...outwardHeaders(service, operation, accepted),
  ]
  const { bytes, contentType } = packEnvelope(
    makeEnvelope({ version, headers, encoded, ...(body === undefined ? {} : { body }) }),
    {
      version,
      charset,
      sealer,
      attach: state.mtom ? (body === undefined ? noElements : operation.attachable(body)) : undefined,
    },
  )
  return {
    status: reply === undefined && isRequest ? 202 : 200,
    headers: {
      'content-type': contentType,
      'content-length': String(bytes.length),
      ...staleness(accepted, service.scope.now()),
    },
    body: bytes,
    ...(reply === undefined ? {} : { carries: accepted.id }),
  }
}

const noElements: ReadonlySet<XmlElement> = new Set()

interface FaultAnswer {
  readonly accepted?: Accepted
  readonly headers?: readonly XmlElement[]
}

/** A fault of the caller's version. */
export function faultResponse(
  fault: SoapFault,
  { version, charset, addressing, sealer, mtom }: Exchange,
  given: FaultAnswer = {},
): HttpResponse {
  const headers = [
    ...(addressing === undefined ? [] : answerAddressing(addressing, faultAction(addressing))),
    ...(given.headers ?? []),
  ]
  const { bytes, contentType } = packEnvelope(faultEnvelope(fault, version, headers), {
    version,
    charset,
    sealer,
    attach: mtom ? noElements : undefined,
  })
  const { retryAfterMs } = fault
  return {
    status: faultStatus(fault, version),
    headers: {
      'content-type': contentType,
      'content-length': String(bytes.length),
      ...(retryAfterMs === undefined
        ? {}
        : { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }),
    },
    body: bytes,
    ...(given.accepted === undefined ? {} : { carries: given.accepted.id }),
  }
}

/** RFC 9111 §5.1 and RFC 9211: what HTTP says of a stale answer, beside the header block. */
function staleness({ reply, status }: Accepted, now: number): Record<string, string> {
  if (status !== undefined) return { location: status } // stored for later
  if (reply?.stale !== true) return {}
  const age = reply.asOf === undefined ? NaN : Math.floor((now - Date.parse(reply.asOf)) / 1000)
  return {
    'cache-status': 'dragoman; hit; detail=stale',
    ...(Number.isFinite(age) ? { age: String(Math.max(0, age)) } : {}),
  }
}

/** What an answer's metadata puts into its Header, and the mark of a stale one. */
export function outwardHeaders(
  { config, contract, scope }: Service,
  operation: ServedOperation,
  { reply }: Accepted,
): XmlElement[] {
  if (reply?.metadata === undefined && reply?.stale !== true) return []
  const { schemas } = contract
  const blocks = metadataToHeaders(reply?.metadata, {
    declared: operation.headersOut,
    ...(schemas === undefined ? {} : { schemas }),
    undeclared: { namespace: config.namespace },
    dropped: (name) => scope.log.warn(`header "${name}" of an answer has no namespace here and is left out`),
  })
  return reply?.stale === true ? [...blocks, staleHeader(reply.asOf)] : blocks
}

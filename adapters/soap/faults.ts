// Faults in both versions and both directions: every error of the gateway, every business fault, the protocol's own.
import { GatewayError, type ErrorCode, type Fault } from 'dragoman'
import { isNcName } from '../xml/names.ts'
import { attributeOf, childElement, element, textOf, type XmlElement, withParts } from '../xml/tree.ts'
import { detailElements, detailJson, type FaultContext } from './details.ts'
import { ns, prefixes, versions, type QName, type Version } from './names.ts'

/** `caller` is Client or Sender, `server` is Server or Receiver; the rest have one name in both versions. */
export type FaultCode = 'caller' | 'server' | 'VersionMismatch' | 'MustUnderstand' | 'DataEncodingUnknown'

export interface SoapFault {
  readonly code: FaultCode
  /** SOAP 1.2 only: 1.1 has no place for it (WS-I BP 1.1 R1031 asks for the plain codes). */
  readonly subcode?: QName
  readonly reason: string
  readonly detail: readonly XmlElement[]
  /** Header blocks that explain it: Upgrade, NotUnderstood (SOAP 1.2 Part 1 §5.4.7, §5.4.8). */
  readonly headers: readonly XmlElement[]
  /** Where waiting helps (RFC 9110 §10.2.3). */
  readonly retryAfterMs?: number
}

/** A refusal in the protocol's own words, where no GatewayError code says it. */
export class SoapProblem extends Error {
  override readonly name = 'SoapProblem'
  readonly code: FaultCode
  readonly subcode: QName | undefined
  readonly headers: readonly XmlElement[]

  constructor(
    code: FaultCode,
    message: string,
    options: {
      readonly subcode?: QName
      readonly headers?: readonly XmlElement[]
      readonly cause?: unknown
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.subcode = options.subcode
    this.headers = options.headers ?? []
  }
}

/** The whole map from our codes: whose mistake it was decides, so that none can be missing (SOAP 1.1 §4.4.1). */
const side: Readonly<Record<ErrorCode, 'caller' | 'server'>> = {
  AUTH_FAILED: 'caller',
  FORBIDDEN: 'caller',
  DECODE_FAILED: 'caller',
  TOO_LARGE: 'caller',
  METHOD_NOT_ALLOWED: 'caller',
  UNSUPPORTED_MEDIA: 'caller',
  NOT_FOUND: 'caller',
  NO_ROUTE: 'caller',
  IDEMPOTENCY_MISMATCH: 'caller',
  NOT_OWNER: 'caller',
  TOO_OLD: 'caller',
  EXPIRED: 'caller',
  CURSOR_RESET: 'caller',
  RATE_LIMITED: 'caller',
  OVERLOADED: 'server',
  STORE_UNAVAILABLE: 'server',
  CHANNEL_GONE: 'server',
  ENCODE_FAILED: 'server',
  INTERNAL: 'server',
  BREAKER_OPEN: 'server',
  DEADLINE_EXCEEDED: 'server',
  AGENT_FAILED: 'server',
  BACKEND_FAILED: 'server',
  OUTCOME_UNKNOWN: 'server',
}

/** Any thrown value as a fault. What is not ours tells the caller nothing (`GatewayError.from`). */
export function faultOfError(thrown: unknown): SoapFault {
  if (thrown instanceof SoapProblem)
    return {
      code: thrown.code,
      ...(thrown.subcode === undefined ? {} : { subcode: thrown.subcode }),
      reason: thrown.message,
      detail: [],
      headers: thrown.headers,
    }
  const error = GatewayError.from(thrown)
  const { status, retryAfterMs = status === 503 || status === 429 ? 1000 : undefined } = error
  return {
    code: side[error.code],
    subcode: { uri: ns.gateway, local: error.code },
    reason: error.message,
    detail: [],
    headers: [],
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

/** A business fault: its code where it is one of SOAP's, else the server's with a subcode; its detail by its schema. */
export function faultOfReply(fault: Fault, context: FaultContext): SoapFault {
  const known = new Map<string, FaultCode>([
    ['Client', 'caller'],
    ['Sender', 'caller'],
    ['Server', 'server'],
    ['Receiver', 'server'],
  ]).get(/^[^.]*/.exec(fault.code)?.[0] ?? '') // SOAP 1.1 §4.4.1: a dot goes from the general to the particular
  const named = (known === undefined || fault.code.includes('.')) && isNcName(fault.code)
  return {
    code: known ?? 'server',
    ...(named ? { subcode: { uri: ns.gateway, local: fault.code } } : {}),
    reason: fault.message === '' ? fault.code : fault.message,
    detail: fault.detail === undefined || fault.detail === null ? [] : detailElements(fault.detail, context),
    headers: [],
  }
}

/** The Fault element of one version. */
export function faultElement(fault: SoapFault, version: Version): XmlElement {
  return version === '1.1' ? fault11(fault) : fault12(fault)
}

/** SOAP 1.1 §6.2: always 500. SOAP 1.2 Part 2 table 20: 400 for Sender, else 500. */
export function faultStatus(fault: SoapFault, version: Version): number {
  return version === '1.2' && fault.code === 'caller' ? 400 : 500
}

/** Whether a Body child is a fault of this version. */
export function isFault(entry: XmlElement, version: Version): boolean {
  return entry.local === 'Fault' && entry.uri === versions[version].envelope
}

/** A fault a backend answered: its code without a prefix (in 1.2 the innermost subcode), reason and detail. */
export function readFault(
  entry: XmlElement,
  version: Version,
  context: FaultContext,
): Fault & { readonly soapCode: string } {
  // unqualified in 1.1 (WS-I BP 1.1 R1001), but some servers qualify them, and some use 1.1's names in 1.2
  const child = (owner: XmlElement, ...locals: readonly string[]): XmlElement | undefined =>
    locals
      .flatMap((local) => [
        childElement(owner, '', local),
        childElement(owner, versions[version].envelope, local),
      ])
      .find((found) => found !== undefined)
  const codeElement = child(entry, 'Code', 'faultcode')
  const soapCode = localPart(
    codeElement === undefined ? '' : textOf(child(codeElement, 'Value') ?? codeElement),
  )
  let code = soapCode
  for (
    let at = codeElement === undefined ? undefined : child(codeElement, 'Subcode');
    at !== undefined;
    at = child(at, 'Subcode')
  )
    code = localPart(textOf(child(at, 'Value') ?? at)) || code
  const reason = child(child(entry, 'Reason') ?? entry, 'Text', 'faultstring')
  const detail = child(entry, 'Detail', 'detail')
  const read = detail === undefined ? undefined : detailJson(detail, context)
  if (code === '') code = 'Server'
  return {
    code,
    message: (reason === undefined ? '' : textOf(reason).trim()) || code,
    ...(read === undefined ? {} : { detail: read }),
    soapCode,
  }
}

function fault11(fault: SoapFault): XmlElement {
  const code = fault.code === 'caller' ? 'Client' : fault.code === 'server' ? 'Server' : fault.code
  return element(
    ns.soap11,
    'Fault',
    [],
    [
      qnameElement('', 'faultcode', { uri: ns.soap11, local: code }),
      element('', 'faultstring', [], [fault.reason]),
      ...(fault.detail.length === 0 ? [] : [element('', 'detail', [], fault.detail)]),
    ],
  )
}

function fault12(fault: SoapFault): XmlElement {
  const code = fault.code === 'caller' ? 'Sender' : fault.code === 'server' ? 'Receiver' : fault.code
  const uri = ns.soap12
  const subcode =
    fault.subcode === undefined
      ? []
      : [element(uri, 'Subcode', [], [qnameElement(uri, 'Value', fault.subcode)])]
  return element(
    uri,
    'Fault',
    [],
    [
      element(uri, 'Code', [], [qnameElement(uri, 'Value', { uri, local: code }), ...subcode]),
      element(uri, 'Reason', [], [element(uri, 'Text', [attributeOf('lang', 'en', ns.xml)], [fault.reason])]),
      ...(fault.detail.length === 0 ? [] : [element(uri, 'Detail', [], fault.detail)]),
    ],
  )
}

/** An element whose text is a qualified name: it carries the declaration of the prefix it uses. */
function qnameElement(uri: string, local: string, value: QName): XmlElement {
  const prefix = prefixes.get(value.uri) ?? 'q'
  return withParts(element(uri, local, [], [`${prefix}:${value.local}`]), {
    namespaces: new Map([[prefix, value.uri]]),
  })
}

function localPart(qname: string): string {
  const text = qname.trim()
  return text.slice(text.lastIndexOf(':') + 1)
}

/** SOAP 1.2 Part 1 §5.4.7: which versions we speak, the best first. */
export function upgradeHeader(): XmlElement {
  const supported = (['1.2', '1.1'] as const).map((version, index) =>
    withParts(element(ns.soap12, 'SupportedEnvelope', [attributeOf('qname', `e${index}:Envelope`)]), {
      namespaces: new Map([[`e${index}`, versions[version].envelope]]),
    }),
  )
  return element(ns.soap12, 'Upgrade', [], supported)
}

/** SOAP 1.2 Part 1 §5.4.8: one per block that was not understood. */
export function notUnderstoodHeader(block: QName): XmlElement {
  return withParts(element(ns.soap12, 'NotUnderstood', [attributeOf('qname', `q:${block.local}`)]), {
    namespaces: new Map([['q', block.uri]]),
  })
}

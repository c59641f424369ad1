// The SOAP envelope, read and written, 1.1 and 1.2. Pure: bytes and elements, nothing else.
import { GatewayError } from 'dragoman'
import { attribute, childElements, element, type XmlElement, isBlank, withParts } from '../xml/tree.ts'
import { writeXml } from '../xml/write.ts'
import { extractParts, writePackage } from './attachments.ts'
import { faultElement, isFault, SoapProblem, upgradeHeader, type SoapFault } from './faults.ts'
import { clark, prefixes, versionOf, versions, type Version } from './names.ts'

export interface Envelope {
  readonly version: Version
  readonly root: XmlElement
  readonly headers: readonly XmlElement[]
  readonly body: XmlElement
}

/**
 * Takes an envelope apart. Throws a VersionMismatch problem for a root that is no envelope we know (SOAP 1.1 §4.4.1, 1.2
 * Part 1 §5.4.7) and `DECODE_FAILED` for one that is built wrongly.
 */
export function readEnvelope(root: XmlElement): Envelope {
  const version = versionOf(root.uri)
  if (version === undefined || root.local !== 'Envelope')
    throw new SoapProblem(
      'VersionMismatch',
      `the root element is ${clark(root)}, not a SOAP 1.1 or SOAP 1.2 envelope`,
      { headers: [upgradeHeader()] },
    )
  let header: XmlElement | undefined
  let body: XmlElement | undefined
  for (const child of childElements(root)) {
    if (body !== undefined) throw malformed(`${clark(child)} after the Body (WS-I BP 1.1 R1011)`)
    if (child.uri !== root.uri || (child.local !== 'Body' && child.local !== 'Header'))
      throw malformed(`${clark(child)} in the Envelope where Header or Body is expected`)
    if (child.local === 'Body') body = child
    else if (header === undefined) header = child
    else throw malformed('two Headers')
  }
  if (body === undefined) throw malformed('no Body (WS-I BP 1.1 R9980)')
  return { version, root, headers: header === undefined ? [] : childElements(header), body }
}

/**
 * The Body's one child; undefined for an empty Body. Independent elements of SOAP encoding (`multiRef`, SOAP 1.1 §5.1) may
 * stand beside it: they have an id and it has none, or it says `root="1"` (§5.6). An envelope that says it is encoded may
 * hold more beside its first, as SOAP::Lite leaves them there.
 */
export function bodyEntry(envelope: Envelope): XmlElement | undefined {
  const { body, version } = envelope
  const entries = childElements(body)
  if (body.children.some((child) => typeof child === 'string' && !isBlank(child)))
    throw malformed('text in the Body')
  const { encoding } = versions[version]
  const calls = entries.length < 2 ? entries : entries.filter((entry) => isRoot(entry, encoding))
  const [call] = calls
  if (calls.length > 1 && !isEncoded(envelope, call))
    throw malformed(`${calls.length} children in the Body (WS-I BP 1.1 R9981)`)
  if (call === undefined && entries.length > 0) throw malformed('only independent elements in the Body')
  return call
}

/** Whether the envelope says that SOAP encoding holds for this child of its Body (SOAP 1.1 §4.1.1). */
export function isEncoded({ root, body, version }: Envelope, entry: XmlElement | undefined): boolean {
  const { envelope, encoding } = versions[version]
  const said =
    (entry && attribute(entry, 'encodingStyle', envelope)) ??
    attribute(body, 'encodingStyle', envelope) ??
    attribute(root, 'encodingStyle', envelope)
  return said?.split(/\s+/).includes(encoding) ?? false
}

function isRoot(entry: XmlElement, encoding: string): boolean {
  const root = attribute(entry, 'root', encoding)?.trim()
  if (root !== undefined) return root === '1' || root === 'true'
  return attribute(entry, 'id') === undefined && attribute(entry, 'id', encoding) === undefined
}

/** The Body's child of a request, which is no fault. */
export function requestEntry(envelope: Envelope): XmlElement | undefined {
  const entry = bodyEntry(envelope)
  if (entry !== undefined && isFault(entry, envelope.version))
    throw malformed('a Fault where a request is expected')
  return entry
}

export interface EnvelopeParts {
  readonly version: Version
  readonly headers?: readonly XmlElement[]
  readonly body?: XmlElement
  /** Sets the encodingStyle of the Body's child (SOAP 1.1 §4.1.1; never in literal, WS-I BP 1.1 R1005). */
  readonly encoded?: boolean
}

/** The envelope as an element. */
export function makeEnvelope({ version, headers = [], body, encoded = false }: EnvelopeParts): XmlElement {
  const { envelope: uri, encoding } = versions[version]
  const entry =
    body === undefined || !encoded
      ? body
      : withParts(body, {
          attributes: [...body.attributes, { uri, local: 'encodingStyle', value: encoding }],
        })
  return element(
    uri,
    'Envelope',
    [],
    [
      ...(headers.length === 0 ? [] : [element(uri, 'Header', [], headers)]),
      element(uri, 'Body', [], entry === undefined ? [] : [entry]),
    ],
  )
}

/** A fault's envelope; the blocks that explain it exist in 1.2 only. */
export function faultEnvelope(
  fault: SoapFault,
  version: Version,
  headers: readonly XmlElement[] = [],
): XmlElement {
  const own = version === '1.2' ? fault.headers : []
  return makeEnvelope({ version, headers: [...headers, ...own], body: faultElement(fault, version) })
}

/** What WS-Security adds to an envelope that goes out. */
export interface Sealer {
  /** The Security block, before it is signed; undefined: none. */
  block(): XmlElement | undefined
  /** Signs an envelope that has the block. */
  sign(envelope: XmlElement): XmlElement
}

export interface Packing {
  readonly version: Version
  /** Default `utf-8`; a package of parts is always in it. */
  readonly charset?: string
  readonly sealer?: Sealer | undefined
  /** The action parameter of SOAP 1.2. */
  readonly action?: string | undefined
  /** Makes it MTOM: the elements whose values travel as attachments, if there are any. */
  readonly attach?: ReadonlySet<XmlElement> | undefined
}

export interface Packed {
  readonly bytes: Uint8Array
  /** Made, never copied (SSBP R9703, R1018; RFC 3902). */
  readonly contentType: string
}

/** An envelope as bytes: sealed, with attachments or without. Throws `ENCODE_FAILED`. */
export function packEnvelope(envelope: XmlElement, packing: Packing): Packed {
  const { version, charset = 'utf-8', sealer, attach } = packing
  const action = version === '1.2' ? packing.action : undefined
  const block = sealer?.block()
  const sealed =
    sealer === undefined || block === undefined ? envelope : sealer.sign(withBlock(envelope, block))
  if (attach === undefined)
    return {
      bytes: writeXml(sealed, { charset, prefixes }),
      contentType: contentType(version, charset, action),
    }
  const { envelope: reduced, parts } = extractParts(sealed, attach)
  const root = writeXml(reduced, { prefixes })
  const packed = writePackage({
    root,
    parts,
    mediaType: versions[version].mediaType,
    ...(action === undefined ? {} : { action }),
  })
  return { bytes: packed.body, contentType: packed.contentType }
}

function withBlock(envelope: XmlElement, block: XmlElement): XmlElement {
  const { uri } = envelope
  const [header, ...rest] = childElements(envelope)
  if (header?.local === 'Header')
    return withParts(envelope, {
      children: [withParts(header, { children: [...header.children, block] }), ...rest],
    })
  return withParts(envelope, { children: [element(uri, 'Header', [], [block]), ...envelope.children] })
}

/** The Content-Type of an envelope alone. */
export function contentType(version: Version, charset = 'utf-8', action?: string): string {
  const base = `${versions[version].mediaType}; charset=${charset}`
  return action === undefined || version === '1.1'
    ? base
    : `${base}; action="${action.replaceAll(/["\\]/g, '\\$&')}"`
}

function malformed(what: string): GatewayError {
  return new GatewayError('DECODE_FAILED', `the envelope has ${what}`)
}

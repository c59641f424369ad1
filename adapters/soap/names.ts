// The names SOAP is made of: namespaces, versions, and what differs between 1.1 and 1.2 in one table.

import type { XmlName } from '../xml/tree.ts'

/** SOAP 1.1 (W3C Note, 8 May 2000) or SOAP 1.2 (W3C Recommendation, second edition). */
export type Version = '1.1' | '1.2'

export type QName = XmlName

export const ns = {
  xml: 'http://www.w3.org/XML/1998/namespace',
  xsd: 'http://www.w3.org/2001/XMLSchema',
  xsi: 'http://www.w3.org/2001/XMLSchema-instance',
  soap11: 'http://schemas.xmlsoap.org/soap/envelope/',
  soap12: 'http://www.w3.org/2003/05/soap-envelope',
  encoding11: 'http://schemas.xmlsoap.org/soap/encoding/',
  encoding12: 'http://www.w3.org/2003/05/soap-encoding',
  rpc12: 'http://www.w3.org/2003/05/soap-rpc',
  wsdl: 'http://schemas.xmlsoap.org/wsdl/',
  wsdlSoap11: 'http://schemas.xmlsoap.org/wsdl/soap/',
  wsdlSoap12: 'http://schemas.xmlsoap.org/wsdl/soap12/',
  wsa: 'http://www.w3.org/2005/08/addressing',
  wsaFault: 'http://www.w3.org/2005/08/addressing/soap/fault',
  wsse: 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd',
  wsu: 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd',
  ds: 'http://www.w3.org/2000/09/xmldsig#',
  xop: 'http://www.w3.org/2004/08/xop/include',
  /** What the gateway itself says in an envelope: the mark of a stale answer, its own subcodes. */
  gateway: 'urn:dragoman:soap:1',
} as const

interface VersionRow {
  readonly envelope: string
  readonly encoding: string
  readonly mediaType: string
  /** Header attribute that names for whom a block is. */
  readonly actor: string
  /** Values of it that mean us, besides none at all. */
  readonly ours: readonly string[]
  readonly caller: string
  readonly server: string
}

export const versions: Readonly<Record<Version, VersionRow>> = {
  '1.1': {
    envelope: ns.soap11,
    encoding: ns.encoding11,
    mediaType: 'text/xml',
    actor: 'actor',
    // SOAP 1.1 §4.2.2
    ours: ['', 'http://schemas.xmlsoap.org/soap/actor/next'],
    caller: 'Client',
    server: 'Server',
  },
  '1.2': {
    envelope: ns.soap12,
    encoding: ns.encoding12,
    mediaType: 'application/soap+xml',
    actor: 'role',
    // SOAP 1.2 Part 1 §2.2
    ours: [
      '',
      'http://www.w3.org/2003/05/soap-envelope/role/next',
      'http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver',
    ],
    caller: 'Sender',
    server: 'Receiver',
  },
}

/** The customary prefixes, by namespace: what we write and what we sign, which have to be the same. */
export const prefixes: ReadonlyMap<string, string> = new Map([
  [ns.soap11, 's'],
  [ns.soap12, 's'],
  [ns.xsi, 'xsi'],
  [ns.xsd, 'xsd'],
  [ns.encoding11, 'soapenc'],
  [ns.encoding12, 'soapenc'],
  [ns.gateway, 'd'],
  [ns.wsse, 'wsse'],
  [ns.wsu, 'wsu'],
  [ns.ds, 'ds'],
  [ns.wsa, 'wsa'],
  [ns.xop, 'xop'],
])

/** The version whose envelope namespace this is: nothing else decides it (SOAP 1.1 §5, SOAP 1.2 Part 1 §5.4.7). */
export function versionOf(envelopeUri: string): Version | undefined {
  if (envelopeUri === ns.soap11) return '1.1'
  if (envelopeUri === ns.soap12) return '1.2'
  return undefined
}

/** `{uri}local`: one string for one expanded name. */
export function clark(name: QName): string {
  return `{${name.uri}}${name.local}`
}

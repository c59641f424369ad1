// Makes XML Signatures over the Body and the Timestamp of our own envelopes (WSS X.509 Token Profile 1.1).
import { createHash, createPrivateKey, sign, type KeyObject, type X509Certificate } from 'node:crypto'
import { readXmlText } from '../xml/read.ts'
import { attributeOf, childElement, element, type XmlElement, withParts } from '../xml/tree.ts'
import { writeXmlText } from '../xml/write.ts'
import { canonicalize, exclusiveC14n } from './c14n.ts'
import { prefixes } from './names.ts'
import { dsigMore } from './signature.ts'
import { base64Binary, ds, elementById, wsse, wsu, x509v3 } from './wsse.ts'

/** A key of ours with its certificate. */
export interface Signer {
  readonly key: KeyObject
  readonly certificate: X509Certificate
}

/** Reads the key from PEM. Throws what node:crypto throws, and where the certificate is not the key's: nobody could verify what it signs. */
export function makeSigner(keyPem: string, certificate: X509Certificate, passphrase?: string): Signer {
  const key = createPrivateKey({ key: keyPem, ...(passphrase === undefined ? {} : { passphrase }) })
  if (!certificate.checkPrivateKey(key)) throw new Error('the certificate is of another key')
  return { key, certificate }
}

/**
 * Signs the Body and the Timestamp of an envelope that has a Security block, and puts token and signature into it. The
 * canonical form depends on prefixes, so it is taken from what the writer writes: once with empty values, then with them.
 */
export function signEnvelope(envelope: XmlElement, signer: Signer): XmlElement {
  const isBody = (one: XmlElement): boolean => one.local === 'Body' && one.uri === envelope.uri
  const marked = mapChildren(envelope, (child) => {
    if (isBody(child)) return withId(child, 'body')
    if (child.local !== 'Header') return child
    return mapChildren(child, (block) => (isSecurityBlock(block) ? mapChildren(block, markTimestamp) : block))
  })
  const hasTimestamp = securityOf(marked).children.some(
    (child) => typeof child !== 'string' && child.local === 'Timestamp',
  )
  const ids = hasTimestamp ? ['timestamp', 'body'] : ['body']
  const method = signer.key.asymmetricKeyType === 'ec' ? 'ecdsa-sha256' : 'rsa-sha256'
  const build = (values: ReadonlyMap<string, string>): XmlElement =>
    insert(marked, [binaryToken(signer), signatureElement(ids, method, values)])
  const written = (values: ReadonlyMap<string, string>): XmlElement =>
    readXmlText(writeXmlText(build(values), { prefixes }))
  const blank = written(new Map())
  const values = new Map(
    ids.map((id) => [
      id,
      createHash('sha256')
        .update(canonicalize(elementById(blank, id)))
        .digest('base64'),
    ]),
  )
  const filled = childElement(securityOf(written(values)), ds, 'Signature')
  const info = filled === undefined ? undefined : childElement(filled, ds, 'SignedInfo')
  if (info === undefined) return envelope
  const key = { key: signer.key, dsaEncoding: 'ieee-p1363' as const }
  values.set('', sign('sha256', Buffer.from(canonicalize(info)), key).toString('base64'))
  return build(values)
}

function signatureElement(
  ids: readonly string[],
  method: string,
  values: ReadonlyMap<string, string>,
): XmlElement {
  const algorithm = (local: string, uri: string): XmlElement =>
    element(ds, local, [attributeOf('Algorithm', uri)])
  const references = ids.map((id) =>
    element(
      ds,
      'Reference',
      [attributeOf('URI', `#${id}`)],
      [
        element(ds, 'Transforms', [], [algorithm('Transform', exclusiveC14n)]),
        algorithm('DigestMethod', 'http://www.w3.org/2001/04/xmlenc#sha256'),
        element(ds, 'DigestValue', [], [values.get(id) ?? '']),
      ],
    ),
  )
  const token = element(wsse, 'Reference', [attributeOf('URI', '#token'), attributeOf('ValueType', x509v3)])
  return element(
    ds,
    'Signature',
    [],
    [
      element(
        ds,
        'SignedInfo',
        [],
        [
          algorithm('CanonicalizationMethod', exclusiveC14n),
          algorithm('SignatureMethod', dsigMore + method),
          ...references,
        ],
      ),
      element(ds, 'SignatureValue', [], [values.get('') ?? '']),
      element(ds, 'KeyInfo', [], [element(wsse, 'SecurityTokenReference', [], [token])]),
    ],
  )
}

function binaryToken({ certificate: own }: Signer): XmlElement {
  const attributes = [
    attributeOf('EncodingType', base64Binary),
    attributeOf('ValueType', x509v3),
    attributeOf('Id', 'token', wsu),
  ]
  return element(wsse, 'BinarySecurityToken', attributes, [own.raw.toString('base64')])
}

function insert(envelope: XmlElement, added: readonly XmlElement[]): XmlElement {
  return mapChildren(envelope, (child) =>
    child.local === 'Header'
      ? mapChildren(child, (block) =>
          isSecurityBlock(block) ? withParts(block, { children: [...block.children, ...added] }) : block,
        )
      : child,
  )
}

function securityOf(envelope: XmlElement): XmlElement {
  const header = childElement(envelope, envelope.uri, 'Header')
  const block = header === undefined ? undefined : childElement(header, wsse, 'Security')
  return block ?? element(wsse, 'Security')
}

function isSecurityBlock(block: XmlElement): boolean {
  return block.uri === wsse && block.local === 'Security'
}

function markTimestamp(child: XmlElement): XmlElement {
  return child.uri === wsu && child.local === 'Timestamp' ? withId(child, 'timestamp') : child
}

function withId(one: XmlElement, id: string): XmlElement {
  return withParts(one, { attributes: [...one.attributes, attributeOf('Id', id, wsu)] })
}

function mapChildren(parent: XmlElement, change: (child: XmlElement) => XmlElement): XmlElement {
  return withParts(parent, {
    children: parent.children.map((child) => (typeof child === 'string' ? child : change(child))),
  })
}

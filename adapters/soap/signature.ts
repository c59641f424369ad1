// Verifies XML Signatures (WSS X.509 Token Profile 1.1) on the tree of the one reader.
import { createHash, verify, type X509Certificate } from 'node:crypto'
import { attribute, childElement, childElements, isNamed, textOf, type XmlElement } from '../xml/tree.ts'
import { canonicalize, canonicalizeInclusive, exclusiveC14n, inclusiveC14n } from './c14n.ts'
import { isBelieved, signerOf } from './certificates.ts'
import { ds, elementById, isSecurity, refused, unauthenticated, wsse, wsu } from './wsse.ts'

const digests: ReadonlyMap<string, string> = new Map([
  ['http://www.w3.org/2000/09/xmldsig#sha1', 'sha1'],
  ['http://www.w3.org/2001/04/xmlenc#sha256', 'sha256'],
  ['http://www.w3.org/2001/04/xmldsig-more#sha384', 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
])

interface Algorithm {
  readonly hash: string
  readonly key: 'rsa' | 'ec'
}

export const dsigMore = 'http://www.w3.org/2001/04/xmldsig-more#'
/** XML Signature §6.4, RFC 6931 §2.3. No HMAC: its secret would be anybody's public key. */
const signatures: ReadonlyMap<string, Algorithm> = new Map([
  ['http://www.w3.org/2000/09/xmldsig#rsa-sha1', { hash: 'sha1', key: 'rsa' }],
  [`${dsigMore}rsa-sha256`, { hash: 'sha256', key: 'rsa' }],
  [`${dsigMore}rsa-sha384`, { hash: 'sha384', key: 'rsa' }],
  [`${dsigMore}rsa-sha512`, { hash: 'sha512', key: 'rsa' }],
  [`${dsigMore}ecdsa-sha256`, { hash: 'sha256', key: 'ec' }],
  [`${dsigMore}ecdsa-sha384`, { hash: 'sha384', key: 'ec' }],
  [`${dsigMore}ecdsa-sha512`, { hash: 'sha512', key: 'ec' }],
])
const envelopedTransform = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature'

/** Namespaces of what stands in a Security block: those of WS-Security, of signatures, of SAML. */
const ofSecurity =
  /^(?:http:\/\/docs\.oasis-open\.org\/wss\/|http:\/\/www\.w3\.org\/2000\/09\/xmldsig#|urn:oasis:names:tc:SAML:)/

/** More signed parts than any real message has: each costs a walk over it. */
const maxReferences = 30

export interface VerifyRules {
  readonly root: XmlElement
  readonly security: XmlElement
  /** What a signature must cover: the Body, and the Timestamp if there is one. */
  readonly parts: readonly XmlElement[]
  readonly trusted: readonly X509Certificate[]
  readonly sha1: boolean
  readonly now: number
}

/**
 * Verifies the Security block's signature and answers its signer. The parts are compared as elements of the tree that is
 * read afterwards, so that nothing else can be slipped in beside what was signed. Throws problems.
 */
export function verifySignature(rules: VerifyRules): X509Certificate {
  const { security, parts, trusted } = rules
  const signature = childElement(security, ds, 'Signature')
  if (signature === undefined) throw refused('InvalidSecurity', 'a signature over the Body is needed')
  const info = childElement(signature, ds, 'SignedInfo')
  const value = childElement(signature, ds, 'SignatureValue')
  if (info === undefined || value === undefined)
    throw refused('InvalidSecurity', 'the signature lacks SignedInfo or SignatureValue')
  const signer = signerOf(signature, rules)
  if (!isBelieved(signer, trusted, rules.now)) throw unauthenticated('signer not trusted')
  const method = algorithmOf(info, 'SignatureMethod')
  const algorithm = signatures.get(method)
  if (
    algorithm === undefined ||
    (algorithm.hash === 'sha1' && !rules.sha1) ||
    algorithm.key !== signer.publicKey.asymmetricKeyType
  )
    throw refused('UnsupportedAlgorithm', `signature algorithm "${method.slice(0, 120)}" is not accepted`)
  const canonical = canonicalInfo(info, rules.root)
  const key = { key: signer.publicKey, dsaEncoding: 'ieee-p1363' as const } // RFC 6931 §2.3.6: r and s, not DER
  if (!verify(algorithm.hash, Buffer.from(canonical), key, Buffer.from(textOf(value), 'base64')))
    throw refused('FailedCheck', 'the signature does not fit')
  const signed = referencedElements(info, signature, rules)
  if (!parts.every((part) => signed.includes(part)))
    throw refused('FailedCheck', 'the signature does not cover the Body and the Timestamp')
  const moved = signed.find((part) => !isInPlace(part, rules))
  if (moved !== undefined)
    throw refused('FailedCheck', `the signed ${moved.local} does not stand where it is read`)
  return signer
}

/**
 * Whether a signed element stands where what it says counts. Moved elsewhere it would still fit its digest, and the message
 * pass without it or with another in its place: an old one without the Timestamp that says how old it is, a repeated one
 * with another MessageID (signature wrapping).
 */
function isInPlace(target: XmlElement, { root, security }: VerifyRules): boolean {
  if (target === root) return true
  for (const part of childElements(root))
    if (part === target || (part.local === 'Body' && isBelow(part, target))) return true
  // only the first of these is read
  for (const name of [
    { uri: wsu, local: 'Timestamp' },
    { uri: wsse, local: 'UsernameToken' },
  ])
    if (isNamed(target, name)) return target === childElement(security, name.uri, name.local)
  if (ofSecurity.test(target.uri) && !isSecurity(target)) return isBelow(security, target)
  return childElement(root, root.uri, 'Header')?.children.includes(target) === true
}

function isBelow(ancestor: XmlElement, target: XmlElement): boolean {
  const waiting = childElements(ancestor)
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (at === target) return true
    for (const child of childElements(at)) waiting.push(child)
  }
  return false
}

function canonicalInfo(info: XmlElement, root: XmlElement): string {
  const method = childElement(info, ds, 'CanonicalizationMethod')
  const algorithm = method === undefined ? '' : (attribute(method, 'Algorithm') ?? '')
  if (algorithm === inclusiveC14n) return canonicalizeInclusive(info, { root })
  if (method === undefined || algorithm !== exclusiveC14n)
    throw refused('UnsupportedAlgorithm', `canonicalization "${algorithm.slice(0, 120)}" is not accepted`)
  return canonicalize(info, { inclusive: prefixList(method) })
}

/** Digests every reference (XML Signature §3.2.1) and answers what they refer to. */
function referencedElements(
  info: XmlElement,
  signature: XmlElement,
  { root, sha1 }: VerifyRules,
): XmlElement[] {
  const references = childElements(info, { uri: ds, local: 'Reference' })
  if (references.length > maxReferences)
    throw refused('InvalidSecurity', `more than ${maxReferences} signed parts`)
  return references.map((reference) => {
    const uri = attribute(reference, 'URI') ?? ''
    if (!uri.startsWith('#') || uri.length < 2)
      throw refused('InvalidSecurity', `a signature refers to "${uri.slice(0, 80)}", not to an id`)
    const target = elementById(root, uri.slice(1))
    const canonical = transformed(target, { reference, signature, root })
    const method = algorithmOf(reference, 'DigestMethod')
    const hash = digests.get(method)
    if (hash === undefined || (hash === 'sha1' && !sha1))
      throw refused('UnsupportedAlgorithm', `digest "${method.slice(0, 120)}" is not accepted`)
    const digest = createHash(hash).update(canonical).digest('base64')
    const wanted = childElement(reference, ds, 'DigestValue')
    if (wanted === undefined || textOf(wanted).replaceAll(/\s/g, '') !== digest)
      throw refused('FailedCheck', 'a signed part was changed')
    return target
  })
}

/** XML Signature §4.4.3.2: what no transform made octets of is canonicalized inclusively. */
function transformed(
  target: XmlElement,
  { reference, signature, root }: { reference: XmlElement; signature: XmlElement; root: XmlElement },
): string {
  const list = childElement(reference, ds, 'Transforms')
  let without: XmlElement | undefined
  let canonical: string | undefined
  for (const transform of list === undefined ? [] : childElements(list)) {
    const algorithm = attribute(transform, 'Algorithm') ?? ''
    if (canonical === undefined && algorithm === envelopedTransform) without = signature
    else if (canonical === undefined && algorithm === exclusiveC14n)
      canonical = canonicalize(target, { inclusive: prefixList(transform), without })
    else if (canonical === undefined && algorithm === inclusiveC14n)
      canonical = canonicalizeInclusive(target, { root, without })
    else throw refused('UnsupportedAlgorithm', `transform "${algorithm.slice(0, 120)}" is not accepted`)
  }
  return canonical ?? canonicalizeInclusive(target, { root, without })
}

function prefixList(owner: XmlElement): string[] {
  const list = childElement(owner, exclusiveC14n, 'InclusiveNamespaces')
  return (list === undefined ? '' : (attribute(list, 'PrefixList') ?? ''))
    .split(/\s+/)
    .filter((prefix) => prefix !== '')
    .map((prefix) => (prefix === '#default' ? '' : prefix))
}

function algorithmOf(owner: XmlElement, local: string): string {
  const method = childElement(owner, ds, local)
  return method === undefined ? '' : (attribute(method, 'Algorithm') ?? '')
}

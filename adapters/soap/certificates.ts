// Which X.509 certificate signed, and whether it is believed (WSS X.509 Token Profile 1.1).
import { createHash, X509Certificate } from 'node:crypto'
import { attribute, childElement, textOf, type XmlElement } from '../xml/tree.ts'
import { ds, elementById, refused, wsse } from './wsse.ts'

/** Where a certificate may be found. */
export interface Known {
  readonly root: XmlElement
  readonly trusted: readonly X509Certificate[]
}

/** Believed is a trusted certificate itself, or one that a trusted authority issued; both while they are valid. */
export function isBelieved(
  signer: X509Certificate,
  trusted: readonly X509Certificate[],
  now: number,
): boolean {
  if (!within(signer, now)) return false
  return trusted.some((one) => one.fingerprint256 === signer.fingerprint256 || issued(one, signer, now))
}

/** Every certificate of PEM texts. Throws what node:crypto throws. */
export function readCertificates(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
  return blocks.map((block) => new X509Certificate(block))
}

/** The certificate KeyInfo means (X.509 Token Profile 1.1 §3.2): sent along, or named among the trusted ones. */
export function signerOf(signature: XmlElement, { root, trusted }: Known): X509Certificate {
  const info = childElement(signature, ds, 'KeyInfo')
  const reference = info === undefined ? undefined : childElement(info, wsse, 'SecurityTokenReference')
  const holder = reference ?? info
  const direct = reference === undefined ? undefined : childElement(reference, wsse, 'Reference')
  const uri = direct === undefined ? undefined : attribute(direct, 'URI')
  if (uri !== undefined) {
    const token = elementById(root, uri.replace(/^#/, ''))
    if (token.uri === wsse && token.local === 'BinarySecurityToken') return readCertificate(textOf(token))
  }
  const data = holder === undefined ? undefined : childElement(holder, ds, 'X509Data')
  const inline = data === undefined ? undefined : childElement(data, ds, 'X509Certificate')
  if (inline !== undefined) return readCertificate(textOf(inline))
  const serial = data === undefined ? undefined : childElement(data, ds, 'X509IssuerSerial')
  const identifier = reference === undefined ? undefined : childElement(reference, wsse, 'KeyIdentifier')
  const named = trusted.find(
    (one) =>
      (serial !== undefined &&
        hasSerial(one, textOf(childElement(serial, ds, 'X509SerialNumber') ?? serial))) ||
      (identifier !== undefined && isIdentified(one, identifier)),
  )
  if (named === undefined)
    throw refused('InvalidSecurityToken', 'the signature names no certificate that is known here')
  return named
}

function readCertificate(base64: string): X509Certificate {
  try {
    return new X509Certificate(Buffer.from(base64, 'base64'))
  } catch (cause) {
    throw Object.assign(refused('InvalidSecurityToken', 'the certificate cannot be read'), { cause })
  }
}

function hasSerial({ serialNumber }: X509Certificate, decimal: string): boolean {
  return /^\s*\d{1,60}\s*$/.test(decimal) && BigInt(`0x${serialNumber}`) === BigInt(decimal.trim())
}

/** X.509 Token Profile 1.1 §3.2.1 (subject key identifier); WSS 1.1 §7.3 (thumbprint). */
function isIdentified(candidate: X509Certificate, identifier: XmlElement): boolean {
  const type = attribute(identifier, 'ValueType') ?? ''
  const value = Buffer.from(textOf(identifier), 'base64')
  if (type.endsWith('#ThumbprintSHA1')) return createHash('sha1').update(candidate.raw).digest().equals(value)
  if (type.endsWith('#X509v3')) return candidate.raw.equals(value)
  // the identifier is an extension of the certificate: an OCTET STRING of these bytes is in its DER
  const octets = Buffer.concat([Buffer.from([0x04, value.length]), value])
  return type.endsWith('#X509SubjectKeyIdentifier') && value.length >= 16 && candidate.raw.includes(octets)
}

function issued(issuer: X509Certificate, subject: X509Certificate, now: number): boolean {
  return issuer.ca && within(issuer, now) && subject.checkIssued(issuer) && subject.verify(issuer.publicKey)
}

function within({ validFrom, validTo }: X509Certificate, now: number): boolean {
  return Date.parse(validFrom) <= now && now <= Date.parse(validTo)
}

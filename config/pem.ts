// Whether a start could use the listener's certificate, its key and the authorities.
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { createSecureContext } from 'node:tls'

/** What the files hold; absent where one is not wanted, or could not be read. */
export interface PemContents {
  readonly cert?: Uint8Array | undefined
  readonly key?: Uint8Array | undefined
  readonly ca?: Uint8Array | undefined
}

export interface PemFault {
  readonly of: keyof PemContents
  /** Follows the name of the file. */
  readonly message: string
}

/** As the running gateway warns (core/http). */
const ENDING_MS = 14 * 24 * 3_600_000

/** At most one fault of each file. */
export function pemFaults({ cert, key, ca }: PemContents): readonly PemFault[] {
  const alone = [
    ...(cert === undefined ? [] : faultOf('cert', certificateFault(cert))),
    ...(key === undefined ? [] : faultOf('key', keyFault(key))),
    ...(ca === undefined ? [] : faultOf('ca', certificateFault(ca))),
  ]
  if (cert === undefined || key === undefined || alone.some((fault) => fault.of !== 'ca')) return alone
  return [...alone, ...pairFaults(Buffer.from(cert), Buffer.from(key))]
}

/** A notice of when callers refuse the certificate; undefined where that is 14 days away, or the file is at fault. Follows the name of the file. */
export function termNotice(cert: Uint8Array, now = Date.now()): string | undefined {
  if (certificateFault(cert) !== undefined) return undefined
  const { validFromDate, validToDate } = new X509Certificate(certificatesIn(cert)[0] ?? '')
  if (now < validFromDate.getTime())
    return `is not valid before ${validFromDate.toISOString()}: until then callers refuse it`
  const leftMs = validToDate.getTime() - now
  if (leftMs > ENDING_MS) return undefined
  const end = validToDate.toISOString()
  return leftMs < 0
    ? `has been over since ${end}: callers refuse it`
    : `ends at ${end}: callers refuse it from then on`
}

function faultOf(of: PemFault['of'], message: string | undefined): readonly PemFault[] {
  return message === undefined ? [] : [{ of, message }]
}

/** RFC 7468 §5; OpenSSL knows the two older labels as well. Of authorities it would leave out what it cannot read without a word. */
function certificateFault(bytes: Uint8Array): string | undefined {
  const blocks = certificatesIn(bytes)
  if (blocks.length === 0)
    return 'holds no certificate: a PEM file with "-----BEGIN CERTIFICATE-----" is needed'
  const joined = joinFault(bytes)
  if (joined !== undefined) return joined
  const broken = blocks.findIndex((block) => failure(() => new X509Certificate(block)))
  return broken === -1 ? undefined : `cannot be used: certificate ${broken + 1} in it is damaged`
}

function certificatesIn(bytes: Uint8Array): readonly string[] {
  const [, ...blocks] = Buffer.from(bytes)
    .toString('latin1')
    .split(/-----BEGIN (?=(?:X509 |TRUSTED )?CERTIFICATE-----)/u)
  return blocks.map((block) => `-----BEGIN ${block}`)
}

function keyFault(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes)
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/u.test(text.toString('latin1')))
    return 'holds no private key: a PEM file with "-----BEGIN PRIVATE KEY-----", without a passphrase, is needed'
  const why = failure(() => createPrivateKey(text))
  return (
    why &&
    (joinFault(bytes) ?? `cannot be used: the private key in it is damaged, or has a passphrase (${why})`)
  )
}

/** RFC 7468 §3: each boundary has a line of its own, which a file without a last line break spoils for the one that is put behind it. */
function joinFault(bytes: Uint8Array): string | undefined {
  const text = Buffer.from(bytes).toString('latin1')
  const joined = /-----END [^-\r\n]+-----[ \t]*(-----BEGIN [^-\r\n]+-----)/u.exec(text)
  if (joined === null) return undefined
  const line = text.slice(0, joined.index).split('\n').length
  return `cannot be used: a line break is missing before "${joined[1]}" in line ${line}`
}

function pairFaults(cert: Buffer, key: Buffer): readonly PemFault[] {
  const privateKey = createPrivateKey(key)
  const own = certificatesIn(cert).findIndex((each) => new X509Certificate(each).checkPrivateKey(privateKey))
  if (own === -1) return faultOf('key', 'is the key of another certificate than that in "cert"')
  // RFC 8446 §4.4.2
  if (own > 0)
    return faultOf(
      'cert',
      `must begin with its own certificate: that of "key" is certificate ${own + 1} in it`,
    )
  const why = failure(() => createSecureContext({ cert, key, minVersion: 'TLSv1.2' }))
  return faultOf('cert', why && `cannot be used: ${why}`)
}

function failure(attempt: () => unknown): string | undefined {
  try {
    attempt()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

// The listener's certificate, read from its files each time it is asked for.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type TlsOptions } from 'node:tls'
import { GatewayError } from '../api.ts'

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** Who signs callers' certificates; with it every caller needs one. */
  readonly caFile?: string
}

export interface ListenerTls {
  readonly options: TlsOptions
  /** The listener's own; what follows it in the file only leads to who signed it. */
  readonly certificate: X509Certificate
}

/**
 * Reads and checks: a key that does not belong to the certificate is found here, not at the first handshake. Throws
 * `INTERNAL` with the file's name.
 */
export async function readTls(files: TlsFiles): Promise<ListenerTls> {
  const [cert, key, ca] = await Promise.all([
    read(files.certFile),
    read(files.keyFile),
    files.caFile === undefined ? undefined : read(files.caFile),
  ])
  const options: TlsOptions = {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
  }
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
    // OpenSSL compares keys of one type only: an RSA certificate with an EC key would fail at every handshake.
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error(whyNot(cert, key))
    createSecureContext(options)
  } catch (error) {
    throw unusable(`${files.certFile} and ${files.keyFile} cannot be used`, error)
  }
  // OpenSSL takes a text without a certificate as a list of none, and every caller would be turned away.
  if (files.caFile !== undefined && !ca?.includes('CERTIFICATE-----'))
    throw new GatewayError('INTERNAL', `tls: ${files.caFile} holds no certificate`)
  return { options, certificate }
}

/** What follows the first certificate may be the key's: then the file is in the wrong order (RFC 8446 §4.4.2). */
function whyNot(cert: Buffer, key: Buffer): string {
  const [, ...later] = cert
    .toString('latin1')
    .split(/(?=-----BEGIN [A-Z0-9 ]*CERTIFICATE-----)/u)
    .filter((block) => block.startsWith('-----BEGIN'))
  const privateKey = createPrivateKey(key)
  return later.some((each) => new X509Certificate(each).checkPrivateKey(privateKey))
    ? 'the first must begin with its own certificate'
    : 'the key is of another certificate'
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw unusable(`${file} cannot be read`, error)
  }
}

function unusable(what: string, error: unknown): GatewayError {
  const why = error instanceof Error ? error.message : String(error)
  // What `cat` makes of a certificate without a last line break; the config's check says where.
  const isJoined = error instanceof Error && 'code' in error && error.code === 'ERR_OSSL_PEM_BAD_END_LINE'
  const hint = isJoined ? ': an END line is damaged, or a line break behind it is missing' : ''
  return new GatewayError('INTERNAL', `tls: ${what}: ${why}${hint}`, { cause: error })
}

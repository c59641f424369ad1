// A certificate of its own, made for one test.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificate extends Disposable {
  /** PEM files. The certificate is its own authority. */
  readonly cert: string
  readonly key: string
}

export function makeCertificate(host = 'localhost', signer?: Pick<Certificate, 'cert' | 'key'>): Certificate {
  const directory = mkdtempSync(join(tmpdir(), 'dragoman-certificate-'))
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const name = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`]
  const files = ['-keyout', key, '-out', cert]
  const signed = signer === undefined ? [] : ['-CA', signer.cert, '-CAkey', signer.key]
  execFileSync('openssl', ['req', '-x509', ...kind, ...signed, ...name, ...files], { stdio: 'ignore' })
  return {
    cert,
    key,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  }
}

/** The same certificate with the same key, but its time has been over for a day. */
export function expire({ cert, key }: Pick<Certificate, 'cert' | 'key'>): void {
  const again = ['x509', '-in', cert, '-signkey', key, '-days', '-1', '-out', cert]
  execFileSync('openssl', again, { stdio: 'ignore' })
}

// WS-Security as a whole: what a channel asks of callers and puts on answers, what a backend sends and asks of answers.
import { readFile } from 'node:fs/promises'
import { X509Certificate } from 'node:crypto'
import { GatewayError } from 'dragoman'
import type { Identity, Scope } from 'dragoman'
import { countRefusals } from '../data/refusals.ts'
import { childElement, element, type XmlElement } from '../xml/tree.ts'
import { readCertificates } from './certificates.ts'
import type { BackendSecurity, ChannelSecurity, SignConfig } from './config.ts'
import type { Envelope, Sealer } from './envelope.ts'
import { SoapProblem } from './faults.ts'
import { verifySignature } from './signature.ts'
import { makeSigner, signEnvelope, type Signer } from './signing.ts'
import { checkToken, usernameToken } from './username-token.ts'
import { checkTimestamp, refused, securityBlock, toldOf, wsse, wsu } from './wsse.ts'

/** How long a message of ours is good for. */
const lifetimeMs = 5 * 60_000

export interface Guard extends Sealer {
  /** Checks what came in; whom it names, if it names anybody. Throws problems. */
  check(envelope: Envelope): Promise<Identity | undefined>
}

/** The guard of a channel. Reads its files; throws `INTERNAL` naming the one that is wrong. */
export async function channelGuard(config: ChannelSecurity, scope: Scope): Promise<Guard> {
  const trusted = await readTrusted(config.trust)
  const signer = await readSigner(config.sign)
  const { users, passwordType, maxAge } = config
  const refusedOne = countRefusals(scope, 'soap_refused_total')
  async function identify(envelope: Envelope): Promise<Identity | undefined> {
    const security = demand(envelope)
    const now = scope.now()
    checkTime(security, { now, maxAgeMs: maxAge, required: config.timestamp === 'required' })
    const certificate =
      trusted.length === 0 ? undefined : verified(envelope, security, { trusted, sha1: config.sha1, now })
    const user =
      users === undefined
        ? undefined
        : await checkToken(security, { users, passwordType, maxAgeMs: maxAge, scope })
    const id = user ?? (certificate === undefined ? undefined : commonName(certificate))
    return id === undefined ? undefined : { role: 'program', id }
  }
  return {
    async check(envelope) {
      try {
        return await identify(envelope)
      } catch (error) {
        if (error instanceof SoapProblem) {
          const { reason, why } = toldOf(error)
          refusedOne(reason, why)
        }
        throw error
      }
    },
    block: () => (signer === undefined ? undefined : element(wsse, 'Security', [], [timestamp(scope.now())])),
    sign: (envelope) => (signer === undefined ? envelope : signEnvelope(envelope, signer)),
  }
}

/** The guard of a backend. Reads its files; throws `INTERNAL` naming the one that is wrong. */
export async function backendGuard(config: BackendSecurity, scope: Scope): Promise<Guard> {
  const trusted = await readTrusted(config.trust)
  const signer = await readSigner(config.sign)
  const { user, password = '', passwordType, maxAge } = config
  return {
    async check(envelope) {
      if (trusted.length === 0) return undefined
      const security = demand(envelope)
      const now = scope.now()
      checkTime(security, { now, maxAgeMs: maxAge, required: false })
      verified(envelope, security, { trusted, sha1: config.sha1, now })
      return undefined
    },
    block() {
      const now = scope.now()
      const stamp = config.timestamp || signer !== undefined ? [timestamp(now)] : []
      const token = user === undefined ? [] : [usernameToken({ user, password, passwordType, now })]
      return stamp.length + token.length === 0
        ? undefined
        : element(wsse, 'Security', [], [...stamp, ...token])
    },
    sign: (envelope) => (signer === undefined ? envelope : signEnvelope(envelope, signer)),
  }
}

/** Whether each request that is let in names somebody. */
export function namesCallers(config: ChannelSecurity | undefined): boolean {
  return config?.users !== undefined || config?.trust !== undefined
}

function demand(envelope: Envelope): XmlElement {
  const security = securityBlock(envelope.headers, envelope.version)
  if (security === undefined) throw refused('InvalidSecurity', 'a wsse:Security header is needed')
  return security
}

function checkTime(security: XmlElement, rules: { now: number; maxAgeMs: number; required: boolean }): void {
  const found = childElement(security, wsu, 'Timestamp')
  if (found !== undefined) checkTimestamp(found, rules)
  else if (rules.required) throw refused('InvalidSecurity', 'a wsu:Timestamp is needed')
}

function verified(
  envelope: Envelope,
  security: XmlElement,
  rules: { trusted: readonly X509Certificate[]; sha1: boolean; now: number },
): X509Certificate {
  const stamp = childElement(security, wsu, 'Timestamp')
  return verifySignature({
    root: envelope.root,
    security,
    parts: [envelope.body, ...(stamp === undefined ? [] : [stamp])],
    ...rules,
  })
}

function timestamp(now: number): XmlElement {
  return element(
    wsu,
    'Timestamp',
    [],
    [
      element(wsu, 'Created', [], [new Date(now).toISOString()]),
      element(wsu, 'Expires', [], [new Date(now + lifetimeMs).toISOString()]),
    ],
  )
}

function commonName({ subject, fingerprint256 }: X509Certificate): string {
  return /^CN=(.+)$/m.exec(subject)?.[1] ?? fingerprint256
}

async function readTrusted(files: readonly string[] | undefined): Promise<X509Certificate[]> {
  const all: X509Certificate[] = []
  for (const [index, file] of (files ?? []).entries())
    all.push(
      ...(await read({ file, at: ['trust', index] }, (pem) => {
        const found = readCertificates(pem)
        if (found.length === 0) throw new Error('it holds no certificate in PEM form')
        return found
      })),
    )
  return all
}

async function readSigner(config: SignConfig | undefined): Promise<Signer | undefined> {
  if (config === undefined) return undefined
  const { keyFile, certFile, passphrase } = config
  const certificate = await read(
    { file: certFile, at: ['sign', 'certFile'] },
    (pem) => new X509Certificate(pem),
  )
  return read({ file: keyFile, at: ['sign', 'keyFile'] }, (pem) => makeSigner(pem, certificate, passphrase))
}

interface Source {
  readonly file: string
  /** The key below `security` that names it. */
  readonly at: readonly (string | number)[]
}

/** Throws `INTERNAL`; `detail.at` is the key that names the file. */
async function read<T>({ file, at }: Source, use: (pem: string) => T): Promise<T> {
  try {
    return use(await readFile(file, 'utf8'))
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new GatewayError('INTERNAL', `"${file}" of security cannot be used: ${why}`, {
      cause,
      detail: { at: ['security', ...at] },
    })
  }
}

// Signatures by the Standard Webhooks rules (standardwebhooks.com).
import { Webhook } from 'standardwebhooks'

export interface SignedHeaders {
  readonly 'webhook-id': string
  /** Seconds since the epoch. */
  readonly 'webhook-timestamp': string
  readonly 'webhook-signature': string
}

/** Whether a text can be a secret: `whsec_` and base64, or any other text. Empty stands for none. */
export function isSecret(secret: string): boolean {
  if (secret === '') return true
  try {
    return signer(secret) !== undefined
  } catch {
    return false // the package throws for base64 that is none
  }
}

/** What signs a body in the moment it is sent. A secret that is no `whsec_` one is used as its UTF-8 bytes. */
export function signer(secret: string): (id: string, nowMs: number, body: string) => SignedHeaders {
  const webhook = secret.startsWith('whsec_')
    ? new Webhook(secret)
    : new Webhook(new TextEncoder().encode(secret), { format: 'raw' })
  return (id, nowMs, body) => ({
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(nowMs / 1_000)),
    'webhook-signature': webhook.sign(id, new Date(nowMs), body),
  })
}

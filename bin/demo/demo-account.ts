// The account of the demo: made up for one run, with the adapter's own cipher.
import { randomBytes } from 'node:crypto'
import { cipherKey, open, seal } from '../../adapters/wechat/cipher.ts'
import { signatureOf } from '../../adapters/wechat/signature.ts'
import type { PlatformCipher } from './simulator/envelope.ts'

export interface DemoAccount {
  readonly appId: string
  readonly secret: string
  readonly token: string
  readonly encodingAESKey: string
}

/** Nobody's: random letters in the platform's forms. */
export function demoAccount(): DemoAccount {
  return {
    appId: `wx${randomBytes(8).toString('hex')}`,
    secret: randomBytes(16).toString('hex'),
    token: randomBytes(8).toString('hex'),
    encodingAESKey: randomBytes(32).toString('base64').slice(0, 43),
  }
}

/** The platform's side of the cipher. */
export function demoCipher({ appId, token, encodingAESKey }: DemoAccount): PlatformCipher {
  const sealed = { key: cipherKey(encodingAESKey), receiveId: appId }
  return {
    encrypt: (text) => seal(Buffer.from(text), sealed),
    decrypt(encrypted) {
      const opened = open(encrypted, [sealed.key], [appId])
      if (opened === undefined) throw new Error('the passive reply cannot be decrypted')
      return Buffer.from(opened.bytes).toString()
    },
    sign: (timestamp, nonce, encrypted) => signatureOf(token, timestamp, nonce, encrypted),
  }
}

/** The gateway of the demo: WeChat in front, the sample bot behind, and one that takes its time. */
export function demoConfig(
  { appId, secret, token, encodingAESKey }: DemoAccount,
  { api, bot, plugins }: { readonly api: string; readonly bot: string; readonly plugins: string },
): string {
  return `http: { host: 127.0.0.1, port: 0 }
plugins: ${JSON.stringify(plugins)}
log: { level: error }
channels:
  wechat:
    adapter: wechat
    appId: ${appId}
    token: "${token}"
    encodingAESKey: "${encodingAESKey}"
    secret: "${secret}"
    apiBase: ${api}
agents:
  helper: { adapter: sample-orders }
  slow: { adapter: webhook, url: "${bot}", timeout: 15s }
routes:
  - { when: "kind = 'message' and $contains($lowercase(parts[0].text), 'slowly')", agent: slow }
  - { when: "kind = 'message'", agent: helper }
`
}

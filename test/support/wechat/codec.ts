// The platform's cipher by other hands: what goes in is encrypted by @wecom/crypto, what comes back is opened by node-easywechat.
import { createRequire } from 'node:module'
import { encrypt, getSignature } from '@wecom/crypto'
import type { PlatformCipher } from '../../../bin/demo/simulator/envelope.ts'

export interface CodecOptions {
  readonly token: string
  readonly encodingAESKey: string
  readonly receiveId: string
}

interface Encryptor {
  createSignature(...parts: readonly string[]): string
  decrypt(encrypted: string, signature: string, nonce: string, timestamp: string): string
}
type EncryptorClass = new (appId: string, token: string, aesKey: string, receiveId: string) => Encryptor

/** Nothing of it is ours. */
export function independentCipher({ token, encodingAESKey, receiveId }: CodecOptions): PlatformCipher {
  // The package's own entry does not give it out; the file is plain CommonJS.
  const Encryptor = createRequire(import.meta.url)('node-easywechat/dist/Core/Encryptor.js') as EncryptorClass
  const decoder = new Encryptor(receiveId, token, encodingAESKey, receiveId)
  return {
    encrypt: (text) => encrypt(encodingAESKey, text, receiveId),
    sign: (timestamp, nonce, encrypted) => getSignature(token, timestamp, nonce, encrypted),
    decrypt: (encrypted) =>
      decoder.decrypt(encrypted, decoder.createSignature(token, '0', '0', encrypted), '0', '0'),
  }
}

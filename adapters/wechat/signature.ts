// The platform's signature: SHA-1 over the sorted parts, as lower-case hex.
import { hash, timingSafeEqual } from 'node:crypto'

/** Of three parts (token, timestamp, nonce) it does not cover the body; of four (and the encrypted text) it does. */
export function signatureOf(...parts: readonly string[]): string {
  // Sorted by code unit, which is what sort does without a comparison; by locale some signatures would differ.
  return hash('sha1', parts.toSorted().join(''))
}

/** In time that tells nothing about where two texts of one length differ. */
export function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one, 'utf8'), Buffer.from(other, 'utf8')]
  return left.byteLength === right.byteLength && timingSafeEqual(left, right)
}

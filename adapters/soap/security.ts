// WS-Security (OASIS WSS 1.1).
import type { XmlElement } from '../xml/tree.ts'

export const wsse = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd'

/** Whether a header block is WS-Security's, whose secrets go no further. */
export function isSecurity(block: XmlElement): boolean {
  return block.uri === wsse && block.local === 'Security'
}

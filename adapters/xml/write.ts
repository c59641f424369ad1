// The one XML writer: what it writes, the reader accepts, and reads as the same tree.
import { GatewayError } from 'dragoman'
import type { XmlElement } from './tree.ts'

export interface WriteOptions {
  /** Default `utf-8`. A character it cannot carry becomes a numeric reference; in a name that is `ENCODE_FAILED`. */
  readonly charset?: string
  /** Whether to begin with `<?xml …?>`. Default true. */
  readonly declaration?: boolean
  /** Namespace → prefix to use for it, where nothing else binds the prefix; `''` makes it the default namespace. Others get ns1, ns2 … */
  readonly prefixes?: ReadonlyMap<string, string>
  /** Prefix → namespace, declared on the root whether used or not. */
  readonly extraNamespaces?: ReadonlyMap<string, string>
}

/**
 * Writes a document. Namespaces are declared once, on the root, unless a prefix means different things in different places;
 * every prefix of an element's `namespaces` means the same in what is written, so QNames in text and values keep their
 * meaning. Throws `ENCODE_FAILED`: a name that is none, a character XML 1.0 §2.2 does not have, limits of the reader.
 */
export function writeXml(_root: XmlElement, _options: WriteOptions = {}): Uint8Array {
  throw new GatewayError('INTERNAL', 'not built')
}

/** The same as text, without a declaration. */
export function writeXmlText(
  _root: XmlElement,
  _options: Omit<WriteOptions, 'charset' | 'declaration'> = {},
): string {
  throw new GatewayError('INTERNAL', 'not built')
}

// What an element says of itself: xsi:type and xsi:nil (XSD 1 §2.6), in the schema language of 2001 and of before.
import { OLD_XSD_NS, XSI_NS } from './names.ts'
import type { XmlElement } from './tree.ts'

const [of1999, of2000] = OLD_XSD_NS.map((uri) => `${uri}-instance`)

/** Whether a namespace is that of xsi:type and its like, in whatever edition. */
export function isXsi(uri: string): boolean {
  return uri === XSI_NS || uri === of1999 || uri === of2000
}

/** The text of xsi:type. */
export function typeSaid({ attributes }: XmlElement): string | undefined {
  for (const { local, uri, value } of attributes) if (local === 'type' && isXsi(uri)) return value
  return undefined
}

/** The text of xsi:nil, which was xsi:null before 2001. */
export function nilSaid({ attributes }: XmlElement): string | undefined {
  for (const { local, uri, value } of attributes)
    if ((local === 'nil' || (local === 'null' && uri !== XSI_NS)) && isXsi(uri)) return value.trim()
  return undefined
}

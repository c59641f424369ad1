// The namespaces and the lexical rules of names and characters that every file of this folder shares.

export const XML_NS = 'http://www.w3.org/XML/1998/namespace'
export const XMLNS_NS = 'http://www.w3.org/2000/xmlns/'
export const XSD_NS = 'http://www.w3.org/2001/XMLSchema'
export const XSI_NS = 'http://www.w3.org/2001/XMLSchema-instance'
/** What stands for them in documents of before 2001, by their URIs: candidates of 1999 and of October 2000. */
export const OLD_XSD_NS = ['http://www.w3.org/1999/XMLSchema', 'http://www.w3.org/2000/10/XMLSchema'] as const
export const WSDL_NS = 'http://schemas.xmlsoap.org/wsdl/'
export const XMIME_NS = 'http://www.w3.org/2005/05/xmlmime'
/** SOAP 1.1 section 5 encoding. */
export const SOAPENC_NS = 'http://schemas.xmlsoap.org/soap/encoding/'
/** SOAP 1.2 Part 2 section 3 encoding. */
export const SOAPENC12_NS = 'http://www.w3.org/2003/05/soap-encoding'
/** Types of Apache SOAP that outlived it. */
export const APACHE_NS = 'http://xml.apache.org/xml-soap'
export const SOAP11_NS = 'http://schemas.xmlsoap.org/soap/envelope/'
export const SOAP12_NS = 'http://www.w3.org/2003/05/soap-envelope'

/** The limits of the reader; the writer refuses what they would refuse. */
export const limits = {
  maxBytes: 16 * 1024 * 1024,
  maxDepth: 200,
  maxAttributes: 256,
  maxNameLength: 1024,
  maxNodes: 500_000,
} as const

// XML 1.0 (fifth edition) §2.3 [4], [4a] without the colon: Namespaces in XML 1.0 §3 [4] NCName.
const start =
  'A-Z_a-z\\u{C0}-\\u{D6}\\u{D8}-\\u{F6}\\u{F8}-\\u{2FF}\\u{370}-\\u{37D}\\u{37F}-\\u{1FFF}\\u{200C}\\u{200D}' +
  '\\u{2070}-\\u{218F}\\u{2C00}-\\u{2FEF}\\u{3001}-\\u{D7FF}\\u{F900}-\\u{FDCF}\\u{FDF0}-\\u{FFFD}\\u{10000}-\\u{EFFFF}'
const more = '\\-.0-9\\u{B7}\\u{300}-\\u{36F}\\u{203F}\\u{2040}'
/** Members of a character class, for NCName characters: first, and the others. */
export const nameClasses = { start, part: start + more } as const
const asciiNcName = /^[A-Za-z_][A-Za-z0-9_.-]*$/ // most, and without \u three times as fast
const ncName = new RegExp(`^[${start}][${start}${more}]*$`, 'u')

/** Whether a string is an NCName (Namespaces in XML 1.0 §3 [4]): what an element or attribute may be called without its prefix. */
export function isNcName(name: string): boolean {
  return asciiNcName.test(name) || ncName.test(name)
}

/** Whether a namespace is that of XML Schema, in whatever edition. */
export function isXsd(uri: string): boolean {
  return uri === XSD_NS || uri === OLD_XSD_NS[0] || uri === OLD_XSD_NS[1]
}

/** `{uri}local`, or `local` without a namespace: one string for one expanded name. */
export function clark(uri: string, local: string): string {
  return uri === '' ? local : `{${uri}}${local}`
}

/** `{uri}local` also without a namespace (`{}local`): the member that stands beside another of the same local name. */
export function fullKey(uri: string, local: string): string {
  return `{${uri}}${local}`
}

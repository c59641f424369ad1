// Where a document is, as a config says it: a file or an address.
import { z } from 'zod'

/** Takes a path, a `file:` or an `http(s):` URL. A mistyped address (`htp://erp/x`, `localhost:9000/x`) is not taken for a file. */
export const location = z
  .string()
  .min(1)
  .refine(isLocation, 'expected a file, or an address that begins with http:// or https://')
  .meta({ format: 'file' })

function isLocation(text: string): boolean {
  // One letter is a drive.
  const [, scheme] = /^([a-z][a-z\d+.-]+):/i.exec(text) ?? []
  if (scheme === undefined || scheme.toLowerCase() === 'file') return true
  return /^https?:\/\//i.test(text) && URL.canParse(text)
}

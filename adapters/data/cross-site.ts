// Whether a request was sent by a browser for a page of another site: its reader has not asked for that.
import type { HttpRequest } from 'dragoman'

/**
 * Forms, GET and bodies without a media type a page may send anywhere, without our leave (Fetch, request mode `no-cors`). Browsers say
 * where from: in `Sec-Fetch-Site` (Fetch Metadata §2.3), but only to https and to their own machine; else in the `Origin` of all but
 * GET and HEAD (Fetch, "append a request `Origin` header"). Programs send neither.
 */
export function isCrossSite({ headers, origin }: Pick<HttpRequest, 'headers' | 'origin'>): boolean {
  const site = headers['sec-fetch-site']
  if (site === 'cross-site') return true
  // A proxy that nothing says of may have changed our own name, but not this.
  if (site === 'same-origin' || site === 'none') return false
  const from = headers['origin']
  return from !== undefined && from.toLowerCase() !== new URL(origin).origin
}

// Customers' tokens for gateways with `identity`.
import { SignJWT } from 'jose'

const SECRET = '0123456789abcdef0123456789abcdef'

/** The gateway's config for them. */
export const IDENTITY_YAML = `identity: { customers: { secret: ${SECRET} } }`

/** A time that is over is believed for 5 s more: clocks differ. */
export function tokenOf(
  customer: string,
  { endsInMs }: { readonly endsInMs?: number } = {},
): Promise<string> {
  const token = new SignJWT({ sub: customer }).setProtectedHeader({ alg: 'HS256' })
  if (endsInMs !== undefined) token.setExpirationTime(Math.ceil((Date.now() + endsInMs) / 1000) - 5)
  return token.sign(new TextEncoder().encode(SECRET))
}

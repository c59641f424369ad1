// Who may call: what the edge asks about each request before it reads the body.
import type { Identity } from '../api.ts'

/**
 * A channel's `access`, for callers that cannot have a credential: anyone, or those from some addresses and with a name
 * and password (both, where both are given). `admin`: the admin token, always. `operator`: no token for who is on this
 * machine (`isLocal`) where the listener is on loopback, else the admin token. `handler`: the handler looks at the credential itself.
 * `later`: as where none is given, but who shows no credential is `NOBODY` until he does. `asked`: the channel's own, which holds for a
 * credential that is shown; who shows none, or a name and password that are not the channel's, is `NOBODY` until the handler asks about him.
 */
export type Access =
  | { readonly open: true }
  | {
      readonly from?: readonly string[]
      readonly basic?: { readonly user: string; readonly password: string }
    }
  | 'admin'
  | 'operator'
  | 'handler'
  | 'later'
  | { readonly asked: Access | undefined }

/** He may nothing: no conversation and no link is his. */
export const NOBODY: Identity = { role: 'customer', id: '' }

export function isNobody({ role, id }: Identity): boolean {
  return role === 'customer' && id === ''
}

export interface Caller {
  readonly headers: Readonly<Record<string, string>>
  /** His address, behind trusted proxies. */
  readonly remote: string
  /** Our own base address as he sees it. */
  readonly origin: string
}

export interface Identifier {
  /** Throws `AUTH_FAILED` (401: no credential or a wrong one), `FORBIDDEN` (403: this one may not), `OVERLOADED` (it cannot be checked now). */
  forHttp(caller: Caller, access: Access | undefined, channel: string): Identity | Promise<Identity>
  /** `WWW-Authenticate` for a refusal there (RFC 9110 §11.6.1). */
  challenge(access: Access | undefined, channel: string): string
}

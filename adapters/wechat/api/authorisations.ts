// What an account gave the third-party platform it authorised: a code, which is changed once, then refresh tokens. Kept in the store.
import { GatewayError } from 'dragoman'
import type { Json, State } from 'dragoman'

import { isFields, textIn } from './answer-text.ts'

export interface Authorisation {
  /** Not changed yet. */
  readonly code?: string
  readonly refreshToken?: string
}

/** Each resolves once it is stored and throws `STORE_UNAVAILABLE`. Several components and instances may share the rows. */
export interface Authorisations {
  /** Empty: the account has not authorised us, or has taken it back. */
  of(authorizer: string): Promise<Authorisation>
  /** The refresh token of an earlier authorisation stays: it may be good when the code is not. */
  given(authorizer: string, code: string): Promise<void>
  /**
   * A refresh token came, for the code `used` or for the one before. Another code that was given meanwhile is kept beside
   * it. False: the authorisation was taken back meanwhile, and nothing is kept.
   */
  renewed(authorizer: string, refreshToken: string, used: string | undefined): Promise<boolean>
  takenBack(authorizer: string): Promise<void>
}

/** A value is taken out by letting it expire. */
export const GONE_MS = 1000
const TRIES = 20

/** Of the third-party platform `appId`. Without I/O. */
export function createAuthorisations(appId: string, state: State): Authorisations {
  const keyOf = (authorizer: string): string => `authorizer/${appId}/${authorizer}`

  /** Reads, changes, writes; again if another was faster. Undefined from `next`: as it is. */
  async function change(
    authorizer: string,
    next: (known: Authorisation) => Authorisation | undefined,
  ): Promise<boolean> {
    const key = keyOf(authorizer)
    for (let tries = 0; tries < TRIES; tries += 1) {
      const found = await state.get(key)
      const value = next(authorisationOf(found?.value))
      if (value === undefined) return false
      if (await state.compareAndSet(key, found?.version, { ...value })) return true
    }
    throw new GatewayError('STORE_UNAVAILABLE', `the authorisation of "${authorizer}" could not be stored`)
  }

  return {
    of: async (authorizer) => authorisationOf((await state.get(keyOf(authorizer)))?.value),
    async given(authorizer, code) {
      await change(authorizer, (known) => ({ ...known, code }))
    },
    renewed: (authorizer, refreshToken, used) =>
      change(authorizer, ({ code, refreshToken: before }) => {
        if (code === undefined && before === undefined) return undefined
        return { ...(code !== undefined && code !== used && { code }), refreshToken }
      }),
    takenBack: (authorizer) => state.put(keyOf(authorizer), null, { ttlMs: GONE_MS }),
  }
}

function authorisationOf(value: Json | undefined): Authorisation {
  if (!isFields(value)) return {}
  const code = textIn(value, 'code')
  const refreshToken = textIn(value, 'refreshToken')
  return { ...(code !== undefined && { code }), ...(refreshToken !== undefined && { refreshToken }) }
}

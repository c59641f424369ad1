// With what each product's API is called: tokens of the account, of a third-party platform, and of those that authorised it.
import { createHash } from 'node:crypto'

import { GatewayError } from 'dragoman'
import type { Json, Scope } from 'dragoman'

import { isSuite } from '../account.ts'
import type { Account } from '../account.ts'
import type { PlatformTicket } from '../platform.ts'
import { isFields, numberIn, textIn } from './answer-text.ts'
import type { Fields } from './answer-text.ts'
import { createAuthorisations, GONE_MS } from './authorisations.ts'
import { rulingOf } from './errors.ts'
import { createTokens } from './tokens.ts'
import type { FreshToken, Tokens } from './tokens.ts'
import type { Wire, WireAnswer, WireCall } from './wire.ts'

/** Whose token: the account's own, or that of an account that authorised a third-party platform. */
export interface Credentials {
  /** Throws `BACKEND_FAILED` where the account has no way to get one. */
  of(authorizer?: string): Tokens
  /** Keeps what the platform pushed. Resolves once it is stored. */
  note(ticket: PlatformTicket): Promise<void>
  close(): void
}

/** A component ticket is pushed every 10 minutes and is good for 12 hours (third-party platform, component_verify_ticket). */
const TICKET_MS = 12 * 3_600_000

/** Creates the credentials of an account. Without I/O. */
export function createCredentials(
  account: Account,
  { scope, wire }: { readonly scope: Scope; readonly wire: Wire },
): Credentials {
  const { appId, secret, product, apiBase } = account
  const all = new Map<string, Tokens>()
  const authorisations = createAuthorisations(appId, scope.state)
  const tokenKey = (name: string): string => `token/${product}/${appId}/${name}`
  // A backend with a secret of its own shares the state of its channel, not the token: of WeCom each application has its own.
  const mine = (name: string): string => `${name}/${digestOf(`${secret}\n${apiBase}`)}`
  const nameOf = (authorizer: string): string => `authorizer/${authorizer}`

  function kept(name: string, what: string, fetch: (signal: AbortSignal) => Promise<FreshToken>): Tokens {
    const found = all.get(name)
    if (found !== undefined) return found
    const made = createTokens({ scope, key: tokenKey(name), what, fetch })
    all.set(name, made)
    return made
  }

  function own(): Tokens {
    if (secret === undefined)
      throw new GatewayError('BACKEND_FAILED', `the platform's API cannot be called for account "${appId}"`, {
        notExecuted: true,
        cause: new GatewayError('BACKEND_FAILED', 'it has no `secret` in the config'),
      })
    if (isSuite(account))
      throw new GatewayError(
        'BACKEND_FAILED',
        `the interfaces of a WeCom suite ("${appId}") are not called`,
        {
          notExecuted: true,
        },
      )
    if (product === 'component')
      return kept(mine('component'), `the token of third-party platform "${appId}"`, componentToken(secret))
    const call: WireCall =
      product === 'official' || product === 'miniprogram'
        ? {
            method: 'POST',
            path: '/cgi-bin/stable_token',
            body: { grant_type: 'client_credential', appid: appId, secret, force_refresh: false },
          }
        : { method: 'GET', path: '/cgi-bin/gettoken', query: { corpid: appId, corpsecret: secret } }
    return kept(mine('access'), `the access token of "${appId}"`, async (signal) =>
      freshToken(await asked(call, signal), 'access_token'),
    )
  }

  function componentToken(componentSecret: string) {
    return async (signal: AbortSignal): Promise<FreshToken> => {
      const found = await scope.state.get(`ticket/component/${appId}`)
      if (typeof found?.value !== 'string')
        throw new GatewayError(
          'BACKEND_FAILED',
          `no component_verify_ticket of "${appId}" has come yet: the platform pushes one every 10 minutes`,
        )
      const body: Json = {
        component_appid: appId,
        component_appsecret: componentSecret,
        component_verify_ticket: found.value,
      }
      const path = '/cgi-bin/component/api_component_token'
      return freshToken(await asked({ method: 'POST', path, body }, signal), 'component_access_token')
    }
  }

  /** Asks the third-party platform's interface, and once more if its own token is not taken. */
  async function componentAnswer(path: string, body: Json, signal: AbortSignal): Promise<WireAnswer> {
    const tokens = own()
    const token = await tokens.get()
    const call = (value: string): WireCall => ({
      method: 'POST',
      path,
      query: { component_access_token: value },
      body,
    })
    const answer = await wire(call(token), signal)
    if (answer.status === 'error' && rulingOf(answer.code).verdict === 'renew')
      return wire(call(await tokens.renew(token)), signal)
    return answer
  }

  function authorizerToken(authorizer: string) {
    return async (signal: AbortSignal): Promise<FreshToken> => {
      const { code, refreshToken } = await authorisations.of(authorizer)
      if (code !== undefined) {
        const path = '/cgi-bin/component/api_query_auth'
        const body: Json = { component_appid: appId, authorization_code: code }
        const answer = await componentAnswer(path, body, signal)
        const info = answer.status === 'ok' ? answer.fields['authorization_info'] : undefined
        if (isFields(info)) return noted(authorizer, info, code)
        // An old code is refused for ever: an earlier authorisation may still be good.
        if (refreshToken === undefined) return freshToken(fieldsOf(answer), 'authorizer_access_token')
      }
      if (refreshToken === undefined) throw notAuthorised(authorizer)
      const path = '/cgi-bin/component/api_authorizer_token'
      const body: Json = {
        component_appid: appId,
        authorizer_appid: authorizer,
        authorizer_refresh_token: refreshToken,
      }
      return noted(authorizer, fieldsOf(await componentAnswer(path, body, signal)), code)
    }
  }

  /** The refresh token is stored before the access token is used: lost, the account would have to authorise us again. */
  async function noted(authorizer: string, fields: Fields, code: string | undefined): Promise<FreshToken> {
    const refreshToken = textIn(fields, 'authorizer_refresh_token')
    if (refreshToken !== undefined && !(await authorisations.renewed(authorizer, refreshToken, code)))
      throw notAuthorised(authorizer)
    return freshToken(fields, 'authorizer_access_token')
  }

  function notAuthorised(authorizer: string): GatewayError {
    const message = `account "${authorizer}" has not authorised third-party platform "${appId}"`
    return new GatewayError('BACKEND_FAILED', message)
  }

  /** The code is stored with the push and changed at once; if that fails, again when the token is first needed. */
  async function authorized(authorizer: string, code: string): Promise<void> {
    await authorisations.given(authorizer, code)
    // What failed before this code says nothing about it.
    all.delete(nameOf(authorizer))
    changed(authorizer, code).catch((error: unknown) =>
      scope.log.warn('the authorisation code could not be changed yet', {
        authorizer,
        error: GatewayError.from(error).message,
      }),
    )
  }

  /** Like every token it is fetched under the lease: a code is good for one change. */
  async function changed(authorizer: string, code: string): Promise<void> {
    const tokens = credentials.of(authorizer)
    const token = await tokens.get()
    // It was that of the authorisation before: it may be good for longer than the code.
    if ((await authorisations.of(authorizer)).code === code) await tokens.renew(token)
  }

  async function unauthorized(authorizer: string): Promise<void> {
    const name = nameOf(authorizer)
    await authorisations.takenBack(authorizer)
    await scope.state.put(tokenKey(name), null, { ttlMs: GONE_MS })
    all.get(name)?.close()
    all.delete(name)
  }

  async function asked(call: WireCall, signal: AbortSignal): Promise<Fields> {
    return fieldsOf(await wire(call, signal))
  }

  const credentials: Credentials = {
    of(authorizer) {
      if (authorizer === undefined || product !== 'component') return own()
      return kept(nameOf(authorizer), `the token of account "${authorizer}"`, authorizerToken(authorizer))
    },
    async note(ticket) {
      const { state } = scope
      switch (ticket.type) {
        case 'component_verify_ticket':
          return state.put(`ticket/component/${ticket.appId}`, ticket.ticket, { ttlMs: TICKET_MS })
        case 'suite_ticket':
          return state.put(`ticket/suite/${ticket.suiteId}`, ticket.ticket, { ttlMs: TICKET_MS })
        case 'authorized':
          return authorized(ticket.authorizer, ticket.code)
        case 'unauthorized':
          return unauthorized(ticket.authorizer)
      }
    },
    close() {
      for (const tokens of all.values()) tokens.close()
    },
  }
  return credentials
}

function fieldsOf(answer: WireAnswer): Fields {
  if (answer.status === 'ok') return answer.fields
  if (answer.status === 'file') throw new GatewayError('BACKEND_FAILED', 'the answer is no JSON object')
  throw new GatewayError('BACKEND_FAILED', rulingOf(answer.code, answer.text).says)
}

function freshToken(fields: Fields, name: string): FreshToken {
  const token = textIn(fields, name)
  const seconds = numberIn(fields, 'expires_in')
  if (token === undefined || token === '' || seconds === undefined || seconds <= 0)
    throw new GatewayError('BACKEND_FAILED', `the answer has no "${name}" with a time to live`)
  return { token, lifeMs: seconds * 1000 }
}

/** Of a secret, for a key: enough to tell two apart, too little to find one. */
function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 11)
}

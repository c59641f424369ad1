// The platform's API: the app's token, kept for all instances, and what its answers mean.
import { createHash } from 'node:crypto'

import { GatewayError } from 'dragoman'
import type { Json, Scope } from 'dragoman'

import type { ChannelConfig } from './config.ts'
import { isObject, textIn } from './callback.ts'
import type { Fields } from './callback.ts'

export type Outcome =
  | { readonly is: 'done' }
  /** Again, with the same `uuid`: the platform shows it once. */
  | { readonly is: 'later'; readonly why: string; readonly afterMs?: number }
  | { readonly is: 'never'; readonly why: string }

export interface Api {
  /** POST with the app's token. Rejects with the signal's reason or with what the small store throws. */
  post(path: string, body: Json, signal: AbortSignal): Promise<Outcome>
}

/** A token is used no longer than this before its end. */
const EARLY_MS = 5 * 60_000
const TOKEN_CALL_MS = 10_000
const LEASE_MS = 15_000
const PAUSE_MS = 100

/** The token is no good: expired, revoked, or of another app. */
const BAD_TOKEN = new Set([
  '99991661',
  '99991663',
  '99991664',
  '99991665',
  '99991668',
  '99991671',
  '99991677',
])
/** Too often: of the app, of a chat, of a user. */
const TOO_OFTEN = new Set(['99991400', '11232', '11233', '11247', '230020', '230049'])
/** Somebody has to change something on the platform: then it goes out. */
const TO_MEND = new Set(['99991672', '230006', '230027', '10003', '10014'])
const TOO_OFTEN_MS = 1000
const TO_MEND_MS = 60_000

export function createApi({ apiBase, appId, appSecret }: ChannelConfig, scope: Scope): Api {
  /** Of this app alone: with another id, secret or platform in the config no token of the one before is used. */
  const tokenKey = `token/${appId}/${digestOf(`${appSecret}\n${apiBase}`)}`
  let asked: Promise<string> | undefined

  async function kept(): Promise<string | undefined> {
    const value = (await scope.state.get(tokenKey))?.value
    if (!isObject(value) || Number(value['until']) - EARLY_MS < scope.now()) return undefined
    return textIn(value, 'token')
  }

  /** One that is not `bad`. All instances share it, and one of them fetches it. */
  async function fresh(bad: string | undefined): Promise<string> {
    for (const deadline = scope.now() + TOKEN_CALL_MS; ;) {
      const token = await kept()
      if (token !== undefined && token !== bad) return token
      const lease = await scope.state.lease(tokenKey, LEASE_MS)
      if (lease !== undefined)
        try {
          const meanwhile = await kept()
          return meanwhile !== undefined && meanwhile !== bad ? meanwhile : await fetchToken()
        } finally {
          await lease.release()
        }
      if (scope.now() > deadline)
        throw new GatewayError('BACKEND_FAILED', 'another instance fetches the token, for too long')
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }

  async function fetchToken(): Promise<string> {
    const { status, body } = await exchange('/open-apis/auth/v3/tenant_access_token/internal', {
      body: { app_id: appId, app_secret: appSecret },
      signal: AbortSignal.timeout(TOKEN_CALL_MS),
    })
    const token = textIn(body, 'tenant_access_token')
    const seconds = Number(body['expire'])
    if (token === undefined || !(seconds > 0))
      throw new GatewayError(
        'BACKEND_FAILED',
        `the platform gives app "${appId}" no token: ${status} ${shown(body)}`,
        { notExecuted: true },
      )
    const ttlMs = seconds * 1000
    await scope.state.put(tokenKey, { token, until: scope.now() + ttlMs }, { ttlMs })
    return token
  }

  const tokenFor = (bad: string | undefined): Promise<string> =>
    (asked ??= fresh(bad).finally(() => {
      asked = undefined
    }))

  async function exchange(path: string, { body, token, signal }: Exchange): Promise<Answered> {
    const response = await scope.fetch(new URL(path, apiBase), {
      method: 'POST',
      headers: {
        'content-type': 'application/json; charset=utf-8',
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
      signal,
      redirect: 'manual', // it would carry the secret somewhere else
    })
    const reset = Number(response.headers.get('x-ogw-ratelimit-reset') ?? Number.NaN)
    return {
      status: response.status,
      body: fieldsOf(await response.text()),
      ...(reset >= 0 && { resetMs: reset * 1000 }),
    }
  }

  return {
    async post(path, body, signal) {
      let bad: string | undefined
      for (let isLast = false; ; isLast = true) {
        let answered: Answered
        try {
          const token = await tokenFor(bad)
          bad = token
          answered = await exchange(path, { body, token, signal })
        } catch (error) {
          if (signal.aborted) throw error
          return unanswered(error)
        }
        const code = codeOf(answered.body)
        if (!BAD_TOKEN.has(code) || isLast) return outcomeOf(answered, code)
      }
    },
  }
}

/** Of a secret, for a key: enough to tell two apart, too little to find one. */
function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 11)
}

interface Exchange {
  readonly body: Json
  readonly token?: string
  readonly signal: AbortSignal
}

interface Answered {
  readonly status: number
  readonly body: Fields
  /** From the header that says when calls are taken again. */
  readonly resetMs?: number
}

function outcomeOf({ status, body, resetMs }: Answered, code: string): Outcome {
  if (code === '0') return { is: 'done' }
  const why = `the platform says ${status} ${shown(body)}`
  if (status === 429 || TOO_OFTEN.has(code)) return { is: 'later', why, afterMs: resetMs ?? TOO_OFTEN_MS }
  if (TO_MEND.has(code) || BAD_TOKEN.has(code)) return { is: 'later', why, afterMs: TO_MEND_MS }
  // 5xx, or something in between that is no JSON of the platform: nobody knows, and a repeat is shown once.
  return status >= 500 || code === '' ? { is: 'later', why } : { is: 'never', why }
}

function unanswered(error: unknown): Outcome {
  const { code, message, retryAfterMs } = GatewayError.from(error)
  if (code === 'FORBIDDEN' || code === 'ENCODE_FAILED') return { is: 'never', why: message }
  return { is: 'later', why: message, ...(retryAfterMs !== undefined && { afterMs: retryAfterMs }) }
}

function codeOf(body: Fields): string {
  const code = body['code']
  return typeof code === 'number' ? String(code) : ''
}

/** Code and sentence, and nothing else: an answer may hold a token. */
function shown(body: Fields): string {
  return `${codeOf(body)} ${(textIn(body, 'msg') ?? '').slice(0, 200)}`.trim()
}

function fieldsOf(text: string): Fields {
  try {
    const value = JSON.parse(text) as Json // JSON.parse yields plain data
    return isObject(value) ? value : {}
  } catch {
    return {} // no answer of the platform: the status tells
  }
}

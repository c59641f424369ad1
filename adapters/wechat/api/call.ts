// One of the platform's operations, called by the business side: an `errcode` as a business fault or a breakage, by the one table.
import { GatewayError } from 'dragoman'
import type { Answer, Json } from 'dragoman'

import type { Account } from '../account.ts'
import { isFields, textIn } from './answer-text.ts'
import type { Fields } from './answer-text.ts'
import { rulingOf } from './errors.ts'
import { downloadedAnswer } from './media.ts'
import type { Authorised } from './media.ts'
import { operationsOf } from './operations.ts'
import type { ApiOperation } from './operations.ts'
import type { WireAnswer } from './wire.ts'
import type { Customer, Leave, Windows } from './windows.ts'

export interface CallParts {
  readonly account: Account
  readonly authorised: Authorised
  readonly windows: Windows | undefined
}

export type Call = (operation: string, params: Json, key: string, signal: AbortSignal) => Promise<Answer>

/** Codes of ours for what the platform never saw. */
const WINDOW_CLOSED = 'WINDOW_CLOSED'

/**
 * Makes the calls of one account. An `errcode` about the call itself is a business fault whose code it is; a closed window
 * is the fault `WINDOW_CLOSED`, also where the platform was not asked. Throws `NO_ROUTE` for an unknown operation,
 * `DECODE_FAILED` for wrong parameters, `BACKEND_FAILED` for the rest, with `notExecuted` where that is proven.
 */
export function createCall({ account, authorised, windows }: CallParts): Call {
  const operations = operationsOf(account.product)

  return async (name, params, key, signal) => {
    const operation = Object.hasOwn(operations, name) ? operations[name] : undefined
    if (operation === undefined)
      throw new GatewayError(
        'NO_ROUTE',
        `the platform's API has no operation "${name}" for product "${account.product}": it has ${Object.keys(operations).join(', ')}`,
        { notExecuted: true },
      )
    const { authorizer, rest } = split(params, account, operation)
    const call = operation.call(rest, key)
    const openId = operation.receiver?.(rest)
    const customer: Customer | undefined =
      openId === undefined ? undefined : { openId, ...(authorizer !== undefined && { authorizer }) }
    const leave: Leave | undefined = customer === undefined ? undefined : await windows?.take(customer, key)
    if (leave?.status === 'closed') return { fault: { code: WINDOW_CLOSED, message: leave.why } }
    const giveBack = async (): Promise<void> => {
      if (leave?.status === 'open') await leave.giveBack()
    }
    let answer: WireAnswer
    try {
      answer = await authorised(call, { authorizer, signal })
    } catch (error) {
      if (error instanceof GatewayError && error.notExecuted) await giveBack()
      throw error
    }
    if (answer.status === 'file') return downloadedAnswer(answer)
    if (answer.status === 'ok') return { data: withoutCode(answer.fields) }
    return refused(answer, {
      giveBack,
      shut: async () => (leave?.status === 'open' ? leave.shut() : undefined),
    })
  }
}

async function refused(
  { code, text }: WireAnswer & { status: 'error' },
  { giveBack, shut }: { readonly giveBack: () => Promise<void>; readonly shut: () => Promise<unknown> },
): Promise<Answer> {
  const { verdict, says } = rulingOf(code, text)
  switch (verdict) {
    case 'window':
    case 'quota':
      await shut()
      return { fault: { code: WINDOW_CLOSED, message: says, detail: { errcode: code } } }
    case 'refused':
    case 'cursor':
      await giveBack()
      return { fault: { code: String(code), message: says, detail: { errcode: code } } }
    case 'doubt':
      throw new GatewayError('BACKEND_FAILED', says)
    case 'later':
      await giveBack()
      throw new GatewayError('BACKEND_FAILED', says, { notExecuted: true, retryAfterMs: 10_000 })
    case 'renew':
    case 'setup':
      await giveBack()
      throw new GatewayError('BACKEND_FAILED', says, { notExecuted: true })
  }
}

/** component: `authorizer` says for which account; the rest goes to the platform as it is. */
function split(
  params: Json,
  account: Account,
  operation: ApiOperation,
): { readonly authorizer?: string; readonly rest: Fields } {
  if (params !== null && !isFields(params))
    throw new GatewayError('DECODE_FAILED', 'the parameters must be an object', { notExecuted: true })
  const fields = params ?? {}
  if (account.product !== 'component') return { rest: fields }
  if (operation.byPlatform) return { rest: { component_appid: account.appId, ...fields } }
  const { authorizer: _, ...rest } = fields
  const authorizer = textIn(fields, 'authorizer')
  if (authorizer === undefined)
    throw new GatewayError(
      'DECODE_FAILED',
      'the parameter "authorizer" is missing: the appid of the account that is meant',
      { notExecuted: true },
    )
  return { authorizer, rest }
}

/** `errcode: 0` is the platform's way to say nothing. */
function withoutCode({ errcode: _code, errmsg: _text, ...fields }: Fields): Json {
  return fields
}

// What a platform pushes to a third party about itself: tickets and codes are secrets, who has authorised us is an event.
import type { Draft } from 'dragoman'

import { textIn, without } from './document.ts'
import { momentOf } from './drafts.ts'
import type { Push } from './drafts.ts'
import type { PlatformTicket } from './platform.ts'

const SECRETS: ReadonlySet<string> = new Set([
  'ComponentVerifyTicket',
  'SuiteTicket',
  'AuthorizationCode',
  'PreAuthCode',
  'AuthCode',
  'PermanentCode',
  'auth_code',
])

/** Whether a push speaks of the platform itself, not of a customer: then it has no MsgType. */
export function isNotice({ fields }: Push): boolean {
  return textIn(fields, 'InfoType') !== undefined && !Object.hasOwn(fields, 'MsgType')
}

/** What of it the platform's API must know. */
export function ticketOf({ fields }: Push): PlatformTicket | undefined {
  const said = (name: string): string => textIn(fields, name) ?? ''
  switch (said('InfoType')) {
    case 'component_verify_ticket':
      return {
        type: 'component_verify_ticket',
        appId: said('AppId'),
        ticket: said('ComponentVerifyTicket'),
      }
    case 'suite_ticket':
      return { type: 'suite_ticket', suiteId: said('SuiteId'), ticket: said('SuiteTicket') }
    case 'authorized':
    case 'updateauthorized':
      return { type: 'authorized', authorizer: said('AuthorizerAppid'), code: said('AuthorizationCode') }
    case 'create_auth':
    case 'reset_permanent_code':
      return { type: 'authorized', authorizer: said('SuiteId'), code: said('AuthCode') }
    case 'unauthorized':
      return { type: 'unauthorized', authorizer: said('AuthorizerAppid') }
    case 'cancel_auth':
      return { type: 'unauthorized', authorizer: said('AuthCorpId') }
    default:
      return undefined
  }
}

/** The event of it, without a secret and without its raw bytes; undefined for a ticket, which is nothing else. */
export function noticeDraft({ fields }: Push, channel: string): Draft | undefined {
  const type = textIn(fields, 'InfoType') ?? ''
  if (type === 'component_verify_ticket' || type === 'suite_ticket') return undefined
  const at = textIn(fields, 'CreateTime') ?? textIn(fields, 'TimeStamp')
  const whom = ['AuthorizerAppid', 'AuthCorpId', 'SuiteId', 'AppId', 'appid'].map((name) =>
    textIn(fields, name),
  )
  const occurredAt = momentOf(at)
  return {
    kind: 'event',
    type,
    sender: { id: channel, role: 'system' },
    externalId: [at ?? '', type, ...whom.map((each) => each ?? '')].join(':').slice(0, 500),
    ...(occurredAt !== undefined && { occurredAt }),
    data: without(fields, SECRETS),
  }
}

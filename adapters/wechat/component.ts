// What a platform pushes to a third party about itself: tickets and codes are secrets, who has authorised us is an event.
import type { Draft } from 'dragoman'

import { textIn, without } from './document.ts'
import { digestOf, momentOf, short } from './drafts.ts'
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

const MAX_ID = 128

/** Whether a push speaks of the platform itself, not of a customer: then it has no MsgType. */
export function isNotice({ fields }: Push): boolean {
  return textIn(fields, 'InfoType') !== undefined && !Object.hasOwn(fields, 'MsgType')
}

/**
 * What of it the platform's API must know. Undefined also for an id that is none: nobody is ever spoken for by it, and for
 * what corporations say to a WeCom suite (create_auth, cancel_auth), whose interfaces nobody calls.
 */
export function ticketOf({ fields }: Push): PlatformTicket | undefined {
  const said = (name: string): string => textIn(fields, name) ?? ''
  const ids = ['AppId', 'SuiteId', 'AuthorizerAppid'].map(said)
  if (ids.some((id) => id.length > MAX_ID)) return undefined
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
    case 'unauthorized':
      return { type: 'unauthorized', authorizer: said('AuthorizerAppid') }
    default:
      return undefined
  }
}

/** The event of it, without a secret and without its raw bytes; undefined for a ticket, which is nothing else. */
export function noticeDraft({ fields, bytes }: Push, channel: string): Draft | undefined {
  const type = textIn(fields, 'InfoType') ?? ''
  if (type === 'component_verify_ticket' || type === 'suite_ticket') return undefined
  const at = textIn(fields, 'CreateTime') ?? textIn(fields, 'TimeStamp')
  const occurredAt = momentOf(at)
  return {
    kind: 'event',
    type,
    sender: { id: channel, role: 'system' },
    // Of one second there may be many (whom a corporation takes in at once): what tells them apart may stand anywhere in them.
    externalId: [short(at ?? ''), short(type), digestOf(bytes)].join(':'),
    ...(occurredAt !== undefined && { occurredAt }),
    data: without(fields, SECRETS),
  }
}

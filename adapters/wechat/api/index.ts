// The platform's API for one account: pushes, operations, the customers' windows, the reading of 微信客服.
import { GatewayError } from 'dragoman'
import type { Operation, Scope } from 'dragoman'

import type { Account } from '../account.ts'
import type { Inbound, KfReader, Platform } from '../platform.ts'
import { createCall } from './call.ts'
import { createCredentials } from './credentials.ts'
import { rulingOf } from './errors.ts'
import { createKfReader } from './kf-reader.ts'
import { createMedia } from './media.ts'
import type { Authorised } from './media.ts'
import { operationsOf } from './operations.ts'
import { createSend } from './send.ts'
import { createWindows } from './windows.ts'
import type { Windows } from './windows.ts'
import { createWire } from './wire.ts'

const VIA_MS = 7 * 24 * 3_600_000
const MAX_VIA = 10_000

/** A backend shares the windows that the channel of its account keeps, as long as both run in this process. */
const keptByChannels = new Map<string, Windows>()

/**
 * Creates the platform's API on behalf of an account. Without I/O; timers and readers end with its disposal. Secrets and
 * tokens stay in `scope.state` and in this process: no message, error or log line holds one.
 */
export function createPlatform(account: Account, scope: Scope): Platform {
  const { appId, product } = account
  const wire = createWire(account.apiBase, scope.fetch)
  const credentials = createCredentials(account, { scope, wire })
  const shareKey = JSON.stringify([product, appId, account.apiBase])
  const own = hasWindow(account) ? createWindows({ scope, account: appId }) : undefined
  const windows = own === undefined ? undefined : shared(shareKey, own)
  const via = new Map<string, string>()
  const readers = new Set<KfReader>()

  /** Called once more with another token if the first is not taken: an answer of that kind proves that nothing was done. */
  const authorised: Authorised = async (call, { authorizer, signal }) => {
    const tokens = credentials.of(authorizer)
    const name = call.path.startsWith('/cgi-bin/component/') ? 'component_access_token' : 'access_token'
    const withToken = (token: string) => ({ ...call, query: { ...call.query, [name]: token } })
    const token = await tokens.get()
    const answer = await wire(withToken(token), signal)
    if (answer.status !== 'error' || rulingOf(answer.code).verdict !== 'renew') return answer
    return wire(withToken(await tokens.renew(token)), signal)
  }

  function noteKf(customer: string, openKfId: string, { id, at }: Pick<Inbound, 'id' | 'at'>): void {
    own?.note({ openId: customer, contact: 'message', id, at })
    if (via.get(customer) === openKfId) return
    via.delete(customer)
    via.set(customer, openKfId)
    const [oldest] = via.keys()
    if (via.size > MAX_VIA && oldest !== undefined) via.delete(oldest)
    scope.state.put(`kf-via/${appId}/${customer}`, openKfId, { ttlMs: VIA_MS }).catch((error: unknown) => {
      via.delete(customer)
      scope.log.warn('the account a customer wrote to could not be noted', {
        error: GatewayError.from(error).message,
      })
    })
  }

  async function lastKfAccount(customer: string): Promise<string | undefined> {
    const known = via.get(customer)
    if (known !== undefined) return known
    const found = await scope.state.get(`kf-via/${appId}/${customer}`)
    return typeof found?.value === 'string' ? found.value : undefined
  }

  return {
    operations: Object.fromEntries(
      Object.entries(operationsOf(product)).map(([name, { safe, idempotent }]): [string, Operation] => [
        name,
        { safe, readsMessage: false, ...(idempotent !== undefined && { idempotent }) },
      ]),
    ),
    send: createSend({
      account,
      scope,
      authorised,
      wire,
      media: createMedia(scope.fetch, authorised),
      windows,
      lastKfAccount,
    }),
    call: createCall({ account, authorised, windows }),
    noteInbound(inbound: Inbound) {
      if (own === undefined) return
      keptByChannels.set(shareKey, own)
      // A push has just come: how long ago it was written is told by another clock (SEMANTICS 25).
      own.note(product === 'wecom-kf' ? inbound : { ...inbound, at: scope.now() })
    },
    noteTicket: (ticket) => credentials.note(ticket),
    startKfReader(host, drafts, signal) {
      const reader = createKfReader({
        scope,
        account: appId,
        authorised,
        host,
        drafts,
        noted: noteKf,
        signal,
      })
      readers.add(reader)
      return reader
    },
    async [Symbol.asyncDispose]() {
      if (keptByChannels.get(shareKey) === own) keptByChannels.delete(shareKey)
      await Promise.all([...readers].map((reader) => reader.close()))
      credentials.close()
    },
  }
}

/** Messages to members of a company have no window, and without a secret nothing is sent but passive replies. */
function hasWindow({ product, secret }: Account): boolean {
  return secret !== undefined && product !== 'wecom' && product !== 'wecom-bot'
}

function shared(key: string, own: Windows): Windows {
  const now = (): Windows => keptByChannels.get(key) ?? own
  return {
    note: (inbound) => own.note(inbound),
    take: (customer, push) => now().take(customer, push),
    left: (customer, pushes) => now().left(customer, pushes),
  }
}

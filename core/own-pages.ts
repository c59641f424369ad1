// The pages that are the gateway's own, beside its channels', and what is answered before there are any.
import { GatewayError } from './api.ts'
import type { HttpHandler } from './api.ts'
import { CALLBACK_PATH } from './return/callbacks.ts'
import type { Callbacks } from './return/callbacks.ts'
import { isLoopback } from './http/addresses.ts'
import { adminMounts } from './http/admin.ts'
import type { AdminSource } from './http/admin.ts'
import type { Mount } from './http/edge.ts'
import { STATUS_PATH } from './calls/writes.ts'

export interface OwnPages {
  readonly asyncApi: Mount
  readonly chatPage: Mount
  /** Where the listener is bound: the chat page is for this machine alone. */
  readonly host: string
  readonly callbacks: Callbacks
  readonly writes: HttpHandler
  readonly admin: AdminSource
}

export function ownMounts({ asyncApi, chatPage, host, callbacks, writes, admin }: OwnPages): Mount[] {
  return [
    asyncApi,
    ...(isLoopback(host) ? [chatPage] : []),
    {
      path: CALLBACK_PATH,
      channel: 'core',
      access: 'handler',
      admits: (head) => callbacks.admit(head),
      handler: (request) => callbacks.handle(request),
    },
    { path: STATUS_PATH, channel: 'core', access: 'handler', bodyLimitBytes: 0, handler: writes },
    ...adminMounts(admin),
  ]
}

/** Throws `INTERNAL` where a channel would stand in front of one of the gateway's own pages. */
export function refuseOwnPaths(
  own: readonly Mount[],
  channels: readonly { readonly path: string; readonly channel: string }[],
): void {
  for (const { path, channel } of channels)
    if (own.some((page) => path === page.path || path.startsWith(`${page.path}/`)))
      throw new GatewayError('INTERNAL', `channel "${channel}" cannot serve ${path}: it is the gateway's own`)
}

/** From the first moment a caller is told to come again, not that there is nothing here: whoever he is, and before his body is read. */
export const startingMount: Mount = {
  path: '/',
  channel: 'core',
  access: 'handler',
  admits: comeAgain,
  handler: comeAgain,
}

function comeAgain(): never {
  throw new GatewayError('OVERLOADED', 'the gateway is starting; try again in a moment', {
    retryAfterMs: 1000,
    notExecuted: true,
  })
}

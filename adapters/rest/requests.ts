// POST /v1/requests/{operation}: parameters in, the result itself out.
import { GatewayError } from 'dragoman'
import type { Accepted, HttpRequest, HttpResponse } from 'dragoman'

import { checked, jsonBody, rawOf, traceOf } from './body.ts'
import { withKey } from './fields.ts'
import { markedData, staleHeaders } from './freshness.ts'
import { acceptAndAnswer, acceptedResponse } from './messages.ts'
import type { PostOptions } from './messages.ts'
import { faultResponse } from './problem.ts'
import { requestBody } from './schemas.ts'
import { callerOf } from './sender.ts'

export interface RequestOptions extends PostOptions {
  readonly operation: string
  readonly channel: string
}

/**
 * Carries one request out. 200 with the data, 204 where there is none, a business fault as a problem, 202 where it was queued.
 * Where the channel's `operations` make a message or an event of it, it is answered like one.
 */
export async function postRequest(request: HttpRequest, options: RequestOptions): Promise<HttpResponse> {
  const { host, operation, channel, signal, now } = options
  const trace = traceOf(request)
  const drafted = await host.draft(operation, checked(requestBody, jsonBody(request)), {
    kind: 'request',
    sender: callerOf(request.identity, channel),
    ...(trace !== undefined && { metadata: trace }),
    raw: rawOf(request),
  })
  if (drafted === undefined)
    throw new GatewayError(
      'NO_ROUTE',
      `channel "${channel}" has no operation "${operation}": it has ${Object.keys(host.operations).join(', ')}`,
    )
  const draft = withKey(drafted, request)
  if (draft.kind !== 'request') return acceptAndAnswer(draft, request, options)
  return resultResponse(await host.accept(draft, { signal, identity: request.identity }), now())
}

function resultResponse(accepted: Accepted, now: number): HttpResponse {
  const { reply, id } = accepted
  if (reply === undefined) return acceptedResponse(accepted) // stored for later: the route queues it
  if (reply.fault !== undefined) return { ...faultResponse(reply.fault, reply.metadata), carries: id }
  const more = { 'cache-control': 'no-store', ...staleHeaders(reply, now) }
  const { parts } = reply
  const data = markedData(reply)
  const body = data === undefined && parts !== undefined ? { parts } : data
  if (body === undefined) return { status: 204, headers: more, carries: id }
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...more },
    body: JSON.stringify(body),
    carries: id,
  }
}

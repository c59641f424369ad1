// POST /v1/messages: the hot path.
import type { Accepted, ChannelHost, Draft, HttpRequest, HttpResponse } from 'dragoman'

import { checked, jsonBody, rawOf, traceOf } from './body.ts'
import { idempotencyKey, preferenceApplied, preferredWaitMs } from './fields.ts'
import { staleHeaders } from './freshness.ts'
import { messageBody } from './schemas.ts'
import { senderOf } from './sender.ts'

export interface PostOptions {
  readonly host: ChannelHost
  /** The longest a caller may wait, in milliseconds. */
  readonly maxWaitMs: number
  readonly now: () => number
  readonly signal: AbortSignal
}

/** Takes one message. 202 when it is stored; 200 with the reply where one is there already or comes while the caller waits. */
export async function postMessage(request: HttpRequest, options: PostOptions): Promise<HttpResponse> {
  return acceptAndAnswer(messageDraft(request), request, options)
}

/** Hands a draft in, waits as the caller prefers, and says what became of it. */
export async function acceptAndAnswer(
  draft: Draft,
  request: HttpRequest,
  { host, maxWaitMs, now, signal }: PostOptions,
): Promise<HttpResponse> {
  const waitMs = preferredWaitMs(request.headers['prefer'], maxWaitMs)
  const accepted = await host.accept(draft, {
    ...(waitMs !== undefined && { waitMs }),
    signal,
    identity: request.identity,
  })
  return acceptedResponse(accepted, {
    ...(waitMs !== undefined && preferenceApplied(waitMs)),
    ...(accepted.reply !== undefined && staleHeaders(accepted.reply, now())),
  })
}

/** 202 without, 200 with a reply. */
export function acceptedResponse(
  { id, conversation, sequence, duplicate, reply, status }: Accepted,
  more: Readonly<Record<string, string>> = {},
): HttpResponse {
  return {
    status: reply === undefined ? 202 : 200,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(status !== undefined && { location: status }),
      ...more,
    },
    body: JSON.stringify({ id, conversation, sequence, duplicate, reply, status }),
    ...(reply !== undefined && { carries: id }),
  }
}

function messageDraft(request: HttpRequest): Draft {
  const { text, parts, type, sender, metadata, externalId, ...rest } = checked(messageBody, jsonBody(request))
  const key = idempotencyKey(request.headers['idempotency-key'], externalId)
  const said = parts ?? [{ kind: 'text' as const, text: text ?? '' }]
  const trace = traceOf(request)
  return {
    ...rest,
    kind: 'message',
    type: type ?? said[0]?.kind ?? 'text',
    sender: senderOf(sender, request.identity),
    parts: said,
    ...(key !== undefined && { externalId: key }),
    ...((metadata !== undefined || trace !== undefined) && { metadata: { ...metadata, ...trace } }),
    raw: rawOf(request),
  }
}

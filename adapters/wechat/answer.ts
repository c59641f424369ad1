// A draft is taken in, and its answer goes out: in the response while the platform waits, else by the customer-service API.
import { randomBytes } from 'node:crypto'

import { GatewayError } from 'dragoman'
import type { Accepted, ChannelHost, Delivery, Draft, HttpResponse, Message, Reply, Scope } from 'dragoman'

import { botReply } from './bot.ts'
import type { ChannelConfig } from './config.ts'
import { textIn } from './document.ts'
import type { Push } from './drafts.ts'
import type { Pushed } from './gate.ts'
import { passiveContent, passiveFallback, shownParts } from './passive.ts'
import { closeReply, writePassive } from './passive-write.ts'
import type { Platform } from './platform.ts'
import { success } from './refusals.ts'
import { withStaleText } from './stale.ts'

export interface Answering {
  readonly host: ChannelHost
  readonly config: ChannelConfig
  readonly scope: Scope
  /** Only the sending half. */
  readonly send: Platform['send']
  readonly closing: AbortSignal
}

export interface Question {
  readonly draft: Draft
  readonly push: Push
  readonly pushed: Pushed
  /** Ends when the platform has hung up. */
  readonly gone: AbortSignal
  /** Called before anything is sent to the customer, once it is taken in; undefined: a request, which is nowhere kept. */
  readonly onTaken: (accepted: Accepted | undefined) => void
}

/** Resolves once the draft is durable and, where somebody may answer at once, he has or `waitMs` is over. Throws what `accept` throws. */
export async function answer(question: Question, answering: Answering): Promise<HttpResponse> {
  const { draft, gone, onTaken } = question
  const { host, config } = answering
  if (draft.kind === 'request') return answerRequest(question, answering)
  // An event's route says its text by a message of its own: there is no reply to wait for.
  const isWaiting = draft.kind === 'message' && config.waitMs > 0
  const accepted = await host.accept(draft, isWaiting ? { waitMs: config.waitMs, signal: gone } : {})
  onTaken(accepted)
  return respond(question, accepted, answering)
}

/** A request has no place in a log: who asks waits, or gets the answer sent when it comes. */
async function answerRequest(question: Question, answering: Answering): Promise<HttpResponse> {
  const { host, config, scope } = answering
  question.onTaken(undefined)
  const running = host.accept(question.draft)
  const accepted = await within(config.waitMs, running)
  if (accepted !== undefined) return respond(question, accepted, answering)
  running.then(
    (late) => sendLater(question, late, answering),
    (error: unknown) => scope.log.warn('a request has failed after its push was acknowledged', { error }),
  )
  return success
}

function respond(question: Question, accepted: Accepted, answering: Answering): HttpResponse {
  const { id } = accepted
  if (accepted.reply === undefined) return success
  const reply = withStaleText(accepted.reply, answering.config.staleText)
  const body = bodyOf(reply, question, answering)
  if (body === undefined) {
    void sendLater(question, accepted, answering)
    return success
  }
  const { format } = question.pushed
  const type = format === 'xml' ? 'text/xml' : 'application/json'
  return { status: 200, headers: { 'content-type': `${type}; charset=utf-8` }, body, carries: id }
}

function bodyOf(
  reply: Reply,
  { push: { fields }, push, pushed }: Question,
  { config, scope }: Answering,
): string | undefined {
  const { product, secret, token } = config
  const { sealed } = pushed
  const format = pushed.document?.format ?? pushed.format
  const timestamp = Math.floor(scope.now() / 1000)
  let text: string | undefined
  if (product === 'wecom-bot') text = botReply(reply, push, format)
  else {
    const content =
      passiveContent(reply, product) ?? (secret === undefined ? passiveFallback(reply) : undefined)
    const names = { to: textIn(fields, 'FromUserName') ?? '', from: textIn(fields, 'ToUserName') ?? '' }
    text = content && writePassive(content, { ...names, createTime: timestamp }, format)
  }
  if (text === undefined || sealed === undefined) return text
  return closeReply(text, pushed.format, { token, sealed, timestamp, isBot: product === 'wecom-bot' })
}

/** By the core, which owes the push of whatever is in a log; a request's answer is nobody's but ours. Never rejects. */
async function sendLater({ draft }: Question, accepted: Accepted, answering: Answering): Promise<void> {
  const { host, config, scope, send, closing } = answering
  const { id, reply, sequence, duplicate } = accepted
  if (sequence > 0) return host.handed(id, 'back')
  // The first who asked gets it sent; the platform's repeats have asked for nothing more.
  if (reply === undefined || duplicate) return
  const { raw: _raw, ...asked } = draft
  for (const [index, part] of shownParts(withStaleText(reply, config.staleText)).entries()) {
    const message: Message = {
      ...asked,
      kind: 'message',
      type: part.kind,
      parts: [part],
      id,
      channel: scope.id,
      conversation: accepted.conversation,
      direction: 'outbound',
      sequence,
      receivedAt: new Date(scope.now()).toISOString(),
      correlationId: id,
      traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`,
    }
    const failed = await failureOf(send(message, `${id}/${index}`, closing))
    if (failed === undefined) continue
    scope.log.warn('the answer to a request could not be sent', { id, part: index, reason: failed })
    return
  }
}

async function failureOf(delivery: Promise<Delivery>): Promise<string | undefined> {
  try {
    const result = await delivery
    return result.status === 'sent' ? undefined : (result.reason ?? 'the platform did not take it')
  } catch (error) {
    return GatewayError.from(error).message
  }
}

/** Undefined when the time is over. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), ms)
  try {
    return await Promise.race([work, over])
  } finally {
    clearTimeout(timer)
  }
}

// A draft is taken in, and its answer goes out: in the response while the platform waits, else by the core's push.
import type { Accepted, ChannelHost, Draft, HttpResponse, Reply, Scope } from 'dragoman'

import { botReply } from './bot.ts'
import type { ChannelConfig } from './config.ts'
import { textIn } from './document.ts'
import type { Push } from './drafts.ts'
import type { Pushed } from './gate.ts'
import { isBeyondApi, passiveContent, passiveFallback, whyUnsaid } from './passive.ts'
import { closeReply, writePassive } from './passive-write.ts'
import { success } from './refusals.ts'
import { withStaleText } from './stale.ts'

export interface Answering {
  readonly host: ChannelHost
  readonly config: ChannelConfig
  readonly scope: Scope
}

export interface Question {
  readonly draft: Draft
  /** `AcceptOptions.fingerprint`. */
  readonly fingerprint: string | undefined
  readonly push: Push
  readonly pushed: Pushed
  /** Ends when the platform has hung up. */
  readonly gone: AbortSignal
  /** Called before anything is sent to the customer, once it is taken in. */
  readonly onTaken: (accepted: Accepted) => void
}

/** Resolves once the draft is durable and, where somebody may answer at once, he has or `waitMs` is over. Throws what `accept` throws. */
export async function answer(question: Question, answering: Answering): Promise<HttpResponse> {
  const { draft, fingerprint, gone, onTaken } = question
  const { host, config } = answering
  // An event's route says its text by a message of its own: there is no reply to wait for.
  const isWaiting = draft.kind !== 'event' && config.waitMs > 0
  const accepted = await host.accept(draft, {
    acknowledges: true,
    ...(fingerprint !== undefined && { fingerprint }),
    ...(isWaiting && { waitMs: config.waitMs, signal: gone }),
  })
  onTaken(accepted)
  return respond(question, accepted, answering)
}

function respond(question: Question, accepted: Accepted, { host, ...answering }: Answering): HttpResponse {
  const { id } = accepted
  if (accepted.reply === undefined) return success
  const reply = withStaleText(accepted.reply, answering.config.staleText)
  const body = bodyOf(reply, question, { ...answering, id })
  if (body === undefined) {
    host.handed(id, 'back')
    return success
  }
  const { format } = question.pushed
  const type = format === 'xml' ? 'text/xml' : 'application/json'
  return { status: 200, headers: { 'content-type': `${type}; charset=utf-8` }, body, carries: id }
}

function bodyOf(
  reply: Reply,
  { push: { fields }, push, pushed }: Question,
  { config, scope, id }: Omit<Answering, 'host'> & Pick<Accepted, 'id'>,
): string | undefined {
  const { product, secret, token } = config
  const { sealed } = pushed
  const format = pushed.document?.format ?? pushed.format
  const timestamp = Math.floor(scope.now() / 1000)
  let text: string | undefined
  let lost: string | undefined
  if (product === 'wecom-bot') ({ text, lost } = botReply(reply, push, format) ?? {})
  else {
    const scene = { product, isEvent: textIn(fields, 'MsgType')?.toLowerCase() === 'event' }
    const whole = passiveContent(reply, scene)
    const isLast = secret === undefined || isBeyondApi(reply, scene)
    const fallback = whole === undefined && isLast ? passiveFallback(reply, scene) : undefined
    const content = whole ?? fallback?.content
    lost = content === undefined && isLast ? whyUnsaid(reply, scene) : fallback?.lost
    const names = { to: textIn(fields, 'FromUserName') ?? '', from: textIn(fields, 'ToUserName') ?? '' }
    text = content && writePassive(content, { ...names, createTime: timestamp }, format)
  }
  if (lost !== undefined) scope.log.warn(lost, { id })
  if (text === undefined || sealed === undefined) return text
  return closeReply(text, pushed.format, { token, sealed, timestamp, isBot: product === 'wecom-bot' })
}

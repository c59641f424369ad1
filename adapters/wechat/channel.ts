// The WeChat channel: what the platform pushes comes in, is checked, understood and answered.
import { GatewayError } from 'dragoman'
import type {
  Accepted,
  Channel,
  ChannelHost,
  Component,
  HttpHandler,
  HttpRequest,
  HttpResponse,
  Scope,
} from 'dragoman'

import { answer } from './answer.ts'
import type { Answering, Question } from './answer.ts'
import { createPlatform } from './api/index.ts'
import { botMeaning } from './bot.ts'
import { cipherKey } from './cipher.ts'
import { isNotice, noticeDraft, ticketOf } from './component.ts'
import { accountOf, channelConfig } from './config.ts'
import type { ChannelConfig } from './config.ts'
import { createContacts } from './contacts.ts'
import { platformFields, textIn } from './document.ts'
import { draftOf, meaningOf } from './drafts.ts'
import type { Meaning, Push } from './drafts.ts'
import { openEcho, openPush } from './gate.ts'
import type { GateOptions, Pushed } from './gate.ts'
import { hintOf } from './hint.ts'
import { kfDrafts } from './kf.ts'
import { withLists } from './lists.ts'
import type { KfReader, Platform } from './platform.ts'
import { answerToError, createRefusals, echoed, notAllowed, notFound, success } from './refusals.ts'
import { replyContextOf } from './reply-context.ts'
import { createReplayCheck } from './replay.ts'
import { reviewChannel } from './review.ts'
import { withStaleText } from './stale.ts'

export const channel: Component<Channel, ChannelConfig> = {
  config: channelConfig,
  create: createChannel,
  review: reviewChannel,
}

function createChannel(config: ChannelConfig, scope: Scope): Channel {
  const { product, path } = config
  const platform = createPlatform(accountOf(config), scope)
  const contacts = createContacts(scope)
  const refuse = createRefusals(scope)
  const isOwnBody = createReplayCheck(scope.state, config.skew)
  const closed = new AbortController()
  const gate: GateOptions = {
    product,
    token: config.token,
    keys: [config.encodingAESKey, config.previousEncodingAESKey].flatMap((key) =>
      key === undefined ? [] : [cipherKey(key)],
    ),
    receiveIds: config.receiveIds ?? [config.appId],
    skewMs: config.skew,
    now: () => scope.now(),
  }
  let kfReader: KfReader | undefined

  const send: Platform['send'] = async (said, key, signal) => {
    const message = said.aside === true ? said : withStaleText(said, config.staleText)
    // What another adapter or version wrote is not ours to read (SEMANTICS 21); what the core says by itself has none.
    const context =
      message.replyContext === undefined
        ? await contacts.find(message.conversation)
        : replyContextOf(message.replyContext)
    if (context !== undefined) return platform.send({ ...message, replyContext: { ...context } }, key, signal)
    const reason = `nobody knows who is behind the conversation "${message.conversation}": the reply context is missing or another adapter's`
    return { status: 'refused', retry: false, reason }
  }

  /** Throws what `accept` and the small store throw. */
  async function take(
    pushed: Pushed & { readonly document: NonNullable<Pushed['document']> },
    came: { readonly authorizer: string | undefined; readonly gone: AbortSignal },
    answering: Answering,
  ): Promise<HttpResponse> {
    const { host } = answering
    const { format } = pushed.document
    const fields = withLists(platformFields(pushed.document), product)
    const push: Push = {
      fields,
      bytes: pushed.bytes,
      mediaType: format === 'xml' ? 'text/xml' : 'application/json',
      digest: pushed.digest,
    }
    if (isNotice(push)) {
      const ticket = product === 'component' ? ticketOf(push) : undefined
      if (ticket !== undefined) await platform.noteTicket(ticket)
      const notice = noticeDraft(push, scope.id)
      if (notice !== undefined) await host.accept(notice)
      return success
    }
    const openKfId = textIn(fields, 'OpenKfId') ?? ''
    if (textIn(fields, 'Event') === 'kf_msg_or_event' && KF_ID.test(openKfId) && kfReader !== undefined) {
      await kfReader.onKfEvent(textIn(fields, 'Token') ?? '', openKfId)
      return success
    }
    const meaning = understood(push, came.authorizer)
    if (meaning === undefined) return success
    const context = replyContextOf(meaning.base.replyContext)
    if (context !== undefined) noteInbound(meaning, context.to, came.authorizer)
    const draft = await draftOf(meaning, host, fields)
    const onTaken = ({ conversation }: Accepted): void => {
      if (context !== undefined) contacts.note(conversation, context)
    }
    // An operation's own id says itself what is the same again.
    const fingerprint = draft.externalId === meaning.base.externalId ? meaning.fingerprint : undefined
    return answerOnce({ draft, fingerprint, push, pushed, gone: came.gone, onTaken }, meaning, answering)
  }

  /** Two events of one customer in one second with one key may still be two: repeats of the platform are equal to the byte. */
  async function answerOnce(
    question: Question,
    { base }: Meaning,
    answering: Answering,
  ): Promise<HttpResponse> {
    try {
      return await answer(question, answering)
    } catch (error) {
      const { externalId } = question.draft
      if (base.kind !== 'event' || externalId === undefined || !isMismatch(error)) throw error
      const id = `${externalId}:${question.push.digest}`
      return answer({ ...question, draft: { ...question.draft, externalId: id } }, answering)
    }
  }

  function understood(push: Push, authorizer: string | undefined): Meaning | undefined {
    if (textIn(push.fields, 'action') === 'CheckContainerPath') return undefined // cloud hosting asks whether we are there
    const options = { product, channel: scope.id, authorizer }
    return product === 'wecom-bot' ? botMeaning(push, options) : meaningOf(push, options)
  }

  /** Before it is taken in: that may wait for an answer, and who answers may send something by the API meanwhile, or a next life may. */
  function noteInbound({ base, contact }: Meaning, openId: string, authorizer: string | undefined): void {
    const { externalId: id } = base
    if (contact === undefined || id === undefined) return
    const from = product === 'component' && authorizer !== undefined ? { authorizer } : {}
    platform.noteInbound({ openId, ...from, contact, id, at: scope.now() })
  }

  async function handle(
    request: HttpRequest,
    gone: AbortSignal,
    answering: Answering,
  ): Promise<HttpResponse> {
    const place = placeOf(request.path, config)
    if (place === undefined) return notFound
    if (request.method === 'GET') {
      const arrival = openEcho(request, gate)
      return arrival.kind === 'echo'
        ? echoed(arrival.text)
        : refuse(arrival.kind === 'refused' ? arrival.why : 'query')
    }
    if (request.method !== 'POST') return notAllowed
    const arrival = openPush(request, gate)
    if (arrival.kind !== 'push') return refuse(arrival.kind === 'refused' ? arrival.why : 'query')
    const { document } = arrival
    if (document === undefined) {
      // It is the platform's, and the same three times: refused it would only come back.
      scope.metrics.count('wechat_unreadable_total', { channel: scope.id })
      scope.log.warn('a push could be decrypted but not read', { bytes: arrival.bytes.byteLength })
      return success
    }
    if (arrival.sealed === undefined && !(await isOwnBody(arrival.signed, arrival.digest)))
      return refuse('replay')
    return take({ ...arrival, document }, { ...place, gone }, answering)
  }

  return {
    async start(host: ChannelHost, signal: AbortSignal) {
      const closing = AbortSignal.any([signal, closed.signal])
      const answering: Answering = { host, config, scope }
      if (product === 'wecom-kf') {
        if (config.secret === undefined)
          scope.log.warn('without a secret the messages of 微信客服 cannot be read', { channel: scope.id })
        else kfReader = platform.startKfReader(host, kfDrafts(host, scope.id), closing)
      }
      const taken: HttpHandler = async (request, gone) => {
        try {
          return await handle(request, gone, answering)
        } catch (error) {
          scope.log.warn('a push was not taken in, or what was to be done about it failed', { error })
          return answerToError(error)
        }
      }
      host.serve(path, taken, { signed: true })
    },
    send,
    pushesWhole: product === 'wecom-bot',
    hint: (origin) => hintOf(origin, config),
    async [Symbol.asyncDispose]() {
      closed.abort()
      await platform[Symbol.asyncDispose]()
    },
  }
}

function isMismatch(error: unknown): boolean {
  return GatewayError.from(error).code === 'IDEMPOTENCY_MISMATCH'
}

const KF_ID = /^[\w-]{1,128}$/

/** component: the platform puts the appid of the account a push is for into the address (`/$APPID$/callback`). */
function placeOf(
  path: string,
  config: ChannelConfig,
): { readonly authorizer: string | undefined } | undefined {
  if (path === config.path) return { authorizer: undefined }
  if (config.product !== 'component' || !path.startsWith(`${config.path}/`)) return undefined
  const authorizer = path
    .slice(config.path.length + 1)
    .split('/')
    .find((segment) => /^w[wx][A-Za-z0-9]{6,40}$/.test(segment))
  return { authorizer }
}

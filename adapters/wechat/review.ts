// What a config may say and still leave customers without an answer; and which operations an account has.
import type { Notice, Review } from 'dragoman'

import { isSuite } from './account.ts'
import type { Account } from './account.ts'
import { operationsOf } from './api/operations.ts'
import { accountOf } from './config.ts'
import type { BackendConfig, ChannelConfig } from './config.ts'

/** developers.weixin.qq.com "接入概述", developer.work.weixin.qq.com/document/path/90930. */
const TOKEN = /^[A-Za-z0-9]{3,32}$/

/** Of a channel's checked config. */
export function reviewChannel(config: ChannelConfig): Review {
  const mistaken = mistakenOf(config)
  // An id that is none says nothing of whose it is.
  const unheard = isMistaken(mistaken, 'appId') ? undefined : unheardOf(config)
  const notices: Notice[] = unheard === undefined ? mistaken : [unheard, ...mistaken]
  if (!TOKEN.test(config.token)) {
    const message = 'the platform takes 3 to 32 letters and digits: this cannot be entered there'
    notices.push({ path: ['token'], message })
  }
  return { notices }
}

/** Of a backend's checked config. */
export function reviewBackend(config: BackendConfig): Review {
  const account = accountOf(config)
  // What its channel says is reviewed there.
  const { product } = account
  const notices = mistakenOf({ ...config, product })
  if (isSuite(account) && !isMistaken(notices, 'appId'))
    return { operations: [], notices: [{ path: [], message: SUITE }, ...notices] }
  const operations = Object.keys(operationsOf(product))
  if (product !== 'component' || config.channel !== undefined) return { operations, notices }
  const message = 'is missing: the ticket, without which nothing can be called, comes to the channel'
  return { operations, notices: [{ path: ['channel'], message }, ...notices] }
}

type Named = Pick<Account, 'product' | 'appId'> & {
  readonly secret?: string | undefined
  readonly agentId?: string | undefined
}

const BLANK = 'has a blank in it, which the platform’s has not'

/** Ids that were taken from the wrong place on the platform, or copied with a blank. No notice shows a secret. */
function mistakenOf({ product, appId, secret, agentId }: Named): Notice[] {
  const notices: Notice[] = []
  const notice = (key: string, message: string): void => void notices.push({ path: [key], message })
  if (/\s/.test(appId)) notice('appId', BLANK)
  else if (appId.startsWith('gh_'))
    notice('appId', 'this is the original id of an account: the AppID begins with wx')
  else if (appId.startsWith('ww') && (product === 'official' || product === 'miniprogram'))
    notice('appId', `this is the corpid of a company: product ${product} has an AppID, which begins with wx`)
  if (secret !== undefined && /\s/.test(secret)) notice('secret', BLANK)
  if (agentId !== undefined && !/^\d+$/.test(agentId))
    notice('agentId', 'this is no AgentId: it consists of digits')
  return notices
}

function isMistaken(notices: readonly Notice[], key: string): boolean {
  return notices.some(({ path }) => path[0] === key)
}

const SUITE =
  'this is a WeCom suite, which answers in the response alone: nothing else is sent or called for it'

/** Who hears nothing, as the channel is set up. */
function unheardOf(config: ChannelConfig): Notice | undefined {
  const { product, secret, waitMs } = config
  if (isSuite(config)) return { path: ['appId'], message: SUITE }
  if (secret !== undefined || product === 'wecom-bot') return undefined
  const missing = (why: string): Notice => ({ path: ['secret'], message: `is missing${why}` })
  if (product === 'wecom-kf')
    return missing(': nothing that customers write comes in, for it is read with it')
  if (product === 'miniprogram')
    return missing(': a mini program shows no answer in the response, and none can be sent')
  if (waitMs === 0) return missing(', and waitMs is 0: no answer ever goes out')
  return missing(
    ': only what is ready within waitMs is said, in the response; a late answer and one to an event (the welcome to subscribe) are dead letters; see the README of adapters/wechat',
  )
}

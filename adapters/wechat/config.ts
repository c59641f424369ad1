// What a WeChat channel and a WeChat backend take from the config.
import { z } from 'zod'

import { namedChannel } from '../data/named-channel.ts'
import { defaultApiBase, isSuite, products } from './account.ts'
import type { Account } from './account.ts'

/** 43 base64 characters: 32 bytes, whose last two bits nobody reads. */
const KEY = /^[A-Za-z0-9+/]{43}$/

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/
const duration = z
  .string()
  .regex(DURATION, 'must look like 300s')
  .transform((text) => {
    const [, digits = '0', unit = ''] = DURATION.exec(text) ?? []
    return Number(digits) * (units[unit] ?? 1)
  })

// `${WECHAT_SECRET:-}` yields an empty text where the variable is not set: that is "not there".
const orAbsent = <T extends z.ZodType<string>>(given: T) =>
  z.union([z.literal('').transform(() => undefined), given]).optional()

const aesKey = orAbsent(
  z.string().regex(KEY, 'must be the 43 letters and digits that the platform shows as EncodingAESKey'),
)
const webAddress = z
  .string()
  .regex(
    /^https?:\/\/[^\s/?#][^\s?#]*$/,
    'must be an address that begins with https:// or http://, without ?, # and blanks',
  )
  .refine((text) => URL.canParse(text), 'is no address')
  .transform((text) => text.replace(/\/+$/, ''))

const anyProduct = z
  .enum(products)
  .describe('official account, mini program, WeCom application, 微信客服, WeCom bot, third-party platform')
const accountPart = {
  appId: z.string().max(128).default('').describe('appid, corpid or the appid of the third-party platform'),
  secret: orAbsent(z.string().max(256)).describe(
    'for the platform’s API; without it only passive replies are possible',
  ),
  apiBase: orAbsent(webAddress).describe('the platform’s API; default by product'),
  agentId: orAbsent(z.string().max(32)).describe('wecom: the application that sends'),
}

/** `staleText` where none is given. */
export const STALE_TEXT = '（系统暂时无法连接，以上信息可能不是最新的。）'

const encrypted: ReadonlySet<string> = new Set(['wecom', 'wecom-kf', 'wecom-bot', 'component'])

export const channelConfig = z
  .strictObject({
    path: z
      .string()
      .regex(/^(\/[\w.~:@!$&'()*+,;=-]+)+$/, 'expected a path such as /wechat')
      .default('/wechat'),
    product: anyProduct.default('official'),
    ...accountPart,
    token: z
      .string()
      .min(1, 'must not be empty: with an empty token anybody could sign')
      .max(128)
      .describe('signs every push; as entered on the platform'),
    encodingAESKey: aesKey.describe('set: only encrypted bodies are accepted, and answers are encrypted'),
    previousEncodingAESKey: aesKey.describe('accepted beside the other while the platform changes over'),
    receiveIds: z
      .array(z.string().max(128))
      .min(1)
      .max(100)
      .optional()
      .describe('ids an encrypted body may end with; default: the appId alone'),
    waitMs: z
      .int()
      .min(0)
      .max(4900)
      .default(4500)
      .describe(
        'how long an answer is waited for before the push is acknowledged without one; the platform hangs up after 5 s',
      ),
    staleText: z
      .string()
      .min(1)
      .max(500)
      .default(STALE_TEXT)
      .describe(
        'stands under an answer that is the last good one because the business system is down; `{asOf}` is its moment',
      ),
    skew: duration
      .prefault('300s')
      .describe('how far a push’s timestamp may be from now; 0s: it is not looked at'),
  })
  .superRefine((config, context) => {
    const { product, encodingAESKey, previousEncodingAESKey, appId, receiveIds } = config
    const issue = (key: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [key], message })
    if (encodingAESKey === undefined && encrypted.has(product))
      issue('encodingAESKey', `is missing: product ${product} sends nothing that is not encrypted`)
    if (encodingAESKey === undefined && previousEncodingAESKey !== undefined)
      issue('previousEncodingAESKey', 'needs encodingAESKey: without it the channel takes plain bodies')
    if (encodingAESKey !== undefined && appId === '' && receiveIds === undefined && product !== 'wecom-bot')
      issue('appId', 'is missing: an encrypted body ends with it')
    if (config.secret !== undefined && appId === '')
      issue('appId', 'is missing: the secret is of no use without it')
  })
  // Nothing is called with the secret of a suite: what cannot be said in the response is never said.
  .overwrite((config) => (isSuite(config) ? { ...config, secret: undefined } : config))
export type ChannelConfig = z.output<typeof channelConfig>

const accountChannel = namedChannel<ChannelConfig>('a wechat channel', {
  member: 'token',
  description: 'the channel whose account is used',
})

export const backendConfig = z
  .strictObject({ channel: accountChannel, product: anyProduct.optional(), ...accountPart })
  .superRefine((config, context) => {
    const issue = (key: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [key], message })
    const { channel } = config
    if (channel !== undefined) {
      for (const key of ['product', 'appId'] as const) {
        if (config[key] !== undefined && config[key] !== '')
          issue(key, `comes from channel "${channel.id}": leave one of the two out`)
      }
      if ((config.secret ?? channel.config.secret) === undefined && !isSuite(channel.config))
        issue('secret', `is missing here and in channel "${channel.id}": the platform’s API cannot be called`)
      return
    }
    if (config.appId === '') issue('appId', 'is missing; or name a channel whose account is used')
    if (config.secret === undefined)
      issue('secret', 'is missing: the platform’s API cannot be called without it')
  })
export type BackendConfig = z.output<typeof backendConfig>

/** The account a checked config names. */
export function accountOf(config: ChannelConfig | BackendConfig): Account {
  const channel = 'channel' in config ? config.channel?.config : undefined
  const { product = 'official', appId } = channel ?? config
  const secret = config.secret ?? channel?.secret
  const agentId = config.agentId ?? channel?.agentId
  return {
    product,
    appId,
    apiBase: config.apiBase ?? channel?.apiBase ?? defaultApiBase(product),
    ...(secret !== undefined && { secret }),
    ...(agentId !== undefined && { agentId }),
  }
}

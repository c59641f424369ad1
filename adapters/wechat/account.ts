// One account with the platform: who it is, and with what its API is called.

/**
 * `official` and `miniprogram`: api.weixin.qq.com. `wecom`, `wecom-kf` (微信客服) and `wecom-bot`: qyapi.weixin.qq.com.
 * `component`: a third-party platform that speaks for the accounts that authorised it.
 */
export type Product = 'official' | 'miniprogram' | 'wecom' | 'wecom-kf' | 'wecom-bot' | 'component'

export const products = [
  'official',
  'miniprogram',
  'wecom',
  'wecom-kf',
  'wecom-bot',
  'component',
] as const satisfies readonly Product[]

/** What a call of the platform's API needs. Two components with equal accounts may share what they know of it. */
export interface Account {
  readonly product: Product
  /** appid, corpid or the component's appid; empty where nothing is called and the account sends plain text. */
  readonly appId: string
  /** Absent: no token can be had; only passive replies are possible. */
  readonly secret?: string
  /** Without a trailing slash: `https://api.weixin.qq.com`. */
  readonly apiBase: string
  /** WeCom: the application that sends. */
  readonly agentId?: string
}

/** Where the platform's API is unless the config says otherwise. */
export function defaultApiBase(product: Product): string {
  return product.startsWith('wecom') ? 'https://qyapi.weixin.qq.com' : 'https://api.weixin.qq.com'
}

/** A WeCom suite, not a third-party platform of WeChat (`wx…`): its interfaces are others, and none is called. */
export function isSuite({ product, appId }: Pick<Account, 'product' | 'appId'>): boolean {
  return product === 'component' && appId !== '' && !appId.startsWith('wx')
}

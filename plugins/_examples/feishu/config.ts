// What the config says of an app of Feishu or Lark.
import { z } from 'zod'

import { STALE_TEXT } from './stale.ts'

const text = z.string().min(1)

export const channelConfig = z
  .strictObject({
    path: z
      .string()
      .regex(/^\/[\w/-]*$/, 'expected a path such as /feishu')
      .default('/feishu'),
    appId: text,
    appSecret: text,
    /** Encrypts and signs every callback. Empty: the token alone says that it is the platform. */
    encryptKey: z.string().default(''),
    verificationToken: z.string().default(''),
    /** Lark: https://open.larksuite.com */
    apiBase: z.url({ protocol: /^https?$/ }).default('https://open.feishu.cn'),
    /** Who the sender is: `open_id` is his id for this app, `union_id` for all apps of its maker, `user_id` in his company. */
    senderId: z.enum(['open_id', 'union_id', 'user_id']).default('open_id'),
    /** Stands under an answer that is the last good one because the business system is down; `{asOf}` is its moment. */
    staleText: text.max(500).default(STALE_TEXT),
  })
  .refine(({ encryptKey, verificationToken }) => encryptKey !== '' || verificationToken !== '', {
    path: ['encryptKey'],
    message: 'encryptKey or verificationToken is needed: without either anybody could write here',
  })
export type ChannelConfig = z.output<typeof channelConfig>

// The WeChat adapter: official accounts, mini programs, WeCom applications, 微信客服, bots and third-party platforms.
import { defineAdapter } from 'dragoman'

import { backend } from './backend.ts'
import { channel } from './channel.ts'

export default defineAdapter({ name: 'wechat', apiVersion: 1, channel, backend })

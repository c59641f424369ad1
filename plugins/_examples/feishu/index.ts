// Feishu, and Lark: what people write to an app's bot comes in by its signed callbacks, answers go out by its API.
import { defineAdapter } from 'dragoman'

import { createChannel } from './channel.ts'
import { channelConfig } from './config.ts'

export default defineAdapter({
  name: 'feishu',
  apiVersion: 1,
  channel: {
    config: channelConfig,
    create: createChannel,
  },
})

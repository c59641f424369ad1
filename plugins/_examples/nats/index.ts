// NATS: callers and events by subjects and streams, business systems by request and reply or through JetStream.
import { defineAdapter } from 'dragoman'

import { createBackend } from './backend.ts'
import { createChannel } from './channel.ts'
import { backendConfig, channelConfig } from './config.ts'

export default defineAdapter({
  name: 'nats',
  apiVersion: 1,
  channel: {
    config: channelConfig,
    create: createChannel,
  },
  backend: {
    config: backendConfig,
    create: createBackend,
  },
})

// SOAP 1.1 and 1.2, as callers and as business systems speak it.
import { defineAdapter } from 'dragoman'
import { createBackend } from './backend.ts'
import { createChannel } from './channel.ts'
import { backendConfig, channelConfig } from './config.ts'

export default defineAdapter({
  name: 'soap',
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

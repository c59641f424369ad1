// Plain XML, ASP.NET web services by GET and POST, and XML-RPC, as callers and as business systems speak them.
import { defineAdapter } from 'dragoman'
import { createBackend } from './backend.ts'
import { createChannel } from './channel.ts'
import { backendConfig, channelConfig } from './config.ts'

export default defineAdapter({
  name: 'webservice',
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

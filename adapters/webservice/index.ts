// Plain XML, ASP.NET web services by GET and POST, and XML-RPC, as callers and as business systems speak them.
import { defineAdapter } from 'dragoman'
import { createBackend } from './backend.ts'
import { createChannel } from './channel.ts'
import { backendConfig, channelConfig, type BackendConfig, type ChannelConfig } from './config.ts'

export default defineAdapter({
  name: 'webservice',
  apiVersion: 1,
  channel: {
    config: channelConfig,
    // the core hands over what the schema made of the config
    create: (config, scope) => createChannel(config as ChannelConfig, scope),
  },
  backend: {
    config: backendConfig,
    create: (config, scope) => createBackend(config as BackendConfig, scope), // likewise
  },
})

// The MQTT channel: a broker of its own for devices and apps, or a client of somebody else's.
import type { Channel, Component } from 'dragoman'

import { createBridge } from './bridge.ts'
import { channelConfig } from './config.ts'
import type { ChannelConfig } from './config.ts'
import { createDevices } from './devices.ts'

export const channel: Component<Channel, ChannelConfig> = {
  config: channelConfig,
  create(config, scope) {
    const { url } = config
    return url === undefined ? createDevices(config, scope) : createBridge({ ...config, url }, scope)
  },
}

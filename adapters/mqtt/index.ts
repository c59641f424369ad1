// The MQTT adapter: devices and apps in front (or another broker), business systems that speak MQTT behind.
import { defineAdapter } from 'dragoman'

import { backend } from './backend.ts'
import { channel } from './channel.ts'

export default defineAdapter({ name: 'mqtt', apiVersion: 1, channel, backend })

// The REST adapter: /v1 for callers, any JSON-over-HTTP business system behind.
import { defineAdapter } from 'dragoman'

import { backend } from './backend.ts'
import { channel } from './channel.ts'

export default defineAdapter({ name: 'rest', apiVersion: 1, channel, backend })

// The GraphQL adapter: queries, mutations and subscriptions for callers, any GraphQL server behind.
import { defineAdapter } from 'dragoman'

import { backend } from './backend.ts'
import { channel } from './channel.ts'

export default defineAdapter({ name: 'graphql', apiVersion: 1, channel, backend })

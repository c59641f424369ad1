// PostgreSQL: queries of a business database as operations that only read.
import { defineAdapter } from 'dragoman'

import { createBackend } from './backend.ts'
import { backendConfig } from './config.ts'

export default defineAdapter({
  name: 'postgres',
  apiVersion: 1,
  backend: {
    config: backendConfig,
    create: createBackend,
  },
})

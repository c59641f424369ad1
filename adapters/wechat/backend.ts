// The platform's API as a business system: its operations for routes, on behalf of one account.
import type { Backend, Component, Scope } from 'dragoman'

import { createPlatform } from './api/index.ts'
import { accountOf, backendConfig } from './config.ts'
import type { BackendConfig } from './config.ts'
import { reviewBackend } from './review.ts'

export const backend: Component<Backend, BackendConfig> = {
  config: backendConfig,
  create: createBackend,
  review: reviewBackend,
}

function createBackend(config: BackendConfig, scope: Scope): Backend {
  const platform = createPlatform(accountOf(config), scope)
  return {
    operations: platform.operations,
    call: ({ operation, params, key }, signal) => platform.call(operation, params, key, signal),
    [Symbol.asyncDispose]: () => platform[Symbol.asyncDispose](),
  }
}

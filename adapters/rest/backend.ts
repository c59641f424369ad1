// The REST backend: one HTTP call per operation, as the config says.
import { GatewayError } from 'dragoman'
import type { Backend, Component, Operation, Scope } from 'dragoman'

import { compileAnswer } from './answer.ts'
import type { ReadAnswer } from './answer.ts'
import { readsMessage } from '../data/expression.ts'
import { backendConfig } from './backend-config.ts'
import type { BackendConfig, OperationConfig } from './backend-config.ts'
import { compileRequest } from './outbound.ts'
import type { BuildRequest } from './outbound.ts'

export const backend: Component<Backend, BackendConfig> = {
  config: backendConfig,
  review: ({ operations }) => ({
    isSafe(name) {
      const found = Object.hasOwn(operations, name) ? operations[name] : operations['*']
      return found && isSafe(found)
    },
  }),
  create: (config, scope) => createBackend(config, scope),
}

interface Compiled {
  readonly build: BuildRequest
  readonly read: ReadAnswer
}

function createBackend(config: BackendConfig, scope: Scope): Backend {
  const compiled = new Map<string, Compiled>()
  const operations: Record<string, Operation> = Object.create(null) // null prototype: names come from the config
  for (const [name, operation] of Object.entries(config.operations)) {
    compiled.set(name, { build: compileRequest(config, operation), read: compileAnswer(operation) })
    operations[name] = { safe: isSafe(operation), readsMessage: readsMessage(config.headers, operation) }
  }

  return {
    operations,
    async call(call, signal) {
      const found = compiled.get(call.operation) ?? compiled.get('*')
      if (found === undefined)
        throw new GatewayError(
          'NO_ROUTE',
          `backend "${scope.id}" has no operation "${call.operation}": it has ${[...compiled.keys()].join(', ')}`,
          { notExecuted: true },
        )
      const { url, method, headers, body = null } = await found.build(call)
      // A redirect would repeat the call somewhere the config does not name.
      const response = await scope.fetch(url, { method, headers, body, signal, redirect: 'manual' })
      return found.read(response, call, { backend: scope.id, now: scope.now() })
    },
    async probe(signal) {
      await scope.fetch(config.url, { method: 'HEAD', signal, redirect: 'manual' })
    },
    async [Symbol.asyncDispose]() {
      compiled.clear()
    },
  }
}

/** RFC 9110 §9.2.1 */
function isSafe({ method }: OperationConfig): boolean {
  return method === 'GET' || method === 'HEAD'
}

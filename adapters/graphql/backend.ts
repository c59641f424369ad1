// The GraphQL backend: one document per operation, sent by graphql-request over the guarded fetch.
import { readFile } from 'node:fs/promises'
import { isAbsolute } from 'node:path'

import { OperationTypeNode, parse, validate } from 'graphql'
import type { DocumentNode, GraphQLSchema, OperationDefinitionNode } from 'graphql'

import { GatewayError } from 'dragoman'
import type { Backend, BackendCall, Component, Json, Operation, Scope } from 'dragoman'

import { compileAnswer } from './answer.ts'
import type { ReadAnswer } from './answer.ts'
import { backendConfig } from './backend-config.ts'
import type { BackendConfig, OperationConfig } from './backend-config.ts'
import { createClient } from './client.ts'
import { documentProblem, operationOf, variablesOf } from './document.ts'
import { compileExpression, readsMessage } from '../data/expression.ts'
import type { Expression } from '../data/expression.ts'
import { isFieldValue } from '../data/field.ts'
import { createServerSchema } from './introspect.ts'
import { decodeUtf8 } from '../data/json.ts'

export const backend: Component<Backend, BackendConfig> = {
  config: backendConfig,
  create: (config, scope) => createBackend(config, scope),
}

interface Compiled {
  readonly text: string
  readonly document: DocumentNode
  readonly operation: OperationDefinitionNode
  readonly variables: Expression | undefined
  readonly headers: readonly (readonly [string, Expression])[]
  readonly read: ReadAnswer
}

function createBackend(config: BackendConfig, scope: Scope): Backend {
  const client = createClient(config.url, scope.fetch)
  const compiled = new Map<string, Compiled>()
  const operations: Record<string, Operation> = Object.create(null) // null prototype: names come from the config
  const server = createServerSchema({
    client,
    scope,
    headers: compiledHeaders(config.headers),
    onLater(schema) {
      const problems = problemsOf(compiled, schema)
      if (problems.length === 0) scope.log.info('the server has told its schema')
      else scope.log.warn("the server's schema does not fit", { problems })
    },
  })

  const add = (name: string, said: OperationConfig, text: string): void => {
    const made = compile(config, said, text)
    compiled.set(name, made)
    operations[name] = {
      safe: made.operation.operation === OperationTypeNode.QUERY,
      readsMessage: readsMessage(config.headers, said),
    }
  }
  for (const [name, said] of Object.entries(config.operations))
    if (!isAbsolute(said.document)) add(name, said, said.document)

  return {
    operations,
    async start(signal) {
      for (const [name, said] of Object.entries(config.operations)) {
        if (!isAbsolute(said.document)) continue
        try {
          add(name, said, decodeUtf8(await readFile(said.document)))
        } catch (error) {
          throw new Error(`operation "${name}": ${said.document}: ${messageOf(error)}`, { cause: error })
        }
      }
      if (!config.introspection) return
      await server.begin(signal)
      const problems = server.schema === undefined ? [] : problemsOf(compiled, server.schema)
      if (problems.length > 0) throw new Error(`the server's schema does not fit: ${problems.join('; ')}`)
    },
    async call(call, signal) {
      const found = compiled.get(call.operation)
      if (found === undefined)
        throw new GatewayError(
          'NO_ROUTE',
          `backend "${scope.id}" has no operation "${call.operation}": it has ${[...compiled.keys()].join(', ')}`,
          { notExecuted: true },
        )
      if (config.introspection) server.renew()
      const given = await parametersOf(found, call)
      const answered = await client({
        document: found.text,
        variables: variablesOf(found.operation, given, server.schema),
        headers: await headersOf(found, call),
        signal,
      })
      return found.read(answered, call, { backend: scope.id, now: scope.now() })
    },
    async probe(signal) {
      await client({ document: '{ __typename }', variables: {}, headers: {}, signal })
    },
    async [Symbol.asyncDispose]() {
      server[Symbol.dispose]()
      compiled.clear()
    },
  }
}

function compile(config: BackendConfig, said: OperationConfig, text: string): Compiled {
  const document = parse(text)
  const operation = operationOf(document)
  const problem = documentProblem(document)
  if (problem !== undefined || operation === undefined)
    throw new Error(problem ?? 'the document has no operation')
  return {
    text,
    document,
    operation,
    variables: said.variables === undefined ? undefined : compileExpression(said.variables),
    headers: compiledHeaders({ ...config.headers, ...said.headers }),
    read: compileAnswer(said),
  }
}

function compiledHeaders(headers: BackendConfig['headers'] = {}): Compiled['headers'] {
  return Object.entries(headers).map(([name, source]) => [name, compileExpression(source)] as const)
}

function problemsOf(compiled: ReadonlyMap<string, Compiled>, schema: GraphQLSchema): readonly string[] {
  return [...compiled].flatMap(([name, { document }]) =>
    validate(schema, document).map(({ message }) => `operation "${name}": ${message}`),
  )
}

async function parametersOf({ variables }: Compiled, call: BackendCall): Promise<Json> {
  if (variables === undefined) return call.params
  return (await evaluated(variables, call, 'variables')) ?? {}
}

async function headersOf(found: Compiled, call: BackendCall): Promise<Readonly<Record<string, string>>> {
  const fields: Record<string, string> = {
    traceparent: call.message.traceparent, // W3C Trace Context §3.2
    ...(found.operation.operation === OperationTypeNode.MUTATION && { 'idempotency-key': call.key }),
  }
  for (const [name, expression] of found.headers) {
    const value = await evaluated(expression, call, `header "${name}"`)
    if (value === undefined || value === null) continue
    const text = typeof value === 'object' ? undefined : String(value)
    if (text === undefined || !isFieldValue(text))
      throw refusal(
        'DECODE_FAILED',
        `operation "${call.operation}": header "${name}" is not what an HTTP header can carry`,
      )
    fields[name.toLowerCase()] = text
  }
  return fields
}

async function evaluated(expression: Expression, call: BackendCall, what: string): Promise<Json | undefined> {
  try {
    return await expression(call.params, { message: call.message })
  } catch (error) {
    throw refusal('ENCODE_FAILED', `operation "${call.operation}": ${what}: ${messageOf(error)}`, error)
  }
}

/** What a header cannot carry is the caller's mistake. Nothing has gone out yet: a write may be queued or sent again. */
function refusal(code: 'DECODE_FAILED' | 'ENCODE_FAILED', message: string, cause?: unknown): GatewayError {
  return new GatewayError(code, message, {
    notExecuted: true,
    ...(cause !== undefined && { cause }),
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

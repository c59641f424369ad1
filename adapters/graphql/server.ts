// The GraphQL engine of a channel: yoga with our parser, our limits, our errors and our extensions.
import { NoSchemaIntrospectionCustomRule } from 'graphql'
import type { DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema } from 'graphql'
import { createYoga } from 'graphql-yoga'
import type { GraphQLParams, Plugin, YogaServerInstance } from 'graphql-yoga'
import { LRUCache } from 'lru-cache'

import { isLocal } from 'dragoman'
import type { HttpRequest, Log } from 'dragoman'

import { extensionsOf, newMarks } from './call.ts'
import type { Call, Context, Marks } from './call.ts'
import type { ChannelConfig } from './channel-config.ts'
import { coded, graphqlError, maskedError, refusal } from './errors.ts'
import { checkVariables, parseWithin } from './limits.ts'
import type { Persisted } from './persisted.ts'
import { checkRootConditions } from './root-condition.ts'

/** What the HTTP side hands in beside the request. */
export interface Incoming {
  readonly call: Call
  readonly asked: GraphQLParams | GraphQLParams[]
  /** Takes what was learned: one entry for each operation. */
  readonly told: Marks[]
}

export type Engine = YogaServerInstance<Incoming, Pick<Context, 'marks'>>

export interface EngineOptions {
  readonly config: ChannelConfig
  readonly schema: GraphQLSchema
  readonly persisted: Persisted
  readonly log: Log
}

/** A result as the hooks get it; a stream of them has no data of its own. */
interface Finished {
  readonly result: ExecutionResult | AsyncIterable<unknown>
  readonly setResult: (result: ExecutionResult) => void
}

// Parsed documents are far larger than their texts: what a stranger may leave here is bounded in characters.
const CACHED_CHARACTERS = 250_000

/** Makes the engine. Everything it refuses before execution is a result with `errors` and no `data`. */
export function createEngine({ config, schema, persisted, log }: EngineOptions): Engine {
  const { limits } = config

  const own: Plugin<Context, Incoming, Pick<Context, 'marks'>> = {
    onRequestParse({ setRequestParser, serverContext }) {
      setRequestParser(() => serverContext.asked)
    },
    onParams({ params, setParams }) {
      const query = persisted.find(params)
      const { documentId: _id, ...rest } = params as GraphQLParams & { readonly documentId?: unknown } // an extra member, see paramsOf
      setParams(query === undefined ? rest : { ...rest, query })
    },
    onParse({ setParseFn }) {
      setParseFn((source: unknown) => {
        const document = parseWithin(String(source), limits)
        checkRootConditions(document)
        return document
      })
    },
    onValidate({ addValidationRule, context }) {
      const hidden = !mayIntrospect(config.introspection, context.call.request)
      if (hidden) addValidationRule(NoSchemaIntrospectionCustomRule)
      return ({ result, setResult }) => {
        if (result.length > 0)
          setResult(result.slice(0, MAX_ERRORS).map((error: GraphQLError) => coded(error, { hidden })))
      }
    },
    onExecute({ args, setResultAndStopExecution }) {
      const problem = variablesProblem(args.document, args.variableValues)
      if (problem !== undefined) {
        setResultAndStopExecution({ errors: [problem] })
        return undefined
      }
      return {
        onExecuteDone({ result, setResult }: Finished) {
          const extensions = extensionsOf(args.contextValue.marks)
          if (extensions !== undefined && 'data' in result) setResult({ ...result, extensions })
        },
      }
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const problem = Array.isArray(args.contextValue.asked)
        ? refusal('a subscription is a stream of its own: send it without others')
        : variablesProblem(args.document, args.variableValues)
      if (problem !== undefined) {
        setResultAndStopExecution({ errors: [problem] })
        return undefined
      }
      return {
        onSubscribeResult: () => ({
          onNext({ result, setResult }: Finished) {
            const { marks } = args.contextValue
            const extensions = extensionsOf(marks)
            delete marks.oldest // said once
            if (extensions !== undefined && 'data' in result) setResult({ ...result, extensions })
          },
        }),
      }
    },
  }

  function variablesProblem(document: DocumentNode, variables: unknown): GraphQLError | undefined {
    try {
      checkVariables(document, variables as Readonly<Record<string, unknown>> | undefined, limits) // paramsOf let only objects through
      return undefined
    } catch (error) {
      return graphqlError(error, log)
    }
  }

  // Here nobody knows the caller: names of the schema are suggested only where everybody may have it.
  const maskError = (error: unknown): GraphQLError =>
    maskedError(error, { log, hidden: config.introspection !== true })

  return createYoga<Incoming, Pick<Context, 'marks'>>({
    schema,
    graphqlEndpoint: config.path,
    context: ({ told }: Partial<Incoming>) => {
      const marks = newMarks()
      told?.push(marks) // on a WebSocket nobody takes it
      return { marks }
    },
    plugins: [own],
    maskedErrors: { maskError, errorMessage: 'the gateway made a mistake' },
    batching: { limit: limits.batch },
    parserAndValidationCache: {
      documentCache: cache<DocumentNode>(),
      errorCache: cache<object>(),
    },
    // The edge has these, or nobody shall: DESIGN §15 http/, and no page that could run code of another host.
    cors: false,
    graphiql: false,
    landingPage: false,
    multipart: false,
    maxRequestBodySize: false,
    logging: false,
    disposeOnProcessTerminate: false,
  })
}
const MAX_ERRORS = 20

function cache<T extends object>(): LRUCache<string, T> {
  return new LRUCache({
    maxSize: CACHED_CHARACTERS,
    sizeCalculation: (_value, text) => Math.max(1, text.length),
  })
}

/** By config; without it only for callers on this machine. */
function mayIntrospect(configured: boolean | undefined, request: HttpRequest): boolean {
  return configured ?? isLocal(request)
}

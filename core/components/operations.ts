// A channel's `operations`: expressions that make a draft of a decoded body (DESIGN §10).
import { GatewayError } from '../api.ts'
import type { ChannelOperation, Draft, DraftBase, Json, Kind, Priority } from '../api.ts'
import { compileExpression } from '../expression.ts'
import type { Expression } from '../expression.ts'

/** One operation as the config has it: every value but `kind` and `example` is JSONata over the decoded body. */
export interface OperationConfig {
  readonly kind: Kind
  readonly type?: string | undefined
  readonly sender?: string | undefined
  readonly text?: string | undefined
  readonly data?: string | undefined
  readonly externalId?: string | undefined
  readonly conversation?: string | undefined
  readonly priority?: string | undefined
  readonly example?: Json | undefined
}

export interface Operations {
  readonly list: Readonly<Record<string, ChannelOperation>>
  draft(operation: string, body: Json, base: DraftBase): Promise<Draft | undefined>
}

const EXPRESSIONS = ['type', 'sender', 'text', 'data', 'externalId', 'conversation', 'priority'] as const
type Expressions = Partial<Record<(typeof EXPRESSIONS)[number], Expression>>

/** Compiles a channel's operations. Throws `SyntaxError` for an expression that is none. */
export function compileOperations(
  channel: string,
  config: Readonly<Record<string, OperationConfig>>,
): Operations {
  const compiled = new Map<string, { readonly kind: Kind; readonly expressions: Expressions }>()
  const list: Record<string, ChannelOperation> = Object.create(null) // null prototype: names come from config
  for (const [name, operation] of Object.entries(config)) {
    const expressions: Expressions = {}
    for (const key of EXPRESSIONS) {
      const source = operation[key]
      if (source !== undefined) expressions[key] = compileExpression(source)
    }
    compiled.set(name, { kind: operation.kind, expressions })
    list[name] = {
      kind: operation.kind,
      ...(operation.example !== undefined && { example: operation.example }),
    }
  }

  return {
    list,
    async draft(operation, body, base) {
      const nobody = { id: channel, role: 'system' } as const
      if (compiled.size === 0) return { sender: nobody, ...base, type: operation, data: body }
      const found = compiled.get(operation)
      if (found === undefined) return undefined
      const value = async (key: keyof Expressions): Promise<unknown> => {
        try {
          return await found.expressions[key]?.(body)
        } catch (error) {
          throw new GatewayError('DECODE_FAILED', `operation "${operation}": ${key}: ${messageOf(error)}`, {
            cause: error,
          })
        }
      }
      /** May be empty. */
      const scalar = async (key: keyof Expressions): Promise<string | undefined> => {
        const result = found.expressions[key] === undefined ? undefined : await value(key)
        if (typeof result === 'string') return result
        if (typeof result === 'number' || typeof result === 'boolean') return String(result)
        if (result === undefined || result === null) return undefined
        throw new GatewayError('DECODE_FAILED', `operation "${operation}": ${key} is not a text`)
      }
      const text = async (key: keyof Expressions): Promise<string | undefined> =>
        (await scalar(key)) || undefined
      const missing = (key: 'sender' | 'text'): GatewayError =>
        new GatewayError('DECODE_FAILED', `operation "${operation}": the ${key} is missing in the body`)
      const sender = await text('sender')
      if (sender === undefined && found.expressions.sender !== undefined) throw missing('sender')
      const isMessage = found.kind === 'message'
      const said = isMessage ? await scalar('text') : await text('text')
      if (isMessage && said === undefined && found.expressions.text !== undefined && base.parts === undefined)
        throw missing('text')
      const externalId = (await text('externalId')) ?? base.externalId
      const conversation = (await text('conversation')) ?? base.conversation
      const priority = (await text('priority')) ?? base.priority
      // A missing value is checked for above; JSON in, JSON out (compileExpression yields plain data).
      const data = found.expressions.data === undefined ? body : ((await value('data')) as Json | undefined)
      return {
        ...base,
        kind: found.kind,
        type: (await text('type')) ?? operation,
        sender: sender === undefined ? (base.sender ?? nobody) : { id: sender, role: 'customer' },
        ...(said !== undefined && { parts: [{ kind: 'text' as const, text: said }] }),
        ...(data !== undefined && { data }),
        ...(externalId !== undefined && { externalId }),
        ...(conversation !== undefined && { conversation }),
        ...(priority !== undefined && { priority: priority as Priority }), // checked by normalise
      }
    },
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

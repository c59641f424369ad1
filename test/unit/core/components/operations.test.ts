import { GatewayError } from 'dragoman'
import { expect, test } from 'vitest'
import { compileOperations } from '../../../../core/components/operations.ts'
import type { OperationConfig } from '../../../../core/components/operations.ts'

const say: OperationConfig = { kind: 'message', sender: 'who', text: 'words' }

test.each([
  ['sender', { words: 'hi' }],
  ['sender', { who: '', words: 'hi' }],
  ['text', { who: 'k' }],
  ['text', { who: 'k', words: null }],
])('a message whose %s its expression does not find is refused: %j', async (what, body) => {
  const { draft } = operations(say)
  await expect(draft('Say', body, { kind: 'request' })).rejects.toThrow(
    new GatewayError('DECODE_FAILED', `operation "Say": the ${what} is missing in the body`),
  )
})

test('an empty text of a message is an empty part, and what the protocol read stays where the expression finds nothing', async () => {
  const { draft } = operations(say)
  const empty = await draft('Say', { who: 'k', words: '' }, { kind: 'request' })
  expect(empty?.parts).toStrictEqual([{ kind: 'text', text: '' }])
  const parts = [{ kind: 'image', text: '[image]' }] as const
  const kept = await draft('Say', { who: 'k' }, { kind: 'message', parts })
  expect(kept?.parts).toStrictEqual(parts)
})

test.each(['event', 'request'] as const)('a %s needs no text', async (kind) => {
  const { draft } = operations({ ...say, kind })
  for (const body of [{ who: 'k' }, { who: 'k', words: '' }])
    expect(await draft('Say', body, { kind })).toStrictEqual({
      kind,
      type: 'Say',
      sender: { id: 'k', role: 'customer' },
      data: body,
    })
})

function operations(config: OperationConfig): Pick<ReturnType<typeof compileOperations>, 'draft'> {
  const compiled = compileOperations('web', { Say: config })
  return { draft: (...given) => compiled.draft(...given) }
}

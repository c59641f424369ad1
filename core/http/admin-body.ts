// The JSON body of an operator's command.
import type { z } from 'zod'
import { GatewayError } from '../api.ts'
import { parseExact } from '../json.ts'

/** Throws `DECODE_FAILED` with what is wrong and where. An empty body is `{}`. */
export async function adminBody<T>(schema: z.ZodType<T>, request: Request): Promise<T> {
  const text = await request.text()
  let value: unknown
  try {
    value = text === '' ? {} : parseExact(text)
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', 'the body is not JSON', { cause: error })
  }
  const checked = schema.safeParse(value)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const at = issue?.path.join('.') ?? ''
  throw new GatewayError('DECODE_FAILED', `${at === '' ? 'the body' : at}: ${issue?.message ?? 'is wrong'}`)
}

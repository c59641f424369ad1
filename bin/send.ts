// `dragoman send`: one message to a running gateway, and its answer.
import { randomUUID } from 'node:crypto'
import { GatewayError } from '../core/api.ts'
import { fail } from './fail.ts'
import { asJson } from './printable.ts'

export interface SendOptions {
  readonly sender: string
  readonly wait: number
  readonly url: string
  readonly token?: string
}

export async function send(text: string, { sender, wait, url, token }: SendOptions): Promise<void> {
  try {
    if (!URL.canParse(url))
      throw new GatewayError('DECODE_FAILED', `--url "${url}" is no address: write http://127.0.0.1:8080`)
    const response = await fetch(new URL('/v1/messages', url), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
        prefer: `wait=${wait}`,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ sender: { id: sender }, text }),
      signal: AbortSignal.timeout((wait + 5) * 1000),
    })
    console.log(asJson(await response.json()))
    if (!response.ok) process.exitCode = 1
  } catch (error) {
    if (error instanceof GatewayError) {
      fail(error)
      return
    }
    const reason =
      error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : error
    fail(
      new GatewayError(
        'CHANNEL_GONE',
        `no gateway answered at ${url} (${String(reason)}); start one with "dragoman start", or say with --url where it listens`,
      ),
    )
  }
}

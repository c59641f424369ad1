// `dragoman trace ID`: one message's way, from the running gateway or, if none runs, from its file or its Redis.
import { GatewayError } from '../core/api.ts'
import { traceOf } from '../core/operators/trace.ts'
import type { Trace } from '../core/operators/trace.ts'
import { adminOf } from './running/admin-client.ts'
import { configFile, loadSections } from './config-file.ts'
import { fail } from './fail.ts'
import { asJson, inLine } from './printable.ts'
import { openReader } from './running/store-reader.ts'

export interface TraceOptions {
  readonly config?: string
  readonly data?: string
  readonly json?: boolean
}

export async function trace(id: string, options: TraceOptions): Promise<void> {
  try {
    if (id === '') throw new GatewayError('DECODE_FAILED', 'name a message: its id is empty')
    const found = (await fromGateway(options, id)) ?? (await fromStore(options, id))
    console.log(options.json === true ? asJson(found) : readable(found))
  } catch (error) {
    fail(error)
  }
}

/** Undefined where none runs, or it does not know the message. */
async function fromGateway(options: TraceOptions, id: string): Promise<Trace | undefined> {
  try {
    const admin = await adminOf(options)
    return (await admin(`trace?${new URLSearchParams({ id })}`)) as Trace // our own admin API
  } catch (error) {
    if (error instanceof GatewayError && (error.code === 'CHANNEL_GONE' || error.code === 'NOT_FOUND'))
      return undefined
    throw error
  }
}

/** Throws `NOT_FOUND` where it does not know the message either. */
async function fromStore(options: TraceOptions, id: string): Promise<Trace> {
  const overrides = options.data === undefined ? {} : { data: options.data }
  const config = await loadSections(configFile(options.config), overrides, ['data', 'store'])
  await using store = await openReader(config)
  const found = await traceOf(store, id)
  if (found !== undefined) return found
  const place = config.store.url === undefined ? `in ${config.dataDirectory}` : 'on Redis'
  const what = 'wanted is the id of a message, as the gateway answered it; --data names another store'
  throw new GatewayError(
    'NOT_FOUND',
    `the store ${place} knows nothing of ${id}, or store.retention has removed it: ${what}`,
  )
}

function readable({ id, steps }: Trace): string {
  const lines = steps.map(
    ({ at, step, detail }) => `${(at ?? '').padEnd(24)}  ${step.padEnd(12)}  ${inLine(detail)}`,
  )
  return [inLine(id), ...lines].join('\n')
}

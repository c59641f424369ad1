// A gateway with a backend whose writes may be queued, and short ways to bring them and to ask after them.
import { resolve } from 'node:path'
import { GatewayError } from '../../core/api.ts'
import type { Adapter, Json } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import { post } from '../support/rest.ts'

const WSDL = resolve(import.meta.dirname, '../../config/crm.wsdl')
export const yaml = (operation = '{ onFailure: queue, queueKey: orderNo }', more = ''): string => `
channels:
  web: { adapter: rest }
  crm: { adapter: soap, path: /crm, wsdl: "${WSDL}" }
  erp: { adapter: webservice, path: /erp }
  app: { adapter: graphql, path: /graphql }
backends:
  orders:
    adapter: orders
    timeout: 1s
    breaker: { minimumCalls: 1000 }
    operations: { Order: ${operation}, Cancel: ${operation} }
${more}
routes: [{ backend: orders }]
`
export const refused = async (): Promise<never> => {
  throw new GatewayError('BACKEND_FAILED', 'connection refused', { notExecuted: true })
}

export interface Body {
  readonly id: string
  readonly status?: string
  readonly duplicate?: boolean
  readonly code?: string
  readonly detail?: string
  readonly done?: string
}
interface Status {
  readonly state: string
  readonly operation?: string
  readonly result?: Json
  readonly error?: { readonly code: string; readonly message: string }
  readonly attempts?: number
}

export async function world(
  operation?: string,
  options: {
    directory?: string
    idempotent?: boolean
    more?: string
    adapters?: readonly Adapter[]
  } = {},
) {
  const { idempotent = false, directory, more: extra, adapters = [] } = options
  const backend = handBackend(
    'orders',
    {
      Order: { safe: false, idempotent },
      Cancel: { safe: false, idempotent },
      SubmitTicket: { safe: false },
    },
    async ({ params }) => ({ data: { done: (params as { n?: string }).n ?? '' } }), // as the tests send it
  )
  const house = await openHouse({
    yaml: yaml(operation, extra),
    adapters: [backend.adapter, ...adapters],
    ...(directory !== undefined && { directory }),
  })
  const write = (n: string, more: { key?: string; orderNo?: string; operation?: string } = {}) =>
    post<Body>(
      `${house.base}/v1/requests/${more.operation ?? 'Order'}`,
      { n, orderNo: more.orderNo ?? '1' },
      more.key === undefined ? {} : { key: more.key },
    )
  const made = (): readonly unknown[] => backend.calls.map(({ params }) => (params as { n: string }).n)
  return { backend, house, write, made }
}

export async function statusOf(url: string | undefined): Promise<Status> {
  const response = await fetch(url ?? '')
  return (await response.json()) as Status
}
/** It may just be tried again. */
export const OPEN = /^(queued|running)$/u
export const ended = (url: string | undefined): Promise<Status> =>
  until(async () => {
    const status = await statusOf(url)
    return status.state === 'queued' || status.state === 'running' ? undefined : status
  })

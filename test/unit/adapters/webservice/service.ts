// A started webservice channel with a business system of plain functions behind it, for tests.
import type { Accepted, Channel, Draft, HttpRequest, HttpResponse, Reply } from 'dragoman'
import { GatewayError } from 'dragoman'
import { testHost, testScope, type ScopeOptions, type TestHost } from 'dragoman/testing'
import adapter from '../../../../adapters/webservice/index.ts'
import { decodeText } from '../../../../adapters/xml/charset.ts'

export const fixtures = new URL('../../../fixtures/webservice/', import.meta.url)
export const path = '/erp/service'

export interface Running extends AsyncDisposable {
  readonly host: TestHost
  readonly channel: Channel
  handle(request: Partial<HttpRequest>): Promise<HttpResponse>
  /** A POST of XML to the path. */
  post(
    body: string | Uint8Array,
    headers?: Record<string, string>,
    rest?: Partial<HttpRequest>,
  ): Promise<HttpResponse>
  /** A GET below the path: `/GetTicket?ticketId=1`. */
  get(below: string): Promise<HttpResponse>
  /** A form POST below the path. */
  form(below: string, body: string, charset?: string): Promise<HttpResponse>
}

export interface Setting {
  readonly config?: Readonly<Record<string, unknown>>
  readonly scope?: ScopeOptions
  readonly operations?: TestHost['operations']
  readonly draft?: TestHost['draft']
  /** What the business system answers; thrown errors are the pipeline's. Undefined: nothing yet. */
  readonly reply?: (draft: Draft) => Partial<Reply> | GatewayError | undefined
}

/** Starts a channel. Without `reply` a request's data is its answer. */
export async function serve({ config, scope, operations, draft, reply }: Setting = {}): Promise<Running> {
  const component = adapter.channel
  if (component === undefined) throw new Error('the adapter has no channel')
  const checked = await component.config['~standard'].validate({ path, ...config })
  if (checked.issues !== undefined) throw new Error(checked.issues.map(({ message }) => message).join('; '))
  const channel = component.create(checked.value, testScope(scope))
  const host = testHost(operations)
  const business: TestHost = {
    ...host,
    ...(draft !== undefined && { draft }),
    async accept(handed, options): Promise<Accepted> {
      const accepted = await host.accept(handed, options)
      const given = reply === undefined ? echo(handed) : reply(handed)
      if (given instanceof GatewayError) throw given
      return given === undefined ? accepted : { ...accepted, reply: { origin: 'backend', ...given } }
    },
  }
  await channel.start(business, new AbortController().signal)
  const at = checked.value as { readonly path: string } // the schema has it
  const handle = (request: Partial<HttpRequest>): Promise<HttpResponse> =>
    host.handle({ path: at.path, ...request })
  return {
    host,
    channel,
    handle,
    post: (body, headers = {}, rest = {}) =>
      handle({
        headers: { 'content-type': 'text/xml; charset=utf-8', ...headers },
        body: typeof body === 'string' ? new TextEncoder().encode(body) : body,
        ...rest,
      }),
    get: (below) => {
      const [segment = '', query = ''] = below.split('?', 2)
      return handle({ method: 'GET', path: `${at.path}${segment}`, query })
    },
    form: (below, body, charset) =>
      handle({
        path: `${at.path}${below}`,
        headers: {
          'content-type': `application/x-www-form-urlencoded${charset === undefined ? '' : `; charset=${charset}`}`,
        },
        body: new TextEncoder().encode(body),
      }),
    async [Symbol.asyncDispose]() {
      await channel[Symbol.asyncDispose]()
    },
  }
}

function echo({ kind, data }: Draft): Partial<Reply> | undefined {
  return kind === 'request' && data !== undefined ? { data } : undefined
}

export function bytesOf({ body }: HttpResponse): Uint8Array {
  if (typeof body === 'string') return new TextEncoder().encode(body)
  return body instanceof Uint8Array ? body : new Uint8Array()
}

/** The text of an answer, decoded as its header says. */
export function textOf(response: HttpResponse): string {
  const charset = /charset=([^;]+)/u.exec(response.headers?.['content-type'] ?? '')?.[1] ?? 'utf-8'
  return decodeText(bytesOf(response), charset)
}

/** What came in, as data. */
export function dataOf({ host }: Running): unknown {
  return host.drafts.at(-1)?.data
}

/** The address a fetch was given. */
export function addressOf(input: string | URL | Request): string {
  return input instanceof Request ? input.url : input.toString()
}

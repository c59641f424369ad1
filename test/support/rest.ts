// A caller of the REST channel, as small as one can be.

export interface Posting {
  readonly key?: string
  readonly waitSeconds?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface Answered<T> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

export interface AcceptedBody {
  readonly id: string
  readonly conversation: string
  readonly sequence: number
  readonly duplicate: boolean
  readonly reply?: { readonly parts?: readonly { readonly text: string }[]; readonly data?: unknown }
  /** Of a problem. */
  readonly code?: string
  readonly detail?: string
}

export async function post<T = AcceptedBody>(
  url: string,
  body: unknown,
  { key, waitSeconds, headers, signal }: Posting = {},
): Promise<Answered<T>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(key !== undefined && { 'idempotency-key': key }),
      ...(waitSeconds !== undefined && { prefer: `wait=${waitSeconds}` }),
      ...headers,
    },
    body: JSON.stringify(body),
    ...(signal !== undefined && { signal }),
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: (text === '' ? undefined : JSON.parse(text)) as T, // the test says what it expects
  }
}

/** A customer's message. */
export function say(
  base: string,
  text: string,
  options: Posting & { readonly customer?: string; readonly more?: object } = {},
): Promise<Answered<AcceptedBody>> {
  const { customer = 'ann', more, ...posting } = options
  return post(`${base}/v1/messages`, { sender: { id: customer }, text, ...more }, posting)
}

export interface LogEntry {
  readonly id: string
  readonly kind: string
  readonly sequence: number
  readonly direction: string
  readonly sender: { readonly id: string }
  readonly parts?: readonly { readonly text: string }[]
  readonly causationId?: string
  readonly externalId?: string
  readonly gone?: string
}

export async function readLog(base: string, conversation: string): Promise<LogEntry[]> {
  const all: LogEntry[] = []
  for (let after = 0; ;) {
    const path = `/v1/conversations/${encodeURIComponent(conversation)}/messages?after=${after}&limit=500`
    const response = await fetch(`${base}${path}`)
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
    const page = (await response.json()) as { messages: LogEntry[]; next: number } // our own channel's answer
    if (page.messages.length === 0) return all
    all.push(...page.messages)
    after = page.next
  }
}

/** Every text of a conversation, in order, as `direction: text`. */
export function texts(log: readonly LogEntry[]): readonly string[] {
  return log.map(({ direction, parts }) => `${direction}: ${parts?.[0]?.text ?? ''}`)
}

/** A figure of `/metrics` by its name and labels as they stand there; 0 where it does not. */
export async function metric(base: string, series: string): Promise<number> {
  const text = await (await fetch(`${base}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? 0 : Number(line.slice(series.length))
}

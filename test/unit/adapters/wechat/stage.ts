// The WeChat channel as the gateway runs it, with a host that remembers and answers as told.
import wechat from '../../../../adapters/wechat/index.ts'
import type { Channel, ChannelOperation, HttpResponse, Reply } from '../../../../core/api.ts'
import { testHost, testScope } from '../../../../core/testing.ts'
import type { ScopeOptions, TestHost } from '../../../../core/testing.ts'
import { APP_ID, KEY, TOKEN } from './pushing.ts'
import type { PushRequest } from './pushing.ts'

export const plain = { appId: APP_ID, token: TOKEN }
export const safe = { ...plain, encodingAESKey: KEY }
export const text = (said: string): Reply => ({ parts: [{ kind: 'text', text: said }], origin: 'agent' })

export interface Stage extends AsyncDisposable {
  readonly host: TestHost
  readonly channel: Channel
  /** Of handed(): what became of replies. */
  readonly handed: readonly string[]
  push(request: PushRequest): Promise<{ readonly response: HttpResponse; readonly body: string }>
}

interface Staging extends ScopeOptions {
  readonly operations?: Readonly<Record<string, ChannelOperation>>
}

export async function stage(config: object, { operations, ...scope }: Staging = {}): Promise<Stage> {
  const checked = wechat.channel?.config['~standard'].validate(config)
  if (checked === undefined || checked instanceof Promise || checked.issues !== undefined)
    throw new Error(JSON.stringify(checked))
  const channel = wechat.channel?.create(checked.value, testScope({ id: 'main', ...scope }))
  if (channel === undefined) throw new Error('there is a channel')
  const handed: string[] = []
  const host = {
    ...testHost(operations),
    handed: (id: string, how: string) => void handed.push(`${id} ${how}`),
  }
  await channel.start(host, new AbortController().signal)
  return {
    host,
    channel,
    handed,
    async push(request) {
      const response = await host.handle(request)
      return { response, body: response.body as string } // this channel's bodies are texts
    },
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  }
}

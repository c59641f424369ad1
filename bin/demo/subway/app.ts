// The customer's app in the subway story, a process of its own so that the phone can kill it: dragoman/client, a file, a counter.
import { createInterface } from 'node:readline'
import { connect } from '../../../core/link/client.ts'
import type { LinkKind } from '../../../core/link/client.ts'

/** What the story gives it, as its only argument. */
export interface AppOptions {
  readonly box: string
  readonly url: string
  readonly addresses: Readonly<Record<LinkKind, string>>
  readonly everyMs: number
}

/** What it tells the story, a line each. */
export type AppNews =
  | { readonly said: { readonly from: 'me' | 'them'; readonly text: string } }
  | { readonly status: string; readonly link?: string }
  | { readonly waiting: number }

const { box, url, addresses, everyMs } = JSON.parse(process.argv[2] ?? '{}') as AppOptions // as story.ts gives it
const tell = (news: AppNews): void => void process.stdout.write(`${JSON.stringify(news)}\n`)

const chat = connect({ url, token: 'traveller', box, addresses })
let count = 0
chat.onMessage(({ from, text }) => {
  if (from === 'me') count++
  tell({ said: { from, text } })
})
chat.onState((event) => {
  if (event.what === 'outbox') tell({ waiting: event.waiting })
  if (event.what === 'link') tell({ status: event.status, ...(event.link && { link: event.link }) })
})

const quiet = new AbortController()
createInterface({ input: process.stdin })
  .on('line', () => quiet.abort())
  .on('close', () => void chat.close())
while (!quiet.signal.aborted) {
  await new Promise((later) => setTimeout(later, everyMs))
  if (!quiet.signal.aborted) await chat.send(`#${count + 1}`)
}

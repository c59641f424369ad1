// The customer's phone in the subway story: it runs the app, kills it, and shows what is on its screen.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { ended } from '../demo-gateway.ts'
import type { AppNews, AppOptions } from './app.ts'
import { Tally, numberIn } from './tally.ts'
import type { Counts } from './tally.ts'

const APP = fileURLToPath(new URL('app.ts', import.meta.url))

export interface OnScreen {
  /** The link in use, or how it stands. */
  readonly link: string
  readonly sent: number
  readonly waiting: number
  readonly answers: Counts
}

export class Phone implements AsyncDisposable {
  readonly #options: AppOptions
  #app: ChildProcess | undefined
  #link = ''
  #sent = 0
  #waiting = 0
  #answers = new Tally()

  constructor(options: AppOptions) {
    this.#options = options
  }

  /** An app that is opened draws its screen anew, from what it has kept. */
  open(): void {
    this.#sent = 0
    this.#answers = new Tally()
    const app = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', APP, JSON.stringify(this.#options)],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    )
    this.#app = app
    createInterface({ input: app.stdout }).on('line', (line) => {
      if (this.#app === app) this.#hear(JSON.parse(line) as AppNews) // as app.ts tells it
    })
  }

  /** SIGKILL: it has no moment to save anything. */
  async kill(): Promise<void> {
    const app = this.#app
    this.#app = undefined
    this.#link = 'killed'
    if (app !== undefined) await ended(app, 'SIGKILL')
  }

  /** The customer writes nothing more. */
  quiet(): void {
    this.#app?.stdin?.write('quiet\n')
  }

  get screen(): OnScreen {
    return {
      link: this.#link,
      sent: this.#sent,
      waiting: this.#waiting,
      answers: this.#answers.counts(),
    }
  }

  /** Everything that was written is answered. */
  get isDone(): boolean {
    return this.#waiting === 0 && this.#answers.counts().arrived >= this.#sent
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  #hear(news: AppNews): void {
    if ('waiting' in news) this.#waiting = news.waiting
    else if ('status' in news) this.#link = news.link ?? news.status
    else {
      const number = numberIn(news.said.text)
      if (news.said.from === 'me') this.#sent++
      else if (number !== undefined) this.#answers.add(number)
    }
  }
}

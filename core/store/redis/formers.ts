// The lines this process had before. What is still on its way in one of them must not be carried out after what comes by the new one:
// a take that was given up would begin work that nobody runs, after everybody has looked for such work.
import { ReplyError } from 'ioredis'
import type { Redis } from 'ioredis'

interface Line {
  /** Of the server's process: the numbers of lines are its own. */
  readonly run: string
  readonly number: number
}

export class Formers {
  readonly #lines = new Map<string, Line>()

  /** Has the server close the line that went to the same address before, with what it has not read of it. Rejects as the line does. */
  async end(line: Redis): Promise<void> {
    const { host = '', port = 0 } = line.options
    const address = `${host}:${port}`
    const [number, said] = await Promise.all([line.client('ID'), line.info('server')])
    const run = /^run_id:(\w+)/mu.exec(said)?.[1]
    if (run === undefined || typeof number !== 'number') return
    const former = this.#lines.get(address)
    if (former?.run === run && former.number !== number) await kill(line, former.number)
    this.#lines.set(address, { run, number })
  }
}

/** Most are gone by then. Who may not close lines is left with the looks at open work after a take that failed. */
async function kill(line: Redis, number: number): Promise<void> {
  try {
    await line.client('KILL', 'ID', number)
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error
  }
}

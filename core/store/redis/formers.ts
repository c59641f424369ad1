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

  /**
   * Has the server close the line that went to the same address before, with what it has not read of it. Rejects as the line does, not
   * where the server refuses it: who may not ask or close lines is left with the looks at open work after a take that failed.
   */
  async end(line: Redis): Promise<void> {
    const { host = '', port = 0 } = line.options
    const address = `${host}:${port}`
    const asked = await unlessRefused(Promise.all([line.client('ID'), line.info('server')]))
    if (asked === undefined) return
    const [number, said] = asked
    const run = /^run_id:(\w+)/mu.exec(said)?.[1]
    if (run === undefined || typeof number !== 'number') return
    const former = this.#lines.get(address)
    // Most are gone by then, which is refused too.
    if (former?.run === run && former.number !== number)
      await unlessRefused(line.client('KILL', 'ID', former.number))
    this.#lines.set(address, { run, number })
  }
}

async function unlessRefused<T>(asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking
  } catch (error) {
    if (error instanceof ReplyError) return undefined
    throw error
  }
}

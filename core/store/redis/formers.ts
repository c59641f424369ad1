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
  /** By address, and which of the lines to it. */
  readonly #lines = new Map<string, Line>()

  /**
   * Has the servers close the lines that went to the same addresses before, with what they have not read of them. Rejects as a line does,
   * not where a server refuses it: who may not ask or close lines is left with the looks at open work after a take that failed.
   */
  async end(lines: readonly Redis[]): Promise<void> {
    const byAddress = Map.groupBy(lines, ({ options: { host = '', port = 0 } }) => `${host}:${port}`)
    const named = [...byAddress].flatMap(([address, all]) =>
      all.map((line, at) => ({ line, name: `${address}/${at}` })),
    )
    await Promise.all(named.map(({ line, name }) => this.#end(line, name)))
  }

  async #end(line: Redis, name: string): Promise<void> {
    const asked = await unlessRefused(Promise.all([line.client('ID'), line.info('server')]))
    if (asked === undefined) return
    const [number, said] = asked
    const run = /^run_id:(\w+)/mu.exec(said)?.[1]
    if (run === undefined || typeof number !== 'number') return
    const former = this.#lines.get(name)
    // Most are gone by then, which is refused too.
    if (former?.run === run && former.number !== number)
      await unlessRefused(line.client('KILL', 'ID', former.number))
    this.#lines.set(name, { run, number })
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

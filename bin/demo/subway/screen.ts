// What the subway story shows: a line for each stage, and one that changes below it; where nobody looks, a line every two seconds.
import type { OnScreen } from './phone.ts'
import type { Counts } from './tally.ts'

export interface Standing extends OnScreen {
  readonly agent: Counts
}

const TTY_MS = 200
const PLAIN_MS = 2000
const LINK_WIDTH = 10
/** ECMA-48: to the left edge, and everything of the line gone. */
const CLEAR = '\r\u001B[K'

export class Screen implements Disposable {
  readonly #standing: () => Standing
  readonly #isTty = process.stdout.isTTY
  readonly #began = performance.now()
  readonly #timer: NodeJS.Timeout

  constructor(standing: () => Standing) {
    this.#standing = standing
    this.#timer = setInterval(() => this.#draw(), this.#isTty ? TTY_MS : PLAIN_MS)
  }

  say(text: string): void {
    process.stdout.write(`${this.#isTty ? CLEAR : ''}${text}\n`)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    if (this.#isTty) process.stdout.write(CLEAR)
  }

  #draw(): void {
    const { link, sent, waiting, agent, answers } = this.#standing()
    const second = Math.round((performance.now() - this.#began) / 1000)
    const line = `${String(second).padStart(3)} s  ${link.padEnd(LINK_WIDTH)} sent ${sent}, waiting ${waiting} | agent ${short(agent)} | answers ${short(answers)}`
    const { columns } = process.stdout
    process.stdout.write(this.#isTty ? `${CLEAR}${line.slice(0, columns - 1)}` : `${line}\n`)
  }
}

function short({ arrived, lost, doubled, disordered }: Counts): string {
  return `${arrived} (${lost}/${doubled}/${disordered})`
}

/** In words. */
export function counted({ arrived, lost, doubled, disordered }: Counts): string {
  return `${arrived} (lost ${lost}, doubled ${doubled}, out of order ${disordered})`
}

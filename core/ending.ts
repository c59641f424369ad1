// How a gateway ends: what comes is sent elsewhere, what was begun is finished, in an order that loses nothing.
import type { Cluster } from './operators/cluster.ts'
import type { Running } from './components/components.ts'
import type { Edge } from './http/edge.ts'
import type { Links } from './link/links.ts'
import type { Pipeline } from './pipeline.ts'

export interface EndingParts {
  readonly edge: Edge
  readonly links: Links
  readonly pipeline: Pipeline
  readonly stopping: AbortController
  /** Of the generation of that moment. */
  readonly running: () => Iterable<Running>
  readonly retention: Disposable
  readonly protection: AsyncDisposable
  readonly cluster: Cluster
}

export interface Ending {
  leave(withinMs: number): Promise<void>
  stop(deadlineMs: number): Promise<number>
}

/** What the end itself takes, after the last answer: callers who wait have all the time before it. */
const LAST_MS = 1000

/** `Gateway.leave` and `Gateway.stop`. */
export function createEnding(parts: EndingParts): Ending {
  const { edge, links, pipeline, stopping, running, retention, protection, cluster } = parts
  return {
    async leave(withinMs) {
      stopping.abort()
      void links.stop()
      void cluster.tell()
      await edge.leave(withinMs)
    },
    async stop(deadlineMs) {
      const end = performance.now() + deadlineMs
      const left = (): number => Math.max(0, end - performance.now())
      stopping.abort()
      const farewell = links.stop()
      const drained = edge.drain(Math.max(left() / 2, left() - LAST_MS))
      // Who waits for an answer is let go when the lanes stand still; what the last callers began still gets its time.
      await pipeline.stop(left() * 0.5)
      await drained
      const stragglers = await pipeline.stop(left() * 0.3)
      retention[Symbol.dispose]()
      await Promise.race([
        Promise.all([farewell, ...[...running()].map((each) => each.dispose())]),
        new Promise((resolve) => setTimeout(resolve, left() * 0.5).unref()),
      ])
      await Promise.all([protection[Symbol.asyncDispose](), cluster.leave()])
      return stragglers
    },
  }
}

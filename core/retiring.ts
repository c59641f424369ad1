// The generations that were replaced: each ends when its last attempt has, or could have no more time (SEMANTICS 21).
import type { Log } from './api.ts'
import type { Generation } from './generation.ts'
import { HANDLER_MS } from './plugins/channel-service.ts'

export interface Retiring {
  /** Their work is not over yet; in their order. */
  readonly retirees: ReadonlySet<Generation>
  /** It begins nothing any more. What no other generation uses is disposed when it is idle. Never throws. */
  readonly retire: (before: Generation) => void
}

/** `current`: the generation that runs at that moment; `onRetired` is told when one has ended. */
export function createRetiring({
  log,
  current,
  onRetired,
}: {
  readonly log: Log
  readonly current: () => Generation
  readonly onRetired?: ((generation: number) => void) | undefined
}): Retiring {
  const retirees = new Set<Generation>()

  async function end(before: Generation): Promise<void> {
    const stragglers = await before.drained()
    if (stragglers > 0)
      log.warn('attempts outlived their generation', { generation: before.number, stragglers })
    retirees.delete(before)
    // An older one may be at work still, with what a younger one had from it.
    const kept = new Set([current(), ...retirees].flatMap((other) => [...other.running()]))
    const gone = [...before.running()].filter((running) => !kept.has(running))
    // A handler of a channel has its own time, whatever those that it asks have.
    const longestMs = Math.max(before.longestMs, HANDLER_MS)
    await Promise.all(gone.map((running) => running.dispose(longestMs)))
    onRetired?.(before.number)
  }

  return {
    retirees,
    retire(before) {
      retirees.add(before)
      const kept = new Set(current().running())
      for (const running of before.running()) if (!kept.has(running)) running.replaced?.()
      end(before).catch((error: unknown) => log.error('the old generation did not end', { error }))
    },
  }
}

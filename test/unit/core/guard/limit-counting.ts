// Counts what a limiter counts.
import type { LimitCount } from '../../../../core/guard/limit-count.ts'

type Sums = Record<keyof LimitCount, number>

export function counting(): LimitCount & { sums(): Sums } {
  const sums: Sums = { offered: 0, accepted: 0, refused: 0, failed: 0, wouldRefuse: 0 }
  const add = (what: keyof Sums) => (): void => {
    sums[what] += 1
  }
  return {
    offered: add('offered'),
    accepted: add('accepted'),
    refused: add('refused'),
    failed: add('failed'),
    wouldRefuse: add('wouldRefuse'),
    sums: () => ({ ...sums }),
  }
}

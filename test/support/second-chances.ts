import { relative } from 'node:path'
import type { Reporter, TestCase } from 'vitest/node'

/** Says at the end why a test that passed at its second try had failed before: rare is not harmless. */
export class SecondChances implements Reporter {
  readonly #reasons: string[] = []

  onTestCaseResult(one: TestCase): void {
    const { state, errors = [] } = one.result()
    if (state !== 'passed' || (one.diagnostic()?.retryCount ?? 0) === 0) return
    const reasons = errors.map(({ stack, message }) => stack ?? message)
    this.#reasons.push(`${relative('', one.module.moduleId)} > ${one.fullName}\n${reasons.join('\n')}`)
  }

  onTestRunEnd(): void {
    for (const reason of this.#reasons) process.stderr.write(`\nPassed at its second try: ${reason}\n`)
  }
}

// Runs the tests that lie beside plugins, wherever their folder is: `dragoman` and what the gateway has resolve for them too.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type * as Vitest from 'vitest/node'
import { GatewayError } from '../../core/api.ts'

/** Resolves the exit status: 0 if all of them passed. Throws `NOT_FOUND` where there are none. */
export async function runPluginTests(directory: string, name: string | undefined): Promise<number> {
  if (!existsSync(directory)) throw new GatewayError('NOT_FOUND', `there is no folder ${directory}`)
  const files = name === undefined ? ['**/*.test.ts', '**/*.test.js'] : testsOf(directory, name)
  const { startVitest } = await vitest()
  const run = await startVitest(
    'test',
    [],
    {
      root: directory,
      config: false,
      watch: false,
      include: [...files],
      testTimeout: 30_000,
    },
    { plugins: [lending()] },
  )
  const failed = run.state.getCountOfFailedTests() > 0 || run.state.getUnhandledErrors().length > 0
  const none = run.state.getFiles().length === 0
  const broken = run.state.getFiles().some(({ result }) => result?.state === 'fail')
  await run.close()
  if (none) throw new GatewayError('NOT_FOUND', `there are no tests in ${directory}`)
  return failed || broken ? 1 : 0
}

function testsOf(directory: string, name: string): readonly string[] {
  const possible = [`${name}.test.ts`, `${name}.test.js`, `${name}/index.test.ts`, `${name}/index.test.js`]
  const found = possible.filter((file) => existsSync(join(directory, file)))
  if (found.length > 0) return found
  if (![`${name}.ts`, `${name}.js`, name].some((file) => existsSync(join(directory, file))))
    throw new GatewayError('NOT_FOUND', `there is no plugin "${name}" in ${directory}`)
  throw new GatewayError(
    'NOT_FOUND',
    `the plugin "${name}" has no test: write ${join(directory, `${name}.test.ts`)} (\`dragoman new adapter\` shows one)`,
  )
}

async function vitest(): Promise<Pick<typeof Vitest, 'startVitest'>> {
  try {
    return await import('vitest/node')
  } catch (error) {
    throw new GatewayError('NOT_FOUND', 'the tests need vitest: npm install --save-dev vitest', {
      cause: error,
    })
  }
}

const LENT = new Set(['dragoman', 'dragoman/testing', 'dragoman/regular-expressions', 'zod', 'vitest'])

/** What the gateway lends its plugins it lends their tests. */
function lending(): { name: string; enforce: 'pre'; resolveId(specifier: string): string | undefined } {
  return {
    name: 'dragoman',
    enforce: 'pre',
    resolveId: (specifier) =>
      LENT.has(specifier) ? fileURLToPath(import.meta.resolve(specifier)) : undefined,
  }
}

// The loader in a plain Node process of its own: vitest would transform the plugins, and Node's own errors are the point.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

import { afterAll } from 'vitest'

import type { Failure, LoadOptions } from '../../../../core/plugins/load.ts'

/** What `loadPlugins` resolved, as far as it crosses a process. */
export interface Seen {
  readonly adapters: readonly string[]
  readonly plugins: readonly {
    readonly name: string
    readonly file: string
    readonly hash: string
    readonly adapter?: string
    /** The same number is the same object. */
    readonly identity?: number
    /** Calling its backend throws our own GatewayError. */
    readonly throwsGatewayError?: boolean
    readonly failure?: Failure
  }[]
}

const child: ChildProcess = fork(new URL('loader-process.ts', import.meta.url), { execArgv: [] })
afterAll(() => {
  child.disconnect()
})

/** One after the other: the answers have no names. */
export async function loadPlugins(
  directory: string,
  builtIn: readonly string[] = [],
  options: LoadOptions = {},
): Promise<Seen> {
  child.send({ directory, builtIn, options })
  const [seen] = await once(child, 'message')
  return seen as Seen // loader-process.ts is what answers
}

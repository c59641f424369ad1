// The conformance suite of a plugin as the gateway runs it: loaded from its file, in a worker of its own.
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import type { Adapter } from '../api.ts'
import { noLog } from '../map/stand-ins.ts'
import { Plugins } from '../plugins/plugins.ts'
import { testAgent, testBackend, testChannel, testHost, testScope } from '../testing.ts'
import type { AgentSuite, BackendSuite, ChannelSuite } from '../testing.ts'

export interface PluginSuite {
  /** `new URL('./shop.ts', import.meta.url)`, or the `index.ts` of its folder. */
  readonly file: URL
  readonly channel?: Omit<ChannelSuite, 'adapter'>
  readonly backend?: Omit<BackendSuite, 'adapter'>
  readonly agent?: Omit<AgentSuite, 'adapter'>
}

/**
 * Loads the plugin as the gateway does, and runs the suites of what it offers through its worker. Called once at the top of a
 * vitest file, awaited: `await testPlugin('shop', { file: new URL('./shop.ts', import.meta.url), backend: { … } })`.
 */
export async function testPlugin(name: string, suite: PluginSuite): Promise<void> {
  const file = fileURLToPath(suite.file)
  const isFolder = /^index\.[jt]s$/.test(basename(file))
  const path = isFolder ? dirname(file) : file
  const plugins = new Plugins({ log: { child: () => noLog }, builtIn: [], limits: { loadMs: 30_000 } })
  afterAll(() => plugins[Symbol.asyncDispose]())
  const own = isFolder ? basename(path) : basename(path).replace(/\.[jt]s$/, '')
  const { plugins: found } = await plugins.load({ directory: dirname(path), allow: [own] })
  const [loaded] = found
  const adapter = loaded?.adapter

  test(`${name} is loaded as the gateway loads it`, () => {
    expect(loaded?.failure?.message).toBeUndefined()
    expect(adapter).toBeDefined()
  })
  if (adapter === undefined) return
  const { channel, backend, agent } = suite
  if (channel !== undefined) testChannel(name, { ...channel, adapter })
  if (backend !== undefined) testBackend(name, { ...backend, adapter })
  if (agent !== undefined) testAgent(name, { ...agent, adapter })

  describe(`${name} in its worker`, () => {
    test('lets go of everything when it ends: no timer, no socket', async () => {
      await beginAndEnd(adapter, suite)
      expect(await plugins.held(own)).toEqual([])
    })
  })
}

async function beginAndEnd({ channel, backend, agent }: Adapter, suite: PluginSuite): Promise<void> {
  const { signal } = new AbortController()
  if (channel !== undefined && suite.channel !== undefined) {
    await using made = channel.create(suite.channel.config, testScope())
    await made.start(testHost(suite.channel.operations), signal)
  }
  if (backend !== undefined && suite.backend !== undefined) {
    await using made = backend.create(suite.backend.config, testScope(suite.backend.scope))
    await made.start?.(signal)
  }
  if (agent !== undefined && suite.agent !== undefined) {
    await using made = agent.create(suite.agent.config, testScope(suite.agent.scope))
    await made.start?.(signal)
  }
}

// The process around the gateway: what it says when its file changes, and of folders it cannot use.
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { signalling, versioned } from '../support/plugin-sources.ts'
import { dragoman } from './documents.ts'

/** A folder for a gateway with a plugin, which is still to be written. */
async function withPlugin(): Promise<{ readonly directory: string; readonly plugin: string }> {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  await mkdir(join(directory, 'plugins'))
  return { directory, plugin: join(directory, 'plugins', 'early.ts') }
}

test('a change of what is read at the start alone is taken for the next start, and said', async () => {
  await using gateway = await startGateway({ yaml: 'channels: { web: { adapter: rest } }\n' })
  await writeFile(
    join(gateway.directory, 'gateway.yaml'),
    'http: { bodyLimit: 64kb }\nlog: { level: debug }\nlanes: { limit: 7 }\nchannels: { web: { adapter: rest } }\n',
  )
  process.kill(gateway.pid, 'SIGHUP')
  const sections = await until(() => {
    const lines = gateway.log().split('\n')
    const said = lines.flatMap(
      (line) => /the change of \\"(\w+)\\" is used after the next start/u.exec(line)?.[1] ?? [],
    )
    return lines.some((line) => line.includes('a new generation runs')) && said.length > 1 ? said : undefined
  })
  // The file's change and the signal may each be a reload.
  expect([...new Set(sections)]).toEqual(['http', 'log'])
})

test('a data folder that is a file is refused in one line', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'gateway.yaml'), 'channels: { web: { adapter: rest } }\n')
  await writeFile(join(directory, 'taken'), '')
  const { code, stderr } = await dragoman(['start', '--data', 'taken', '--port', '0'], directory)
  expect(code).toBe(1)
  expect(stderr).toMatch(/taken/u)
  expect(stderr).not.toMatch(/EEXIST|^\s+at /mu)
})

test('SIGHUP while it starts does not end it: the config is loaded again when it is ready', async () => {
  const { directory, plugin } = await withPlugin()
  // A plugin is loaded in the middle of the start.
  await writeFile(plugin, signalling("process.kill(process.pid, 'SIGHUP')", join(directory, 'sent')))
  await using gateway = await startGateway({ directory, yaml: 'channels: { web: { adapter: rest } }\n' })
  await until(() => (gateway.log().includes('a new generation runs') ? true : undefined))
})

test('a gateway that is told to stop while a plugin loads waits for no load and takes nothing over', async () => {
  const { directory, plugin } = await withPlugin()
  const begun = join(directory, 'begun')
  await writeFile(plugin, versioned('early', 0))
  await using gateway = await startGateway({ directory, yaml: 'channels: { web: { adapter: rest } }\n' })
  const before = gateway.log()
  await writeFile(plugin, signalling('await new Promise((passed) => setTimeout(passed, 8000))', begun))
  await until(() => (existsSync(begun) ? true : undefined))
  const ended = gateway.stop()
  await until(() => (gateway.log().includes('"msg":"stopping"') ? true : undefined))
  const at = performance.now()
  const status = (): Promise<number> =>
    fetch(`${gateway.base}/readyz`).then(
      (answer) => answer.status,
      () => 503, // nobody listens any more
    )
  await until(async () => ((await status()) === 503 ? true : undefined), 2000)
  expect(await ended).toBe(0)
  expect(performance.now() - at).toBeLessThan(7000)
  const said = gateway.log().slice(before.length)
  expect(said).not.toContain('a new generation runs')
  expect(said).not.toContain('was not taken over')
})

test(
  'who waits for a slow business system when the gateway is told to stop gets his answer, as long as there is time, whatever signal comes meanwhile',
  { timeout: 60_000 },
  async () => {
    const slow = createServer((_request, response) =>
      setTimeout(() => response.setHeader('content-type', 'application/json').end('{"ok":true}'), 6500),
    ).listen(0, '127.0.0.1')
    onTestFinished(() => void slow.close())
    await once(slow, 'listening')
    const { directory, plugin } = await withPlugin()
    const begun = join(directory, 'begun')
    await writeFile(plugin, versioned('early', 0))
    await using gateway = await startGateway({
      directory,
      yaml: `
channels: { web: { adapter: rest } }
backends: { slow: { adapter: rest, url: "http://127.0.0.1:${(slow.address() as AddressInfo).port}", timeout: 20s, operations: { Pay: { method: POST, path: / } } } }
routes: [{ backend: slow }]
`,
    })
    const paid = fetch(`${gateway.base}/v1/requests/Pay`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    await once(slow, 'request')
    const file = join(gateway.directory, 'gateway.yaml')
    const listening = await freePort()
    const logged = (text: string) => until(() => (gateway.log().includes(text) ? true : undefined))
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
      process.kill(gateway.pid, signal)
      await logged(`${signal} does nothing`)
    }
    // It is through in the middle of the end.
    await writeFile(plugin, signalling('await new Promise((passed) => setTimeout(passed, 2000))', begun))
    await until(() => (existsSync(begun) ? true : undefined))
    const ended = gateway.stop()
    await logged('"msg":"stopping"')
    await writeFile(file, `channels: { devices: { adapter: mqtt, port: ${listening} } }\n`)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(gateway.pid, signal)
    await logged('the gateway is stopping: it loads nothing any more')
    const answer = await paid
    expect([answer.status, await answer.json(), await ended]).toEqual([200, { ok: true }, 0])
    expect(gateway.log()).toContain('"unfinished":0')
    expect(gateway.log()).not.toContain('a new generation runs')
    expect(gateway.log()).not.toContain('the gateway cannot run with it') // as if the plugin were to blame
    expect(gateway.log().match(/"msg":"stopping"/gu)).toHaveLength(1)
  },
)

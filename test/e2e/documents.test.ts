// The other documents: what they show is what happens, what they configure starts, what they name is there.
import { existsSync, globSync } from 'node:fs'
import { copyFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startGateway, temporaryDirectory } from '../support/gateway.ts'
import { blocksOf, dragoman, read, root, run } from './documents.ts'

describe('config/README.md', () => {
  // The file whose problems the README shows, each at its place.
  const bad = `${'\n'.repeat(4)}channels:
  web: { adapter: rest }
  crm: {adapter: sop, path: /crm}

backends:
  orders:
    adapter: rest
    timout: 2s
    url: http://127.0.0.1:9001

agents:
  crm-desk: { adapter: webhook, url: "http://127.0.0.1:9100" }
routes:
  - { when: "kind = 'event'", agent: crm-desk }
  - { agent: crm }
`

  test.each(['check', 'start'])(
    '%s prints the problems exactly as shown, and ends with 1',
    async (command) => {
      const directory = await temporaryDirectory()
      try {
        await writeFile(join(directory, 'gateway.yaml'), bad)
        const { code, stdout, stderr } = await dragoman([command, '--config', 'gateway.yaml'], directory)
        expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
        expect(stderr.replaceAll(`${directory}/`, '')).toBe(blocksOf(read('config/README.md'), 'text')[0])
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    },
  )
})

describe('config/deploy/README.md', () => {
  test('its curl is answered by the bot, where a gateway has its config', async () => {
    const command = blocksOf(read('config/deploy/README.md'), 'sh')[0] ?? ''
    const yaml = read('config/deploy/gateway.yaml')
      .replace(/^(?:http|data|store): .*\n/gmu, '')
      .replace('/app/plugins', join(root, 'plugins'))
    const key = /^SHOP_KEY=(\S+) /u.exec(command)?.[1] ?? ''
    await using gateway = await startGateway({ yaml, env: { SHOP_KEY: key } })
    const curl = command.slice(command.indexOf('curl ')).replace('http://127.0.0.1:8080', gateway.base)
    const { code, stdout } = await run('sh', ['-c', curl])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ reply: { origin: 'agent', parts: [{ kind: 'text' }] } })
  })
})

// config, plugins, adapters/rest and the bot in core/agents have their blocks run beside their own unit tests.
describe('the YAML of adapters/soap and core/agents', () => {
  const [channel = '', backend = '', security = ''] = blocksOf(read('adapters/soap/README.md'), 'yaml')
  const [agent = ''] = blocksOf(read('core/agents/README.md'), 'yaml')
  const key = (name: string): string => join(root, 'test/fixtures/soap/keys', name)

  test.each([
    ['the SOAP channel', channel],
    ['the SOAP channel with security', channel + security.replaceAll(/^/gmu, '    ')],
    ['the SOAP backend', backend],
    ['the agent', agent],
  ])('%s: a gateway starts with it', async (_, yaml) => {
    const directory = await temporaryDirectory()
    try {
      await copyFile(join(root, 'config/crm.wsdl'), join(directory, 'crm.wsdl'))
      for (const [file, name] of Object.entries({
        'erp.pem': 'erp.pem',
        'ca.pem': 'ca.pem',
        'gateway.pem': 'erp.pem',
        'gateway.key': 'erp.key',
      }))
        await copyFile(key(name), join(directory, file))
      await using gateway = await startGateway({ yaml, directory, env: { ERP_PASSWORD: 'secret-of-erp' } })
      expect((await fetch(`${gateway.base}/readyz`)).status).toBe(200)
      expect(gateway.log()).not.toContain('"level":"error"')
    } finally {
      await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    }
  })
})

describe('links and names in the documents', () => {
  const documents = globSync('**/*.md', { cwd: root, exclude: ['node_modules', 'coverage', 'data'] })

  test('there are documents', () => {
    expect(documents).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', 'config/README.md']))
  })

  test.each(documents)('every link of %s leads somewhere', (file) => {
    const text = read(file)
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/gu)) {
      if (/^[a-z]+:/u.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const there = path === '' ? file : join(dirname(file), path)
      expect(existsSync(join(root, there)), `${file} → ${target}`).toBe(true)
      if (anchor !== undefined) expect(anchorsOf(read(there)), `${file} → ${target}`).toContain(anchor)
    }
  })

  test('every file that the README names as a proof is there', () => {
    const proofs = [...read('README.md').matchAll(/`(test\/[\w./-]+)`/gu)].map(([, path = '']) => path)
    expect(proofs.length).toBeGreaterThan(5)
    expect(proofs.filter((path) => !existsSync(join(root, path)))).toEqual([])
  })

  test('every counter that a document names has the name it has at /metrics', () => {
    const names = documents.flatMap((file) =>
      [...read(file).matchAll(/`(\w+_total)\b/gu)].map(([, name = '']) => `${file}: ${name}`),
    )
    expect(names.length).toBeGreaterThan(10)
    expect(names.filter((name) => !/: (?:dragoman|process|nodejs)_/u.test(name))).toEqual([])
  })

  function anchorsOf(text: string): readonly string[] {
    return [...text.matchAll(/^#+ (.*)$/gmu)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} -]/gu, '')
        .replaceAll(' ', '-'),
    )
  }
})

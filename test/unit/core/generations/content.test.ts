// What is kept of the files a config names.
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { contentOf, takeFiles } from '../../../../core/generations/content.ts'
import type { Content } from '../../../../core/generations/content.ts'
import { hashOfDisk } from '../../../../core/generations/disk.ts'

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const made = await realpath(await mkdtemp(join(tmpdir(), 'content-')))
  onTestFinished(async () => rm(made, { recursive: true }))
  await mkdir(join(made, 'plugins', 'shop'), { recursive: true })
  await mkdir(join(made, 'types'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(made, name), text)
  return made
}

test('keys and certificates are never copied; what has gone is left out', async () => {
  const made = await folder({
    'crm.wsdl': '<definitions/>',
    'types/b.xsd': '<schema/>',
    'client.key': 'x',
    'client.crt': '-----BEGIN CERTIFICATE-----\n',
    'signing.txt': 'a text\n-----BEGIN PRIVATE KEY-----\n',
  })
  const named = ['crm.wsdl', 'types/b.xsd', 'client.key', 'client.crt', 'signing.txt', 'gone.graphql']
  const config = { file: join(made, 'gateway.yaml'), text: 'secret: ${SECRET}' }
  const take = async (): Promise<Content> => {
    const there = named.filter((name) => existsSync(join(made, name)))
    const contents = there.map((name) => [join(made, name), readFileSync(join(made, name))] as const)
    return contentOf({ config, files: takeFiles(new Map(contents)), plugins: [] })
  }
  const kept = await take()
  expect(kept.files.map(({ file }) => file)).toEqual(
    ['crm.wsdl', 'types/b.xsd'].map((name) => join(made, name)),
  )
  expect(Buffer.from(kept.config.bytes).toString()).toBe('secret: ${SECRET}')
  await writeFile(join(made, 'types', 'b.xsd'), '<schema id="2"/>')
  const changed = await take()
  expect(changed.hash).not.toBe(kept.hash)
  await writeFile(join(made, 'client.key'), 'y')
  expect((await take()).hash).toBe(changed.hash)
})

test('a file is kept as it was read for the config, whatever lies there a moment later', async () => {
  const made = await folder({ 'shop.graphql': 'later' })
  const file = join(made, 'shop.graphql')
  const [kept] = takeFiles(new Map([[file, Buffer.from('then')]]))
  expect(Buffer.from(kept?.bytes ?? []).toString()).toBe('then')
})

test('the disk has changed when a file or a plugin has another content, comes or goes; not when it was only touched', async () => {
  const made = await folder({
    'gateway.yaml': 'a',
    'plugins/shop/index.ts': '1',
    'plugins/shop/data.csv': '1',
  })
  const places = { files: [join(made, 'gateway.yaml'), join(made, 'a.wsdl')], plugins: join(made, 'plugins') }
  const before = await hashOfDisk(places)
  await writeFile(join(made, 'gateway.yaml'), 'a')
  await writeFile(join(made, 'plugins/shop/index.ts'), '1')
  await writeFile(join(made, 'plugins/shop/README.md'), 'read me')
  expect(await hashOfDisk(places)).toBe(before)
  const seen = new Set([before])
  for (const [name, text] of [
    ['gateway.yaml', 'b'],
    ['a.wsdl', '<a/>'],
    ['plugins/shop/index.ts', '2'],
    ['plugins/shop/data.csv', '2'],
    ['plugins/new.ts', '1'],
  ] as const) {
    await writeFile(join(made, name), text)
    const now = await hashOfDisk(places)
    expect(seen.has(now), name).toBe(false)
    seen.add(now)
  }
  await rm(join(made, 'plugins'), { recursive: true })
  expect(seen.has(await hashOfDisk(places))).toBe(false)
})

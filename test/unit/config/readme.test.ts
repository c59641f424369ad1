// config/README.md says what the schemas say, and its example loads.
import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { load } from './fakes.ts'
import { referenceTables } from './reference.ts'

const readme = await readFile(new URL('../../../config/README.md', import.meta.url), 'utf8')

/** The text below a heading, up to the next one. */
function below(heading: string): string {
  const [, rest = ''] = readme.split(`\n### ${heading}\n`)
  return (rest.split('\n#')[0] ?? '').trim()
}

test.each([...referenceTables()])('the table "%s" is the schema’s', (heading, table) => {
  expect(below(heading)).toBe(table)
})

test('every key has an explanation', () => {
  for (const [heading, table] of referenceTables())
    for (const line of table.split('\n')) expect(line, heading).not.toMatch(/\|\s+\|$/)
})

const folder = new URL('../../../', import.meta.url)
const isOurs = (path: string): boolean => !/(?:^|\/)(?:node_modules|\.[^/]*)(?:\/|$)/u.test(path)
const readmes = [...globSync('**/README.md', { cwd: folder, exclude: (name) => !isOurs(name) })]

test.each(readmes)('the YAML of %s is YAML for other tools too', async (path) => {
  const text = await readFile(new URL(path, folder), 'utf8')
  for (const [, block = ''] of text.matchAll(/^```yaml.*\n([^]*?)^```/gmu)) {
    const lines = text.slice(0, text.indexOf(block)).split('\n').length
    for (const { errors } of parseAllDocuments(block, { uniqueKeys: false }))
      expect([lines, errors.map(({ message }) => message)]).toEqual([lines, []])
  }
})

test('the example loads', async () => {
  const blocks = [...readme.matchAll(/```yaml\n(.*?)```/gsu)].map(([, text = '']) => text)
  expect(blocks).toHaveLength(1)
  for (const block of blocks) expect((await load(block)).routes).toHaveLength(2)
})

// config/README.md says what the schemas say, and its example loads.
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
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

test('the example loads', async () => {
  const blocks = [...readme.matchAll(/```yaml\n(.*?)```/gsu)].map(([, text = '']) => text)
  expect(blocks).toHaveLength(1)
  for (const block of blocks) expect((await load(block)).routes).toHaveLength(2)
})

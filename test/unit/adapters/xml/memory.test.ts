// Hostile documents in a process that has little memory: they are refused, it lives.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folder = join(import.meta.dirname, '../../../../adapters/xml')

/** Runs in a process of its own: `refused(name, run)` for each document, `done` at the end. */
const script = `
  import { readXml } from ${JSON.stringify(join(folder, 'read.ts'))}
  import { resolveReferences, toJson } from ${JSON.stringify(join(folder, 'bind.ts'))}
  const mb = (piece) => piece.repeat(1_000_000 / piece.length)
  const refused = (name, run) => {
    try { run(); console.log('accepted', name) } catch (error) { if (error.name !== 'GatewayError') throw error }
  }
  const read = (text, options) => readXml(Buffer.from(text), options).root
  const laughs = Array.from({ length: 9 }, (_, i) => '<!ENTITY l' + (i + 1) + ' "' + ('&l' + i + ';').repeat(10) + '">').join('')
  refused('E04', () => read('<!DOCTYPE a [<!ENTITY l0 "lol">' + laughs + ']><a>&l9;</a>'))
  refused('E05', () => read('<!DOCTYPE a [<!ENTITY x "' + mb('a') + '">]><a>' + '&x;'.repeat(2000) + '</a>'))
  refused('depth', () => read(mb('<a xmlns:p="u">')))
  refused('attributes', () => read('<a ' + Array.from({ length: 80_000 }, (_, i) => 'b' + i + '=""').join(' ') + '/>'))
  refused('one name', () => read('<' + mb('a') + '/>'))
  refused('one entity', () => read('<a>&' + mb('a') + ';</a>'))
  refused('one tag', () => read('<a ' + mb(' ')))
  refused('elements', () => read('<a>' + '<b/>'.repeat(600_000) + '</a>', { maxNodes: 100_000 }))
  const doubling = Array.from({ length: 60 }, (_, i) => '<m id="' + i + '"><a href="#' + (i + 1) + '"/><b href="#' + (i + 1) + '"/></m>').join('')
  const body = read('<s:Body xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><o><a href="#0"/></o>' + doubling + '<m id="60"/></s:Body>')
  refused('references', () => resolveReferences(body))
  toJson(read('<a>' + mb('<b/>') + '</a>'), undefined)
  toJson(read('<a>' + mb('&#65;') + mb('<![CDATA[x]]>') + '</a>'), undefined)
  console.log('done')
`

test('a process with 96 MB refuses entity bombs, depth, floods of attributes and doubling references, and reads 1 MB of elements', () => {
  const child = spawnSync(
    process.execPath,
    ['--max-old-space-size=96', '--input-type=module', '-e', script],
    {
      encoding: 'utf8',
      timeout: 30_000,
    },
  )
  expect([child.stdout, child.stderr, child.status]).toEqual(['done\n', '', 0])
})

// What is written in the old charsets of East Asia, read by an XML parser that nobody here wrote and that knows their standards alone.
import { expect, test } from 'vitest'
import { element } from '../../adapters/xml/tree.ts'
import { writeXml } from '../../adapters/xml/write.ts'
import { runProgram, skipped, why } from './clients.ts'

/** The root's text of the documents that come in base64, a line each. */
const script = `while (($line = fgets(STDIN)) !== false) {
  $read = simplexml_load_string(base64_decode($line));
  echo json_encode($read === false ? null : (string) $read), "\\n";
}`

/** Codes that are two characters by the tables: Unix reads another than Windows, and so do we. */
const ambiguous = /[\\~·—∥－～￠￡￢]/u

test.skipIf(skipped('php'))(
  `every character of the basic plane comes back from PHP, whatever the charset has of them${why('php')}`,
  async () => {
    const charsets = ['big5', 'euc-kr', 'shift_jis', 'euc-jp', 'gbk', 'gb2312']
    let text = ''
    for (let code = 0x20; code < 0xfffe; code++) {
      const character = String.fromCharCode(code)
      if ((code < 0xd800 || code > 0xdfff) && !ambiguous.test(character)) text += character
    }
    const documents = charsets.map((charset) => writeXml(element('', 'a', [], [text]), { charset }))
    const input = documents.map((bytes) => `${Buffer.from(bytes).toString('base64')}\n`).join('')
    const printed = await runProgram('php', ['-r', script], { input })
    const read = printed
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line))
    for (const [at, charset] of charsets.entries()) expect(read[at] === text, charset).toBe(true)
    expect(read).toHaveLength(charsets.length)
  },
)

// Several processes' output as one.
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { passOnLines } from '../../../../bin/workers/lines.ts'

async function passed(...pieces: readonly (string | Uint8Array)[]): Promise<readonly string[]> {
  const from = new PassThrough()
  const written: string[] = []
  passOnLines(from, (lines) => written.push(lines))
  for (const piece of pieces) from.write(piece)
  from.end()
  await new Promise((ended) => from.once('end', ended))
  return written
}

test('only whole lines are passed on, also where a character is cut', async () => {
  const bytes = Buffer.from('{"msg":"你好"}\n')
  expect(await passed('{"a":1}\n{"b"', ':2}\n', bytes.subarray(0, 9), bytes.subarray(9))).toEqual([
    '{"a":1}\n',
    '{"b":2}\n',
    '{"msg":"你好"}\n',
  ])
})

test('the last words of a process that had no time for the end of the line are a line', async () => {
  expect(await passed('first\nTypeError: x')).toEqual(['first\n', 'TypeError: x\n'])
})

test('a line without an end does not fill the memory', async () => {
  const written = await passed(...Array.from({ length: 40 }, () => 'x'.repeat(65_536)))
  expect(written.length).toBeGreaterThan(1)
  expect(written.join('')).toHaveLength(40 * 65_536 + 1)
})

// What strangers wrote, on an operator's terminal.
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { table } from '../../../bin/admin-client.ts'
import { leaveAddress, takeAddress } from '../../../bin/local-gateway.ts'
import { asJson, inLine, inLines } from '../../../bin/printable.ts'
import { trace } from '../../../bin/trace.ts'

const NASTY = 'a\u001B]0;title\u0007b\u009B2Jc\u2028d\u202Ee\u2066f\u007Fg\nh\ti\r\nj\rk 中文'

test('within a line nothing is left that a terminal obeys or that ends it', () => {
  expect(inLine(NASTY)).toBe('a ]0;title b 2Jc d e f g h i j k 中文')
  expect(table([['ID'], [NASTY]]).split('\n')).toHaveLength(2)
  expect(table([['x\u202Ey']])).toBe('x y')
})

test('text of several lines keeps its line ends and tabs, and shows the rest', () => {
  expect(inLines(NASTY)).toBe(
    String.raw`a\u001b]0;title\u0007b\u009b2Jc\u2028d\u202ee\u2066f\u007fg` +
      '\nh\ti\r\nj' +
      String.raw`\u000dk 中文`,
  )
})

test('JSON is the same value to whoever parses it', () => {
  const value = { [NASTY]: [NASTY, 1, null] }
  expect(JSON.parse(asJson(value))).toEqual(value)
  expect(asJson(value)).not.toMatch(/[\u007F-\u009F\u2028\u202E]/u)
})

test("a customer's text is no step of the trace", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'printable-'))
  const detail = 'message from ann: hi\n2030-01-01T00:00:00.000Z  settled       answered by operator\u001B[2J'
  const server = createServer((_request, response) =>
    response.end(JSON.stringify({ id: 'm1', steps: [{ at: null, step: 'received', detail }] })),
  ).listen(0, '127.0.0.1')
  const said = vi.spyOn(console, 'log').mockReturnValue()
  onTestFinished(async () => {
    said.mockRestore()
    server.close()
    await takeAddress(folder)
    await rm(folder, { recursive: true })
  })
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const config = join(folder, 'gateway.yaml')
  await writeFile(
    config,
    'data: .\nadmin: { token: named-in-the-config }\nchannels: { web: { adapter: rest } }\n',
  )
  await leaveAddress(folder, { origin: `http://127.0.0.1:${port}` })
  await trace('m1', { config })
  const [shown] = said.mock.lastCall ?? []
  expect(String(shown).split('\n')).toHaveLength(2)
  expect(shown).not.toContain('\u001B')
})

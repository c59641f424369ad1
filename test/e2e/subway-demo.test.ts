// `dragoman demo subway`, as the README says it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { Tally } from '../../bin/demo/subway/tally.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')

test('a ride in the subway: lines fail, app and gateway are killed; 0 lost, 0 doubled, 0 out of order, both ways', async () => {
  const ride = spawn(process.execPath, [BIN, 'demo', 'subway', '--seconds', '10'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  ride.stdout.on('data', (piece) => (output += String(piece)))
  ride.stderr.on('data', (piece) => (output += String(piece)))
  const [status] = await once(ride, 'close')
  expect(output).toContain('The phone kills the app')
  expect(output).toContain('The gateway is killed with -9')
  const [, sent = '', agent = '', answers = ''] =
    /Of (\d+) messages: at the agent (.*); answers on the screen (.*)\./u.exec(output) ?? [output]
  expect(Number(sent)).toBeGreaterThan(10)
  const all = `${sent} (lost 0, doubled 0, out of order 0)`
  expect([agent, answers, status]).toEqual([all, all, 0])
}, 120_000)

test('its counts see what is lost, doubled and out of order', () => {
  const tally = new Tally()
  for (const number of [1, 3, 3, 2, 6]) tally.add(number)
  expect(tally.counts()).toEqual({ arrived: 4, lost: 2, doubled: 1, disordered: 1 })
  expect(tally.counts(8)).toMatchObject({ lost: 4 })
})

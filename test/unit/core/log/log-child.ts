// Started by log.test.ts: writes 500 lines and ends in the way it is told.
import { pbkdf2 } from 'node:crypto'
import { createLog } from '../../../../core/log/log.ts'

const [, , how] = process.argv
const root = createLog({ level: 'info' })
const log = root.child('child')
// The one thread that writes has this to do first (UV_THREADPOOL_SIZE).
if (how === 'busy-exit') pbkdf2('a', 'b', 200_000, 32, 'sha256', () => undefined)
if (how !== 'broken-end' && how !== 'overflow') for (let n = 0; n < 500; n += 1) log.info('line', { n })
if (how === 'exit' || how === 'busy-exit') process.exit(3)
if (how === 'throw') throw new Error('thrown')
if (how === 'reject') void Promise.reject(new Error('rejected'))
if (how === 'broken-pipe')
  setTimeout(() => {
    log.info('nobody reads this')
    setTimeout(() => process.stdout.write('still here\n'), 200)
  }, 200)
// What is left then is not written yet.
if (how === 'broken-end')
  setTimeout(() => {
    log.info('nobody reads this')
    void root.flushed().then(() => process.exit(4))
  }, 200)
// More than may wait, then a sign of life; it ends by SIGTERM, in order.
if (how === 'overflow') {
  for (let n = 0; n < 5; n += 1) log.info(`${n}`.repeat(4 * 1024 * 1024))
  setTimeout(() => process.stdout.write('still here\n'), 300)
  setInterval(() => undefined, 1000)
  process.once('SIGTERM', () => void root.flushed().then(() => process.exit(4)))
}

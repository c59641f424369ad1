// A migration in a process of its own, which dies as by kill -9 at its Nth report; without N it ends by itself.
import { writeSync } from 'node:fs'
import { migrate } from '../../../../../core/store/migrate/migrate.ts'
import { openRedisEnd } from '../../../../../core/store/migrate/redis-end.ts'
import { openSqliteEnd } from '../../../../../core/store/migrate/sqlite-end.ts'

const [from = '', to = '', nth = ''] = process.argv.slice(2)
const open = (place: string, create: boolean) =>
  place.startsWith('redis:') ? openRedisEnd({ url: place }) : openSqliteEnd({ directory: place, create })
await using source = await open(from, false)
await using target = await open(to, true)
let reports = 0
await migrate({
  source,
  target,
  report: ({ step, done }) => {
    writeSync(1, `${step} ${done}\n`)
    reports++
    if (String(reports) === nth) process.kill(process.pid, 'SIGKILL')
  },
})
writeSync(1, 'done\n')

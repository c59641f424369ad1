// What another instance tells a channel reaches all of its ears.
import { expect, test } from 'vitest'
import type { Json } from '../../../../core/api.ts'
import { tellEars } from '../../../../core/components/ears.ts'
import { recordingLog } from '../http/recording-log.ts'

test('each ear of each generation hears it once; one that throws is logged and keeps it from no other', () => {
  const heard: unknown[] = []
  const ear = (who: string) => (said: Json) => void heard.push([who, said])
  const failing = (): never => {
    throw new Error('deaf')
  }
  const shared = { ears: [ear('shared')] }
  const before = new Map([
    ['demo', { ears: [ear('old'), failing, ear('second')] }],
    ['both', shared],
  ])
  const now = new Map([
    ['demo', { ears: [ear('new')] }],
    ['both', shared],
  ])
  const { log, lines } = recordingLog()
  const generations = [{ channels: before }, { channels: now }]
  tellEars(generations, { name: 'demo', said: 1, log })
  tellEars(generations, { name: 'both', said: 2, log })
  tellEars(generations, { name: 'nobody', said: 3, log })
  expect(heard).toEqual([
    ['old', 1],
    ['second', 1],
    ['new', 1],
    ['shared', 2],
  ])
  expect(lines).toMatchObject([{ level: 'error', fields: { channel: 'demo', error: { message: 'deaf' } } }])
})

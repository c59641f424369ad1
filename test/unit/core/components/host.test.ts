// What a channel asks of its host: a path that cannot be served is refused there and then.
import { expect, test } from 'vitest'
import type { ChannelParts, Mounted, MountedSocket } from '../../../../core/components/components.ts'
import { createHost } from '../../../../core/components/host.ts'
import type { HostOptions } from '../../../../core/components/host.ts'

test('DESIGN §6: a path or a socket that cannot be mounted is refused to who serves it, and does not stay', () => {
  const mounts: Mounted[] = []
  const sockets: MountedSocket[] = []
  const options = {
    stopping: new AbortController().signal,
    remount() {
      if ([...mounts, ...sockets].some(({ path }) => path === '/taken')) throw new Error('it is taken')
    },
  } as unknown as HostOptions // what `serve` and `socket` use
  const parts = { settings: { id: 'late' }, operations: { list: {} }, mounts, sockets, endings: [] }
  const host = createHost(parts as unknown as ChannelParts, options) // the same
  const handler = async (): Promise<{ status: number }> => ({ status: 200 })
  expect(() => host.serve('/taken', handler)).toThrow('it is taken')
  expect(() => host.socket('/taken', () => undefined)).toThrow('it is taken')
  host.serve('/free', handler)
  host.socket('/free', () => undefined)
  expect([...mounts, ...sockets].map(({ path }) => path)).toEqual(['/free', '/free'])
})

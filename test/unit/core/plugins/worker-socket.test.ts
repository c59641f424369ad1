// A plugin's end of a WebSocket: what it may be given to send, and what counts as waiting.
import { expect, test } from 'vitest'
import type { Socket } from '../../../../core/api.ts'
import { workerSocket } from '../../../../core/plugins/worker-socket.ts'
import { recordingLog } from '../http/recording-log.ts'

function opened(): { readonly socket: Socket; readonly sent: unknown[]; readonly ends: unknown[] } {
  const sent: unknown[] = []
  const ends: unknown[] = []
  const { socket } = workerSocket('', {
    log: recordingLog().log,
    async send(data) {
      sent.push(data)
      return [true, 0]
    },
    listen() {},
    identified() {},
    close: (...end) => void ends.push(end),
  })
  return { socket, sent, ends }
}

test.each([
  [{ a: 1 }, 'an object'],
  [[1], 'of the class Array'],
  [new Map(), 'of the class Map'],
  [7, '7'],
  [undefined, 'undefined'],
])('to send %o is a mistake that its own line throws, and nothing waits for it', (data, kind) => {
  const { socket, sent } = opened()
  expect(() => socket.send(data as unknown as string)).toThrow(
    new TypeError(
      `socket.send takes a text or bytes, this is ${kind}: write JSON.stringify(…) of what is to be sent`,
    ),
  )
  expect([socket.buffered, sent]).toEqual([0, []])
})

test('texts, bytes, bytes of a shared buffer alone, and an ArrayBuffer are sent', async () => {
  const { socket, sent } = opened()
  const data = ['é', new Uint8Array([1]), Buffer.from([2]), new Uint8Array([3]).buffer]
  const sends = data.map((each) => socket.send(each as string))
  expect(socket.buffered).toBe(4)
  expect(await Promise.all(sends)).toEqual([true, true, true, true])
  expect(socket.buffered).toBe(0)
  expect(sent).toEqual(['é', new Uint8Array([1]), new Uint8Array([2]), new Uint8Array([3])])
  expect(sent[2]).toHaveProperty('buffer.byteLength', 1)
})

test('a reason of a close that is no text crosses as text', () => {
  const { socket, ends } = opened()
  socket.close(1011, new Error('gone') as unknown as string)
  expect(ends).toEqual([[1011, 'Error: gone']])
})

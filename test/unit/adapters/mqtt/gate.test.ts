import fc from 'fast-check'
import { expect, test } from 'vitest'

import { createGate } from '../../../../adapters/mqtt/gate.ts'
import { publishPacket } from './world.ts'

const limits = { beforeBytes: 16, afterBytes: 300 }

test('packets within the limit pass, however the stream is cut (MQTT 3.1.1 §2.2.3)', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(250), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (sizes, cuts) => {
        const bytes = Uint8Array.from(sizes.flatMap((size) => [...publishPacket('t', 'x'.repeat(size))]))
        const gate = createGate(limits)
        gate.open()
        let at = 0
        for (let turn = 0; at < bytes.length; turn += 1) {
          const cut = cuts[turn % cuts.length] ?? 1
          expect(gate.take(bytes.subarray(at, at + cut))).toBe(true)
          at += cut
        }
      },
    ),
  )
})

test('one that says it is larger is refused with its last header byte, wherever it stands', () => {
  fc.assert(
    fc.property(fc.nat(5), fc.integer({ min: 301, max: 268_435_455 }), (before, size) => {
      const gate = createGate(limits)
      gate.open()
      for (let turn = 0; turn < before; turn += 1)
        expect(gate.take(Uint8Array.from(publishPacket('t', 'x')))).toBe(true)
      const header = [0x30]
      for (let left = size; left > 0; left >>= 7) header.push((left & 127) | (left > 127 ? 128 : 0))
      expect(gate.take(Uint8Array.from(header))).toBe(false)
    }),
  )
})

test('a remaining length of five bytes is malformed (§2.2.3)', () => {
  const gate = createGate(limits)
  gate.open()
  expect(gate.take(Uint8Array.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x00]))).toBe(false)
})

test('before CONNACK all bytes count together', () => {
  const gate = createGate(limits)
  expect(gate.take(new Uint8Array(16).fill(0))).toBe(true)
  expect(gate.take(new Uint8Array(1))).toBe(false)
})

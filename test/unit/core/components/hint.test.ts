import { expect, test } from 'vitest'
import { testScope } from 'dragoman/testing'
import { hintsOf, withCredential } from '../../../../core/components/hint.ts'

const COMMAND = "curl -s 'http://127.0.0.1:8080/v1/messages'"

test('a command that needs no credential is as the channel gave it', () => {
  expect(withCredential(COMMAND, undefined, true)).toBe(COMMAND)
  expect(withCredential(COMMAND, { open: true }, false)).toBe(COMMAND)
  expect(withCredential(COMMAND, { from: ['127.0.0.1'] }, false)).toBe(COMMAND)
  expect(withCredential('mosquitto_pub -h 127.0.0.1', undefined, false)).toBe('mosquitto_pub -h 127.0.0.1')
})

test('the place of a token, or of the password of the named user, is shown, never a secret', () => {
  expect(withCredential(COMMAND, undefined, false)).toBe(
    "curl -s -H 'authorization: Bearer TOKEN' 'http://127.0.0.1:8080/v1/messages'",
  )
  const basic = { user: "o'erp$&", password: 'secret' }
  expect(withCredential(COMMAND, { basic }, true)).toBe(
    String.raw`curl -s -u 'o'\''erp$&:PASSWORD' 'http://127.0.0.1:8080/v1/messages'`,
  )
})

test('a channel that cannot make its command is told of, and the others show theirs', () => {
  const warned: string[] = []
  const { log } = testScope()
  const channel = (id: string, hint: () => string | undefined) => ({
    id,
    access: undefined,
    inUse: { channel: { hint } },
  })
  const broken = (): never => {
    throw new Error('Op/a: is missing')
  }
  const hints = hintsOf(
    [channel('s', broken), channel('quiet', () => undefined), channel('web', () => COMMAND)],
    {
      origin: 'http://127.0.0.1:8080',
      isOpen: true,
      log: { ...log, warn: (message) => warned.push(message) },
    },
  )
  expect(hints).toEqual([{ channel: 'web', command: COMMAND }])
  expect(warned).toEqual(['channel "s": no command to try it can be shown'])
})

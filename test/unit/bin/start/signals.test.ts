// Which signals a command keeps from its first moment.
import { expect, test } from 'vitest'
import { signalsOf } from '../../../../bin/start/signals.ts'

test('a gateway is asked to load its config again, a supervisor to replace its workers as well, another command nothing', () => {
  expect(signalsOf(['start', '--port', '0'])).toEqual(['SIGHUP'])
  expect(signalsOf(['start', '--workers=4'])).toEqual(['SIGHUP', 'SIGUSR2'])
  expect(signalsOf(['start', '--workers', '4'])).toEqual(['SIGHUP', 'SIGUSR2'])
  expect(signalsOf(['check', 'start'])).toEqual([])
})

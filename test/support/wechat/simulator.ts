// The simulated platform of the tests: the same as the demo's, with a cipher by other hands.
import { startSimulator } from '../../../bin/demo/simulator/index.ts'
import type { Simulator } from '../../../bin/demo/simulator/index.ts'
import { independentCipher } from './codec.ts'

export const account = {
  appId: 'wx5823bf96d3bd56c7',
  secret: 'simulated-secret-0123456789abcdef',
  token: 'QDG6eK',
  encodingAESKey: 'jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C',
} as const

/** An official account in safe mode. */
export async function startWechat(): Promise<Simulator> {
  const { appId: receiveId, token, encodingAESKey, appId, secret } = account
  return startSimulator({
    appId,
    secret,
    token,
    cipher: independentCipher({ token, encodingAESKey, receiveId }),
  })
}

/** The channel of that account, as a line of the config. */
export function channelYaml(apiBase: string): string {
  const { appId, secret, token, encodingAESKey } = account
  return `{ adapter: wechat, path: /wechat, appId: ${appId}, token: ${token}, encodingAESKey: ${encodingAESKey}, secret: ${secret}, apiBase: "${apiBase}" }`
}

// The command to paste: a customer's message as the platform would push it.
import type { ChannelConfig } from './config.ts'

/** Of the example config. Whoever has put in a token of his own shall not find it on his screen. */
const EXAMPLE_TOKEN = 'changeme'

/** Signed by the shell, so that it is as good tomorrow. Undefined where only the platform can sign or encrypt. */
export function hintOf(origin: string, config: ChannelConfig): string | undefined {
  if (config.token !== EXAMPLE_TOKEN || config.encodingAESKey !== undefined) return undefined
  const message = [
    '<xml><ToUserName>gh_dragoman</ToUserName><FromUserName>ann</FromUserName><CreateTime>$T</CreateTime>',
    '<MsgType>text</MsgType><Content>Where is my order 000777?</Content><MsgId>$T</MsgId></xml>',
  ].join('')
  return [
    `T=$(date +%s);`,
    `S=$(printf '%s\\n' ${EXAMPLE_TOKEN} $T hint | LC_ALL=C sort | tr -d '\\n' | sha1sum | cut -c1-40);`,
    `curl -s "${origin}${config.path}?signature=$S&timestamp=$T&nonce=hint"`,
    `-H 'content-type: text/xml' -d "${message}"`,
  ].join(' ')
}

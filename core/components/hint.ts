// The command that a person may paste to try a channel, with the place of the credential it needs there.
import type { Channel, Log } from '../api.ts'
import type { Access } from '../settings.ts'

export interface Hinting {
  readonly id: string
  readonly access: Access | undefined
  readonly inUse: { readonly channel: Pick<Channel, 'hint'> }
}

export interface Hint {
  readonly channel: string
  readonly command: string
}

/** Those of all channels that have one. A channel that cannot make its own is told in the log: it is served all the same. */
export function hintsOf(
  channels: Iterable<Hinting>,
  { origin, isOpen, log }: { readonly origin: string; readonly isOpen: boolean; readonly log: Log },
): readonly Hint[] {
  return [...channels].flatMap(({ id, access, inUse }) => {
    try {
      const command = inUse.channel.hint?.(origin)
      return command === undefined ? [] : [{ channel: id, command: withCredential(command, access, isOpen) }]
    } catch (error) {
      log.warn(`channel "${id}": no command to try it can be shown`, { error })
      return []
    }
  })
}

/** `isOpen`: the gateway has no `identity`, so that nobody here needs a token. Secrets are never shown: who tries has them. */
export function withCredential(command: string, access: Access | undefined, isOpen: boolean): string {
  if (!command.startsWith('curl ')) return command
  if (access !== undefined && 'basic' in access && access.basic !== undefined)
    return command.replace(
      /^curl (?:-s )?/u,
      (curl) => `${curl}-u ${quoted(`${access.basic?.user}:PASSWORD`)} `,
    )
  if (access !== undefined || isOpen) return command
  return command.replace(/^curl (?:-s )?/u, (curl) => `${curl}-H 'authorization: Bearer TOKEN' `)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

// The command that a person may paste to try a channel, with the place of the credential it needs there.
import type { Access } from './settings.ts'

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

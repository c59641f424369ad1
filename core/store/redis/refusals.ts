// Why a server refuses a script or one of its commands: each version puts it differently.

/** Redis 6.2: the reason comes last, behind where the script was, with the dash it has on the wire. */
const BEFORE = /^ERR Error running script \(call to \w+\): @user_script: ?\d+: @user_script: ?\d+: -/u
/** Redis 7 and later, and Valkey: the place comes last. */
const BEHIND = / script: [0-9a-f]{40}, on @user_script:\d+\.$/u

/** The reason alone, which begins with its word: `OOM …`, `READONLY …`. What is no refusal of a command stays as it is. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.replace(BEFORE, '').replace(BEHIND, '').trimEnd()
}

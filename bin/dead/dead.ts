// `dragoman dead`: what could not be delivered: list, show, edit, replay, drop.
import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import type { Command, Option } from 'commander'
import { GatewayError } from '../../core/api.ts'
import { listDead, showDead } from '../../core/operators/dead-letters.ts'
import type {
  DeadFilter,
  DeadSummary,
  DroppedAll,
  Replayed,
  ReplayedAll,
} from '../../core/operators/dead-letters.ts'
import type { DeadRow, Store } from '../../core/store/store.ts'
import { adminOf, LONG_MS, table } from '../running/admin-client.ts'
import type { Admin, AdminOptions } from '../running/admin-client.ts'
import { configFile, loadSections } from '../config-file.ts'
import { changesOf, contentOf, jsonOf, sendEdited } from './dead-editor.ts'
import type { Members } from './dead-editor.ts'
import { fail } from '../fail.ts'
import { asJson, fit, inLine, inLines } from '../printable.ts'
import { openReader } from '../running/store-reader.ts'

interface Filter {
  readonly code?: string
  readonly kind?: string
  readonly type?: string
  readonly channel?: string
}
/** As the admin API shows one. */
type Letter = Pick<DeadRow, 'id' | 'at' | 'kind' | 'part' | 'message' | 'failure' | 'attempts' | 'halts'> & {
  readonly raw?: { readonly mediaType: string; readonly base64: string }
}

const SHOWN_COLUMNS = 60
const PAGE = 500

/** Adds the command and what is below it. */
export function addDead(program: Command, { config, data }: { config: Option; data: Option }): void {
  const dead = program
    .command('dead')
    .description('show what could not be delivered, send it again, or give it up')
    .addHelpText(
      'after',
      '\nlist and show ask the running gateway; if none runs, they read its store without changing it.',
    )
  const below = (name: string, description: string, isDefault = false): Command =>
    dead.command(name, { isDefault }).description(description).addOption(config).addOption(data)
  const filtered = (command: Command): Command =>
    command
      .option('--code <code>', 'only those that failed with this code: BACKEND_FAILED')
      .option('--kind <kind>', 'only those of this kind: message, event, request')
      .option('--type <type>', 'only those of this type: order.shipped, CreateOrder')
      .option('--channel <name>', 'only those that came in by this channel')

  filtered(below('list', 'what there is, the oldest first; without any command too', true))
    .option('--limit <n>', 'at most so many (default: all)', wholeNumber)
    .option('--json', 'as JSON')
    .action(list)
  below('show', 'all of one: what it said, why it failed, every attempt, the bytes as they came')
    .argument('<id>', 'as the list shows it')
    .option('--json', 'as JSON, the bytes in base64')
    .action(show)
  below('edit', 'change one in your editor and send it again, as a new message')
    .argument('<id>', 'as the list shows it')
    .option('--file <file>', 'take the changed members from a JSON file instead')
    .addHelpText(
      'after',
      '\nThe members: type, text or parts, data, metadata, priority, expiresAt.\nWhat you delete in the editor is taken away, as is null in a file.',
    )
    .action(edit)
  filtered(below('replay', 'send again, each as a new message at the end of its conversation'))
    .argument('[id...]', 'as the list shows them')
    .option('--all', 'all of them')
    .addHelpText('after', '\nWith --code, --kind, --type or --channel: all of that kind, the oldest first.')
    .action(replay)
  filtered(below('drop', 'give up for good'))
    .argument('[id...]', 'as the list shows them')
    .option('--all', 'all of them')
    .option('--reason <text>', 'what a caller who comes again with the same id is told')
    .addHelpText('after', '\nWith --code, --kind, --type or --channel: all of that kind.')
    .action(drop)
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/u.test(text)) throw new InvalidArgumentError('wanted is a number of 1 or more')
  return Number(text)
}

async function list(options: AdminOptions & Filter & { readonly limit?: number }): Promise<void> {
  await told(async () => {
    const reader = await readerOf(options)
    const { limit = Infinity } = options
    const letters: DeadSummary[] = []
    let after: string | undefined
    do {
      const page = await reader.page({
        ...filterOf(options),
        limit: Math.min(PAGE, limit - letters.length),
        ...(after !== undefined && { after }),
      })
      letters.push(...page.letters)
      after = page.next
    } while (after !== undefined && letters.length < limit)
    if (options.json === true) console.log(asJson(letters))
    else if (letters.length === 0) console.log('Nothing is dead.')
    else
      console.log(
        table([
          ['ID', 'SINCE', 'WHAT', 'FROM', 'TRIES', 'WHY'],
          ...letters.map(({ id, at, work, kind, type, sender, channel, attempts, code, error, halts }) => [
            id,
            at,
            work === 'message' || work === 'claim' ? `${kind} ${type}` : `${work} ${type}`,
            `${sender} by ${channel}`,
            String(attempts),
            fit(`${halts ? 'HALTS ITS KEY, ' : ''}${code}: ${error}`, SHOWN_COLUMNS),
          ]),
        ]),
      )
    const isCut = after !== undefined && options.json !== true
    if (isCut) console.log(`The first ${letters.length}; there may be more.`)
  })
}

async function show(id: string, options: AdminOptions): Promise<void> {
  await told(async () => {
    const letter = await (await readerOf(options)).letter(id)
    console.log(options.json === true ? asJson(letter) : readable(letter))
  })
}

async function edit(id: string, options: AdminOptions & { readonly file?: string }): Promise<void> {
  await withGateway(options, async (admin) => {
    const content = contentOf((await fetchLetter(admin, id)).message)
    const send = async (changes: Members): Promise<void> =>
      console.log(replayedLine(await change(admin, 'replay', { id, edit: changes })))
    if (options.file === undefined) await sendEdited(id, content, send)
    else await send(changesOf(content, jsonOf(readFileSync(options.file, 'utf8'), options.file)))
  })
}

async function replay(
  ids: readonly string[],
  options: AdminOptions & Filter & { readonly all?: boolean },
): Promise<void> {
  await withGateway(options, async (admin) => {
    const isAll = areMany(ids, options)
    await oneByOne(ids, async (id) => console.log(replayedLine(await change(admin, 'replay', { id }))))
    if (isAll) await inSteps(admin, 'replay', wantedOf(options))
  })
}

async function drop(
  ids: readonly string[],
  options: AdminOptions & Filter & { readonly all?: boolean; readonly reason?: string },
): Promise<void> {
  await withGateway(options, async (admin) => {
    const isAll = areMany(ids, options)
    const reason = options.reason === undefined ? {} : { reason: options.reason }
    await oneByOne(ids, async (id) => {
      await change(admin, 'drop', { id, ...reason })
      console.log(`${id} dropped.`)
    })
    if (isAll) await inSteps(admin, 'drop', { ...wantedOf(options), ...reason })
  })
}

/** Throws `DECODE_FAILED` where it is not said which. */
function areMany(ids: readonly string[], options: Filter & { readonly all?: boolean }): boolean {
  const isAll = options.all === true || Object.keys(filterOf(options)).length > 0
  if (isAll === ids.length > 0)
    throw new GatewayError(
      'DECODE_FAILED',
      'name the ids, or a --code, --kind, --type or --channel, or --all',
    )
  return isAll
}

/**
 * One that the gateway refuses is told and stands in no other's way. A gateway that cannot be reached, takes no token, does not answer or
 * answers 5xx ends it: what it has heard it may do yet, though here it would be told as failed.
 */
async function oneByOne(ids: readonly string[], handle: (id: string) => Promise<void>): Promise<void> {
  for (const [at, id] of ids.entries()) {
    try {
      await handle(id)
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code === 'CHANNEL_GONE' || error.code === 'AUTH_FAILED')
        throw error
      const isTheEnd = error.status >= 500
      const left = isTheEnd ? ids.slice(at + 1) : []
      const untried = left.length === 0 ? '' : `; not tried: ${left.join(', ')}`
      fail(new GatewayError(error.code, `${id}: ${error.message}${untried}`, { cause: error }))
      if (isTheEnd) return
    }
  }
}

function wantedOf(options: Filter & { readonly all?: boolean }): Members {
  return { ...filterOf(options), ...(options.all === true && { all: true }) }
}

/** A call of the admin API takes some seconds at most, and how far they have come is said: on the error output, which nobody pipes on. */
async function inSteps(admin: Admin, how: 'replay' | 'drop', wanted: Members): Promise<void> {
  let count = 0
  for (let from = {}; ;) {
    const body = { ...wanted, ...from }
    const done = (await change(admin, `${how}-all`, body, LONG_MS)) as ReplayedAll | DroppedAll // our own admin API
    count += 'replayed' in done ? done.replayed : done.dropped
    for (const { id, error } of done.failed) fail(new GatewayError('INTERNAL', `${id}: ${error}`))
    if (done.next === undefined) break
    console.error(`${count} so far …`)
    from = { after: done.next, before: done.before }
  }
  console.log(`${count} ${how === 'replay' ? 'replayed' : 'dropped'}.`)
}

/** Looks without touching: at the running gateway's or, if none runs, at its store. */
interface Reader {
  page(wanted: DeadFilter & { readonly after?: string; readonly limit: number }): Promise<{
    readonly letters: readonly DeadSummary[]
    readonly next?: string
  }>
  letter(id: string): Promise<Letter>
}

async function readerOf(options: AdminOptions): Promise<Reader> {
  try {
    const admin = await adminOf(options)
    await admin('ledger') // it may have left its address behind and be gone
    return {
      page: async (wanted) => {
        const query = new URLSearchParams({ ...wanted, limit: String(wanted.limit) })
        return (await admin(`dead-letters?${query}`)) as Awaited<ReturnType<Reader['page']>> // our own admin API
      },
      letter: (id) => fetchLetter(admin, id),
    }
  } catch (error) {
    if (GatewayError.from(error).code !== 'CHANNEL_GONE') throw error
  }
  const overrides = options.data === undefined ? {} : { data: options.data }
  const config = await loadSections(configFile(options.config), overrides, ['data', 'store'])
  const read = async <T>(run: (store: Pick<Store, 'find'>) => Promise<T>): Promise<T> => {
    await using store = await openReader(config)
    return await run(store)
  }
  return {
    page: (wanted) => read((store) => listDead(store, wanted)),
    letter: async (id) => (await read((store) => showDead(store, id))) as unknown as Letter, // what the admin API would show
  }
}

async function withGateway(options: AdminOptions, run: (admin: Admin) => Promise<void>): Promise<void> {
  await told(async () => run(await adminOf(options)))
}

async function told(run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    fail(error)
  }
}

async function fetchLetter(admin: Admin, id: string): Promise<Letter> {
  return (await admin(`dead-letters?${new URLSearchParams({ id })}`)) as Letter // our own admin API
}

/** Throws as `Admin` does; where no answer came in time, with what is to be thought of it. */
async function change(admin: Admin, how: string, body: Members, limitMs?: number): Promise<unknown> {
  try {
    return await admin(`dead-letters/${how}`, {
      method: 'POST',
      body,
      ...(limitMs !== undefined && { limitMs }),
    })
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'DEADLINE_EXCEEDED') throw error
    const inDoubt = `${error.message}; it may have been done: look with "dragoman dead list"`
    throw new GatewayError('DEADLINE_EXCEEDED', inDoubt, { cause: error })
  }
}

function filterOf({ code, kind, type, channel }: Filter): Record<string, string> {
  return {
    ...(code !== undefined && { code }),
    ...(kind !== undefined && { kind }),
    ...(type !== undefined && { type }),
    ...(channel !== undefined && { channel }),
  }
}

function replayedLine(answer: unknown): string {
  const { id, as, conversation, sequence } = answer as Replayed // our own admin API
  return inLine(`${id} goes again as ${as} (${conversation} #${sequence}).`)
}

function readable({ id, at, kind, part = -1, message, failure, attempts, raw, halts }: Letter): string {
  const tries = attempts.map(({ attempt, startedAt, durationMs, target, failure: why }) => [
    `  ${attempt}`,
    startedAt,
    `${durationMs.toFixed(1)} ms`,
    target,
    why === undefined ? 'done' : `${why.code}: ${why.message}`,
  ])
  return [
    `${id}  (${kind}${part < 0 ? '' : ` of part ${part + 1} of a reply`}), dead since ${at}`,
    inLine(`${failure.code}: ${failure.message}`),
    ...(halts === true ? ['It stops the writes behind it until it is replayed, edited or dropped.'] : []),
    '',
    inLine(
      `${message.kind} "${message.type}" from ${message.sender.id} by ${message.channel}, ${message.conversation} #${message.sequence}`,
    ),
    asJson(contentOf(message)),
    '',
    'Attempts:',
    table(tries),
    ...(raw === undefined ? [] : ['', inLine(`As it came (${raw.mediaType}):`), bytesOf(raw.base64)]),
  ].join('\n')
}

/** As text where it is text; a terminal is not given control characters. */
function bytesOf(base64: string): string {
  const bytes = Buffer.from(base64, 'base64')
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    if (!CONTROL.test(text)) return inLines(text)
  } catch {
    return bytes.toString('hex') // not UTF-8
  }
  return bytes.toString('hex')
}
const CONTROL = new RegExp(String.raw`[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]`, 'u')

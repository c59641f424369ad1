// The command line: every command with the text that teaches it.
import cluster from 'node:cluster'
import { Command, InvalidArgumentError, Option } from 'commander'
import { breakerOff, breakerOn, listBreakers } from './breaker.ts'
import { dropCache, listCache } from './cache.ts'
import { addDead } from './dead/dead.ts'
import { addGenerations } from './generations/generation-commands.ts'
import { addPlugins } from './plugins/plugin-commands.ts'
import type { StartOptions } from './start/start-options.ts'
import { version } from './version.ts'

/** A command whose code is loaded when it is called: who sends one message does not wait for all of a gateway. */
function lazily<Given extends unknown[]>(load: () => Promise<(...given: Given) => unknown>) {
  return async (...given: Given): Promise<void> => {
    await (
      await load()
    )(...given)
  }
}

const program = new Command('dragoman')
  .description(
    'An integration gateway for customer-service desks: any protocol in, one message, the answer back in its own protocol.',
  )
  .version(version)
  .showHelpAfterError('(dragoman --help lists the commands)')
  .addHelpText(
    'after',
    `
Begin here:
  dragoman start                       the gateway as it comes, on this machine only
  dragoman check                       every problem of the config file, with line and column
  dragoman send "where is 000777?"     a message to the running gateway
  dragoman trace ID                    the way one message went
  dragoman new adapter NAME            a plugin to begin from, with its test

Each command explains itself: dragoman COMMAND --help`,
  )

const config = new Option(
  '-c, --config <file>',
  'the config file (default: ./gateway.yaml, else the one that comes with dragoman)',
)
const created = new Option(
  '--data <dir>',
  "the store's folder; it is created (default: what the config says)",
)
const data = new Option(
  '--data <dir>',
  "the store's folder, by which a running gateway is found too (default: what the config says)",
)

program
  .command('start')
  .description('start the gateway; it runs until SIGTERM or Ctrl-C, and finishes what it has begun')
  .addOption(config)
  .addOption(created)
  .option('--port <n>', 'the HTTP port, 0 for any free one (default: what the config says, else 8080)', port)
  .option('--mqtt-port <n>', 'the MQTT port, 0 for any free one; ignored without an MQTT channel', port)
  .option('--use-moved-store', 'start on a store that `dragoman migrate` has moved elsewhere')
  .option(
    '--confirm-clock-jump',
    'the wall clock is right: let the store clock, which is behind it, go on to it',
  )
  .option('--workers <n>', 'so many processes that share the ports; needs Redis (store.url)', workers)
  .addHelpText(
    'after',
    `
When it is ready it prints one JSON line with its ports, then a command to paste for each channel.
SIGHUP, or saving the file, loads the config again; a file with a mistake changes nothing.
SIGTERM and Ctrl-C end it within 10 s, however often they come; while it starts, at once.
Logs are JSON lines on the standard error output.

With --workers a supervisor holds the ports, hands each connection to a worker in turn, and starts again what dies.
SIGUSR2 to it replaces the workers one after another, with nobody refused.`,
  )
  .action(async (options: StartOptions & { readonly workers?: number }) => {
    if (options.workers !== undefined && cluster.isPrimary)
      await (await import('./workers/supervisor.ts')).supervise({ ...options, workers: options.workers })
    else await (await import('./start/start.ts')).start(options)
  })

program
  .command('check')
  .description(
    'read the config and its plugins and name every problem at once: file:line:column: what is wrong',
  )
  .argument('[file]', 'the config file, as --config names it')
  .addOption(config)
  .action(lazily(async () => (await import('./check.ts')).check))

program
  .command('map')
  .description('take one captured request through the gateway, stage by stage; nobody is called')
  .argument('<file>', 'a raw HTTP request: head, blank line, body')
  .addOption(config)
  .option('--answer <file>', 'what the business system answers: a raw HTTP response, or its body (JSON, XML)')
  .option('--json', 'as JSON')
  .addHelpText(
    'after',
    `
It shows what is decoded, which route takes it and why, the request that would go out exactly as it would go,
an answer (yours, or a sample by the schema) and what the caller would get. Then it follows each value: where it
goes, and which are lost or changed on the way. No connection is opened and no store is written.

What a proxy or tcpdump has captured is such a file; one written by hand does as well:

  printf 'POST /v1/requests/GetOrder HTTP/1.1\\ncontent-type: application/json\\n\\n{"orderNo":"000777"}' > order.http
  dragoman map order.http

The exit status is 1 where the request does not get through. Secrets are shown as ***. Plugins run their own code.`,
  )
  .action(lazily(async () => (await import('./map/map.ts')).map))

const demonstration = program
  .command('demo')
  .description('play a WeChat conversation without an account: the platform simulated, the gateway real')
  .addHelpText(
    'after',
    `
It starts a gateway of its own in a temporary folder, lets a customer write, and shows what he gets: in the response
to the push where the bot is quick, by the customer-service API where it is slow. At a terminal you may go on yourself.`,
  )
  .action(async () => (await import('./demo/demo.ts')).demo({}))
demonstration
  .command('subway')
  .description(
    'a customer in the subway: links fail and change, app and gateway are killed, every message arrives once',
  )
  .option('--seconds <n>', 'how long the ride takes', rideSeconds, 45)
  .addHelpText(
    'after',
    `
It starts a gateway of its own in a temporary folder, a bot that counts, and an app made of dragoman/client behind three
lines that go silent, dark and down. The counts of lost, doubled and out of order stay at 0, else the exit status is 1.`,
  )
  .action(lazily(async () => (await import('./demo/subway/story.ts')).subway))

program
  .command('schema')
  .description('print the JSON Schema of the config file, for editors')
  .addOption(config)
  .addHelpText(
    'after',
    `
The config of its plugins is in it too. For an editor that checks YAML (VS Code with the YAML extension, JetBrains):

  dragoman schema > gateway.schema.json

and as the first line of gateway.yaml:

  # yaml-language-server: $schema=gateway.schema.json`,
  )
  .action(lazily(async () => (await import('./schema.ts')).schema))

program
  .command('send')
  .description('send a message to the running gateway by its REST channel and print the answer')
  .argument('<text>', 'what the customer says')
  .option('--sender <id>', 'who says it', 'guest')
  .option('--wait <seconds>', 'how long to wait for the answer, at most 60', seconds, 10)
  .option('--url <url>', 'the gateway', 'http://127.0.0.1:8080')
  .option('--token <token>', 'the bearer token, where the gateway asks for one')
  .action(lazily(async () => (await import('./send.ts')).send))

program
  .command('trace')
  .description("show one message's way, step by step")
  .argument('<id>', "the message's id, as the gateway answered it")
  .addOption(config)
  .addOption(data)
  .option('--json', 'as JSON')
  .addHelpText('after', '\nAsks the running gateway; if none runs, reads its store without changing it.')
  .action(lazily(async () => (await import('./trace.ts')).trace))

const cache = program
  .command('cache')
  .description('show and forget the last good answers, which stand in for a system that is down')
cache
  .command('list', { isDefault: true })
  .description('how many there are, by operation; without any command too')
  .addOption(config)
  .addOption(data)
  .option('--json', 'as JSON')
  .action(listCache)
cache
  .command('drop')
  .description('forget the answers of an operation, or those of one set of parameters')
  .argument('<backend>', "the backend's name in the config")
  .argument('<operation>', "the operation's name")
  .addOption(config)
  .addOption(data)
  .option('--params <json>', 'only the answers to these parameters, for whomever they are')
  .action(dropCache)

program
  .command('top')
  .description('show what flows, what is broken, what waits: live, until you interrupt it')
  .option('--every <duration>', 'how often: 500ms, 1s, 5s', '1s')
  .option('--once', 'one screen, over the time of --every')
  .option('--json', 'the counters since the start, as JSON, once')
  .addOption(config)
  .addOption(data)
  .action(lazily(async () => (await import('./screens/top.ts')).top))

program
  .command('cluster')
  .description(
    'show the instances that share one Redis: what each runs, holds and has refused; live, until you interrupt it',
  )
  .option('--every <duration>', 'how often: 500ms, 1s, 5s', '1s')
  .option('--once', 'one screen')
  .option('--json', 'as JSON, once')
  .addOption(config)
  .addOption(data)
  .addHelpText(
    'after',
    `
Any instance shows all of them: of this machine's workers as of others. PARTITIONS are shares of the conversations; LAG is
how late an instance's event loop comes round. CONFIG differs where files or plugins differ; RELOAD says which change was
refused, and below the table stands why.`,
  )
  .action(lazily(async () => (await import('./screens/cluster.ts')).cluster))

const breaker = program
  .command('breaker')
  .description('show which business systems and agents are called and which are not; take one out of service')
breaker
  .command('list', { isDefault: true })
  .description('how each breaker stands, since when and why; without any command too')
  .addOption(config)
  .addOption(data)
  .option('--json', 'as JSON')
  .action(listBreakers)
breaker
  .command('off')
  .description('refuse all calls for a time; what can be answered from the cache still is')
  .argument('<name>', 'orders.GetOrder; or orders, for all of its operations')
  .requiredOption('--reason <text>', 'why: whoever comes next reads it')
  .option('--for <duration>', 'how long: 30m, 2h, 1d; at most 7d', '1h')
  .addOption(config)
  .addOption(data)
  .action(breakerOff)
breaker
  .command('on')
  .description('let calls through again')
  .argument('<name>', 'as it was put off')
  .addOption(config)
  .addOption(data)
  .action(breakerOn)

program
  .command('migrate')
  .description('move the store from its folder to Redis, or back; no gateway may run meanwhile')
  .requiredOption(
    '--from <place>',
    'a data folder, redis://HOST:PORT, or "store": the store.url of the config',
  )
  .requiredOption('--to <place>', 'a folder or a Redis as well, with no store in it yet')
  .addOption(config)
  .addHelpText(
    'after',
    `
Everything goes with it: logs with their numbers, inboxes, devices, claims and their answers, unfinished work, dead
letters, values. Stopped at any moment, the same command goes on where it was. At the end both sides are read and
compared; then the one it came from is marked, and no gateway starts there by mistake.
With --config or "store", store.tls and store.sentinel of the config are used. What stands on a command
line, everybody on the machine can see: where the address has a password, put it into the config and name "store".`,
  )
  .action(lazily(async () => (await import('./migrate.ts')).migrate))

program
  .command('backup')
  .description('copy the store into a folder, whole and checked; the gateway may go on running')
  .argument('<folder>', 'a new folder: a gateway can start on it with --data')
  .addOption(config)
  .addOption(data)
  .addHelpText(
    'after',
    `
The copy is the store of one moment: every message acknowledged before it is in it. Copying dragoman.db by other means
while a gateway runs gives a damaged file. A gateway that starts on a copy has its clients begin their inboxes anew.`,
  )
  .action(lazily(async () => (await import('./backup.ts')).backup))

addDead(program, { config, data })
addPlugins(program, { config, data })
addGenerations(program, { config, data })

teachHelp(program)

/** Runs what the command line says. */
export async function run(): Promise<void> {
  await program.parseAsync()
}

/** Who got a command's words wrong is sent to that command's own help. */
function teachHelp(command: Command, words = ''): void {
  for (const below of command.commands) {
    const path = `${words} ${below.name()}`
    below.showHelpAfterError(`(dragoman${path} --help explains it)`)
    teachHelp(below, path)
  }
}

function port(text: string): number {
  const number = Number(text)
  if (!/^\d+$/u.test(text) || number > 65_535)
    throw new InvalidArgumentError('a port is a number from 0 to 65535')
  return number
}

function workers(text: string): number {
  if (!/^\d+$/u.test(text) || Number(text) < 1 || Number(text) > 128)
    throw new InvalidArgumentError('a number of processes from 1 to 128; one for each core is enough')
  return Number(text)
}

function seconds(text: string): number {
  if (!/^\d+$/u.test(text) || Number(text) > 60)
    throw new InvalidArgumentError('a number of seconds from 0 to 60')
  return Number(text)
}

function rideSeconds(text: string): number {
  if (!/^\d+$/u.test(text) || Number(text) < 5 || Number(text) > 600)
    throw new InvalidArgumentError('a number of seconds from 5 to 600')
  return Number(text)
}

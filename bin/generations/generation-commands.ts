// The commands of generations: `plan`, `rollback`.
import { InvalidArgumentError } from 'commander'
import type { Command } from 'commander'
import type { SharedOptions } from '../plugins/plugin-commands.ts'
import type { PlanOptions } from './plan.ts'
import type { RollbackOptions } from './rollback.ts'

export function addGenerations(program: Command, { config, data }: SharedOptions): void {
  program
    .command('plan')
    .description('show what a change of the config or of plugins would start, replace, stop and keep')
    .addOption(config)
    .addOption(data)
    .option('--exit-code', 'exit status 2 where something would change')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
It compares the file with what the gateway runs whose data the file (or --data) names; if none runs, everything starts.
A running gateway takes a saved file over at once: give it the next one beside it, as in

  dragoman plan --config next.yaml

Nothing is changed, no component is started. Plugins are loaded, each in a worker, to ask their schemas. Variables have
their values from this command's environment.

Exit status 0: it can be taken over. 1: it cannot, and what is wrong is told as "dragoman check" tells it.`,
    )
    .action(async (options: PlanOptions) => {
      const { plan } = await import('./plan.ts')
      await plan(options)
    })

  program
    .command('rollback')
    .description('go back: the generation before, or an earlier one, runs again')
    .argument('[generation]', 'its number in the list (default: the one that ran before)', number)
    .addOption(config)
    .addOption(data)
    .option('--list', 'the last five generations: since when, and what had changed')
    .option('--release', 'load what the files say now')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Config, files it names and plugins are those of that time; secrets come from the environment, keys and certificates from
their files. The files themselves stay as they are: it goes on, also after a restart, until one of them changes.`,
    )
    .action(async (generation: number | undefined, options: RollbackOptions) => {
      const { rollback } = await import('./rollback.ts')
      await rollback(generation, options)
    })
}

function number(text: string): number {
  if (!/^[1-9]\d{0,8}$/u.test(text)) throw new InvalidArgumentError('a generation is a whole number from 1')
  return Number(text)
}

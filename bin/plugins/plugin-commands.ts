// The commands of plugins: `plugins`, `plugins restart`, `plugins lock`, `plugins test`, `new adapter`.
import type { Command, Option } from 'commander'
import { newAdapter } from './new-adapter.ts'
import { listPlugins, lockPlugins, restartPlugin, testPlugins } from './plugins.ts'

export interface SharedOptions {
  readonly config: Option
  readonly data: Option
}

export function addPlugins(program: Command, { config, data }: SharedOptions): void {
  const plugins = program
    .command('plugins')
    .description('show how the plugins stand; restart, lock and test them')
  plugins
    .command('list', { isDefault: true })
    .description(
      'how each plugin stands: its version, its calls, its last failure with file and line; without any command too',
    )
    .addOption(config)
    .addOption(data)
    .option('--json', 'as JSON')
    .action(listPlugins)
  plugins
    .command('restart')
    .description('a fresh worker, and another try for a version that was refused; lifts a quarantine')
    .argument('<name>', 'of its file or folder, without the ending')
    .addOption(config)
    .addOption(data)
    .action(restartPlugin)
  plugins
    .command('lock')
    .description('allow what lies in the folder now, by name and SHA-256, and nothing else')
    .addOption(config)
    .option('--print', 'print the names and hashes, change nothing')
    .addHelpText(
      'after',
      '\nIt writes plugins.allow of the config file; comments stay. After a change of a plugin run it again.',
    )
    .action(lockPlugins)
  plugins
    .command('test')
    .description('run the tests that lie beside the plugins: NAME.test.ts, or NAME/index.test.ts')
    .argument('[name]', 'only those of one plugin')
    .option('--plugins <dir>', "where they lie (default: the config's plugins folder)")
    .addOption(config)
    .addHelpText('after', '\nThey are run by vitest: npm install --save-dev vitest')
    .action(testPlugins)

  program
    .command('new')
    .description('begin a plugin of your own: dragoman new adapter NAME')
    .command('adapter')
    .description('write a plugin with its test and its README; the test passes at once')
    .argument('<name>', "the protocol's noun: lower case letters, digits, hyphens")
    .option('--backend', 'it faces a business system (the default)')
    .option('--channel', 'it faces callers')
    .option('--agent', 'it answers customers')
    .option('--plugins <dir>', "where it is written (default: the config's plugins folder)")
    .addOption(config)
    .action(newAdapter)
}

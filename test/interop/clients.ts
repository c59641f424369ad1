// Real SOAP clients of other people's making, as programs: what they and the servers need, how they are called, what they observed.
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const fixtures = join(import.meta.dirname, '../fixtures/interop')
const wsdls = join(import.meta.dirname, '../fixtures/soap/wsdl')

export type Stack = 'zeep' | 'php' | 'soaplite' | 'jaxws'
/** Behind the gateway; PHP is there too. */
export type ServerStack = 'gsoap' | 'axis'
type Installed = Stack | ServerStack

interface Need {
  /** What a person installs. */
  readonly packages: string
  readonly command: string
  readonly args: readonly string[]
}

// Debian's own Python: another one on the PATH does not see Debian's packages.
const PYTHON = '/usr/bin/python3'

const needs: Readonly<Record<Installed, Need>> = {
  zeep: { packages: 'python3-zeep', command: PYTHON, args: ['-c', 'import zeep; print(zeep.__version__)'] },
  php: {
    packages: 'php-cli php-soap php-xml',
    command: 'php',
    args: ['-r', 'new ReflectionClass("SoapClient"); echo PHP_VERSION;'],
  },
  soaplite: {
    packages: 'libsoap-lite-perl',
    command: 'perl',
    args: ['-MSOAP::Lite', '-e', 'print $SOAP::Lite::VERSION'],
  },
  jaxws: {
    packages: 'openjdk-17-jdk-headless jaxws libjaxws-java libsaaj-java',
    command: 'sh',
    args: ['-c', 'command -v javac wsimport >/dev/null && test -e /usr/share/java/jaxws-rt.jar'],
  },
  gsoap: {
    packages: 'gsoap libgsoap-dev g++',
    command: 'sh',
    args: ['-c', 'command -v wsdl2h soapcpp2 g++ >/dev/null && test -e /usr/include/stdsoap2.h'],
  },
  axis: {
    packages: 'openjdk-17-jdk-headless libaxis-java',
    command: 'sh',
    args: ['-c', 'command -v javac >/dev/null && test -e /usr/share/java/axis.jar'],
  },
}

function available({ command, args }: Need): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

const missing = new Set((Object.keys(needs) as Installed[]).filter((stack) => !available(needs[stack]))) // its own keys

function packagesFor(stacks: readonly Installed[]): string {
  const lacking = stacks.filter((stack) => missing.has(stack))
  return lacking.map((stack) => needs[stack].packages).join(' ')
}

/** Whether a test of these stacks has to be skipped: one is not installed, and this is not CI, where that is a failure. */
export function skipped(...stacks: readonly Installed[]): boolean {
  return packagesFor(stacks) !== '' && process.env['CI'] !== 'true'
}

/** Why, for the test's name. */
export function why(...stacks: readonly Installed[]): string {
  const packages = packagesFor(stacks)
  return packages === '' ? '' : ` (needs the Debian packages ${packages})`
}

/** Runs a program to its end. Rejects with all it wrote if it fails or takes longer than `ms`. */
export function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly ms?: number; readonly input?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      [...args],
      { timeout: options.ms ?? 120_000, maxBuffer: 16 * 1024 * 1024, encoding: 'utf8' },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new Error(`${command} ${args.join(' ')}\n${stderr}\n${stdout}`, { cause: error }))
      },
    )
    child.stdin?.end(options.input ?? '')
  })
}

export interface Run {
  readonly stack: Stack
  readonly service: 'orders' | 'legacy'
  /** The address, without `?wsdl`. */
  readonly address: string
  readonly version?: '11' | '12'
  /** The namespace of XML Schema that SOAP::Lite is told to speak. */
  readonly schema?: string
}

/** Runs one client of the kit through all its cases. Resolves with each case's verdict: `ok`, or what was wrong. */
export async function runClient(run: Run, jaxws: Build): Promise<Record<string, string>> {
  const printed = await runProgram(...(await commandOf(run, jaxws)))
  const verdicts: unknown = JSON.parse(
    await runProgram(process.execPath, [join(fixtures, 'expected/verify.mjs'), run.service, '--json'], {
      input: printed,
    }),
  )
  return Object.fromEntries(
    // verify.mjs prints { case: [verdict, detail] }
    Object.entries(verdicts as Record<string, readonly string[]>).map(([name, [verdict, detail]]) => [
      name,
      [verdict, detail].filter((word) => word !== '').join(' '),
    ]),
  )
}

async function commandOf(run: Run, jaxws: Build): Promise<[string, string[]]> {
  const { stack, service, address, version = '11', schema = '' } = run
  const wsdl = `${address}?wsdl`
  const port = `OrderPort${version}`
  switch (stack) {
    case 'zeep':
      return [
        PYTHON,
        [join(fixtures, 'clients/zeep_client.py'), service, wsdl, ...(service === 'orders' ? [port] : [])],
      ]
    case 'php':
      return ['php', [join(fixtures, 'clients/php_client.php'), service, wsdl, version]]
    case 'soaplite':
      return ['perl', [join(fixtures, 'clients/soaplite_client.pl'), service, address, version, schema]]
    case 'jaxws':
      return ['java', ['-cp', await classPathOf(jaxws), 'JaxwsClient', service, wsdl, port]]
  }
}

/** The cases a client of this service runs. */
export function casesOf(service: Run['service']): readonly string[] {
  const all: unknown = JSON.parse(readFileSync(join(fixtures, 'expected/cases.json'), 'utf8'))
  return Object.keys(all as object).filter((name) => name.startsWith(service === 'orders' ? 'C' : 'R')) // an object of cases
}

export interface Build extends AsyncDisposable {
  /** The folder with what was built, once it is. */
  readonly folder: () => Promise<string>
}

/** Runs a build script of the fixtures (`build.sh WSDL-FOLDER OUT-FOLDER`) when its folder is first asked for. */
export function buildOf(script: string): Build {
  let folder: string | undefined
  let built: Promise<string> | undefined
  const build = async (): Promise<string> => {
    folder = await mkdtemp(join(tmpdir(), 'interop-'))
    await runProgram('bash', [join(fixtures, script), wsdls, folder], { ms: 240_000 })
    return folder
  }
  return {
    folder: () => (built ??= build()),
    async [Symbol.asyncDispose]() {
      if (folder !== undefined && existsSync(folder)) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The class path a build wrote down. */
export async function classPathOf(build: Build): Promise<string> {
  return readFile(join(await build.folder(), 'cp.txt'), 'utf8')
}

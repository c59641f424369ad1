// A worker of the crew's tests: what it is told to do is in its environment.
import cluster from 'node:cluster'

/** Its sections are one word: what the file says. */
interface Fixed {
  readonly file: string
}
type ToWorker = { readonly kind: string; readonly like?: Fixed; readonly beside?: Fixed }

const READY = { kind: 'ready', file: 'gateway.yaml', origin: 'http://127.0.0.1:1', http: 1, hints: [] }
const say = (message: object): void => void process.send?.(message)
switch (process.env['CREW_CHILD']) {
  case 'dies':
    process.exit(3)
    break
  case 'hangs':
    process.on('message', () => undefined) // it stays, and never says that it is ready
    break
  case 'refuses':
    process.stderr.write('dragoman: it cannot be\n')
    process.exit(78)
    break
  default:
    let runs = ''
    process.stderr.write(`worker ${process.env['DRAGOMAN_WORKER']} speaks\n`)
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
    process.on('message', (message: ToWorker) => {
      if (message.kind === 'leave') process.exit(0)
      if (message.kind !== 'begin') return
      const { like, beside } = message
      const file = like?.file ?? process.env['CREW_FILE']
      if (file !== undefined) runs = `it runs with ${file}`
      if (runs !== '')
        process.stderr.write(`${runs}${beside === undefined ? '' : ` beside ${beside.file}`}\n`)
      say({ ...READY, fixed: { file } })
    })
    process.on('SIGTERM', () => process.exit(0))
    process.on('SIGHUP', () => {
      process.stderr.write(`worker ${process.env['DRAGOMAN_WORKER']} loads again\n`)
      if (runs !== '') process.stderr.write(`${runs}\n`)
    })
}

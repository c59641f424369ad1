// A standard output that nobody can take: a gateway goes on without it, a command ends and does not pretend that it has said something.

/** To be called once, with the words of the command line, before anything is written. */
export function watchOutput(words: readonly string[]): void {
  if (words[0] === 'start') {
    process.stdout.on('error', () => undefined) // what it says there stands in its log, or can be asked
    return
  }
  let isEnding = false
  const ended = (error: NodeJS.ErrnoException | null): void => {
    if (isEnding || error === null) return
    isEnding = true
    if (error.code === 'EPIPE') return // whoever read it has seen enough
    console.error(`dragoman: the output cannot be written: ${error.message}`)
    process.exitCode = 1
  }
  process.stdout.on('error', (error) => {
    if (isEnding) return
    ended(error)
    // A demonstration has processes of its own to end.
    if (!process.emit('SIGINT')) process.exit()
  })
  // Who exits at once does not hear of it before.
  process.once('exit', () => ended(process.stdout.errored))
}

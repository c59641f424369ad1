// Preloaded into a measured process, with --expose-gc: on SIGUSR2 it collects all it can, so that what is measured is what is kept: no garbage,
// and no young generation that V8 has let grow to its full size for a burst of connections.
const AGAIN_MS = 500

function collect(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}

process.on('SIGUSR2', () => {
  collect()
  setTimeout(collect, AGAIN_MS) // what was held weakly goes with the second
})

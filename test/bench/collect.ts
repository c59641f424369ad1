// Preloaded into a measured process, with --expose-gc: on SIGUSR2 it collects, so that what is measured is what is kept.
process.on('SIGUSR2', () => {
  globalThis.gc?.()
})

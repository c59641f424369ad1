#!/usr/bin/env node
// What is run first, by whatever Node there is: it says which one is needed where that one is too old. So it is JavaScript.
const NEEDED = 24
const version = process.versions.node

if (Number(version.split('.')[0]) < NEEDED) {
  process.stderr
    .write(`dragoman: Node ${NEEDED} or later is needed, and this is Node ${version} (${process.execPath}).
Install it from https://nodejs.org or by your version manager (nvm install ${NEEDED}), then try again.
In a checkout, npm brings its own: npm start, or npm run dragoman -- COMMAND.
`)
  process.exitCode = 1
} else {
  await import('./dragoman.ts')
}

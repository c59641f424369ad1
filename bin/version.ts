// The version, as package.json has it.
import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'

// Looked for, not imported: beside bin in a checkout, further up in the package that was built of it.
const manifest = findPackageJSON(import.meta.url)
if (manifest === undefined) throw new Error('there is no package.json above bin')

export const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string } // as npm has it

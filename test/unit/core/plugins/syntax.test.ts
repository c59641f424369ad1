// Node's rule for a file that no package.json speaks of: its syntax says what it is.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import { temporaryDirectory } from '../../../support/gateway.ts'

test('a .js file is a module if its syntax says so, wherever import and export stand; else CommonJS', async () => {
  const body = 'apiVersion:1,agent:{config:z.strictObject({}),create:()=>({})}})'
  const root = await temporaryDirectory()
  onTestFinished(async () => rm(root, { recursive: true }))
  const files = {
    'minified.js': `var m=Object.create;import{defineAdapter as d}from"dragoman";import{z}from"zod";var a=d({name:'minified',${body};export{a as default};`,
    'licensed.js': `/*! MIT, import what you like */import{defineAdapter as d}from"dragoman";import{z}from"zod";export default d({name:'licensed',${body}`,
    'required.js': `#!/usr/bin/env node
      /* export default is for others
      import nothing from 'nowhere' */
      const { defineAdapter } = require('dragoman')
      const { z } = require('zod')
      module.exports = defineAdapter({ name: 'required', ${body}`,
    'awaited/index.js': `import './helper.js'
      import { defineAdapter } from 'dragoman'
      import { z } from 'zod'
      export default defineAdapter({name:'awaited',${body}`,
    'awaited/helper.js':
      "const path = await import('node:path')\nif (path.sep !== '/') throw new Error('no')",
    'awaited/package.json': '{"type":"module"}',
    // As tsc and esbuild write `export default` in CommonJS.
    'compiled.js': `"use strict";
      Object.defineProperty(exports, "__esModule", { value: true });
      const dragoman_1 = require("dragoman");
      const { z } = require("zod");
      exports.default = (0, dragoman_1.defineAdapter)({ name: 'compiled', ${body};`,
    'bundled.js': `"use strict";
      var name = (at, member, get) => Object.defineProperty(at, member, { get, enumerable: true });
      module.exports = name(Object.defineProperty({}, "__esModule", { value: true }), "default", () => bundle_default);
      var import_dragoman = require("dragoman");
      var { z } = require("zod");
      var bundle_default = (0, import_dragoman.defineAdapter)({ name: 'bundled', ${body};`,
    // As tsc writes `export const name`, without a default.
    'exported.js': `"use strict";
      Object.defineProperty(exports, "__esModule", { value: true });
      exports.agent = exports.apiVersion = exports.name = void 0;
      const zod_1 = require("zod");
      exports.name = 'exported';
      exports.apiVersion = 1;
      exports.agent = { config: zod_1.z.strictObject({}), create: () => ({}) };`,
    'instance.js': `const { z } = require('zod')
      class Shop {
        get name() { return 'instance' }
        get apiVersion() { return 1 }
        get agent() { return { config: z.strictObject({}), create: () => ({}) } }
      }
      module.exports = new Shop()`,
    'hidden.js': `const { z } = require('zod')
      const agent = { config: z.strictObject({}), create: () => ({}) }
      Object.defineProperties(module.exports, { name: { value: 'hidden' }, apiVersion: { value: 1 }, agent: { value: agent } })`,
    'strict.js': `import { defineAdapter } from 'dragoman'
      import { z } from 'zod'
      const found = [typeof require, typeof module, typeof exports, typeof __filename, typeof __dirname]
      if (found.some((kind) => kind !== 'undefined')) throw new Error('CommonJS in a module: ' + found)
      export default defineAdapter({ name: 'strict', ${body}`,
    'broken/index.js': "require('./helper.js')",
    'broken/helper.js': 'module.exports = {\n  a: ]\n}',
  }
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
  await using set = new Plugins({ log: { child: () => noLog }, builtIn: [] })
  const { plugins } = await set.load({ directory: root })
  const failures = plugins.flatMap(({ name, failure }) =>
    failure === undefined ? [] : [[name, failure.message]],
  )
  expect(failures).toEqual([['broken', expect.stringMatching(/^broken\/helper\.js:2: Unexpected token/)]])
  expect(plugins.flatMap(({ adapter }) => adapter?.name ?? [])).toEqual([
    'awaited',
    'bundled',
    'compiled',
    'exported',
    'hidden',
    'instance',
    'licensed',
    'minified',
    'required',
    'strict',
  ])
})

test('what is CommonJS where a module is, or a module where CommonJS is, is refused with line and cure', async () => {
  const root = await temporaryDirectory()
  onTestFinished(async () => rm(root, { recursive: true }))
  const files: Readonly<Record<string, readonly [text: string, problem: RegExp]>> = {
    'bundle.js': [
      `throw Error('Dynamic require of "events" is not supported')`,
      /^bundle\.js:1: .*Dynamic require.*--format=cjs/u,
    ],
    'empty.js': ['', /^empty\.js: it has no default export: add/u],
    'folder.ts': ['export default __dirname', /^folder\.ts:1: .*: write `import\.meta\.dirname`$/u],
    'module.ts': ['module.exports = {}', /^module\.ts:1: .*: write `export default`$/u],
    'named.js': [
      "Object.defineProperty(exports, '__esModule', { value: true })\nexports.adapter = 1",
      /^named\.js: it has no default export/u,
    ],
    'outside.ts': [
      `import { createRequire } from 'node:module'\nexport default createRequire('/')('dragoman')`,
      /^outside\.ts:2: it asks for "dragoman" from outside.*write `import … from 'dragoman'`/u,
    ],
    'require.ts': [
      "\nconst { defineAdapter } = require('dragoman')\nexport default defineAdapter({})",
      /^require\.ts:2: .*require is not defined.*: write `import … from`$/u,
    ],
  }
  for (const [name, [text]] of Object.entries(files)) await writeFile(join(root, name), text)
  await using set = new Plugins({ log: { child: () => noLog }, builtIn: [] })
  const { plugins } = await set.load({ directory: root })
  expect(plugins.map(({ failure }) => failure?.message)).toEqual(
    Object.values(files).map(([, problem]) => expect.stringMatching(problem)),
  )
})

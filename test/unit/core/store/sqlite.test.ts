// The embedded store passes the shared suite.
import { testStore } from '../../../conformance/store.ts'
import { SqliteHarness } from './sqlite-harness.ts'

testStore('sqlite', () => SqliteHarness.make())

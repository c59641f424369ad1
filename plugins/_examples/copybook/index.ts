// Records of COBOL programs, described by their copybooks: to a policy system over TCP, and from one by TCP, files and HTTP.
import { defineAdapter } from 'dragoman'
import { backend } from './backend.ts'
import { channel } from './channel.ts'

export default defineAdapter({ name: 'copybook', apiVersion: 1, backend, channel })

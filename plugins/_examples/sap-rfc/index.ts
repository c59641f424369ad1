// SAP without SAP's libraries: function modules over SOAP-RFC and IDocs as XML, both ways.
import { defineAdapter } from 'dragoman'
import { backend } from './backend.ts'
import { channel } from './channel.ts'

export default defineAdapter({ name: 'sap-rfc', apiVersion: 1, backend, channel })

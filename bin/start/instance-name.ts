// What an instance is called by people: its machine or pod, and which of the workers there it is.
import { hostname } from 'node:os'

/** `desk-7f9c`, `desk-7f9c/2`. In Kubernetes the host name is the pod's. */
export function instanceName(worker?: number): string {
  return worker === undefined ? hostname() : `${hostname()}/${worker}`
}

// A component as the core makes it: with what its schema has made of the config. Throws what the schema says.
import type { Component, Scope } from '../../core/api.ts'

export function createFrom<T>(component: Component<T> | undefined, config: unknown, scope: Scope): T {
  if (component === undefined) throw new Error('the adapter does not offer this')
  const result = component.config['~standard'].validate(config)
  if (result instanceof Promise) throw new Error('its schema takes time')
  if (result.issues !== undefined) throw new Error(result.issues.map(({ message }) => message).join('; '))
  return component.create(result.value, scope)
}

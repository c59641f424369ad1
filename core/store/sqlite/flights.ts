// Messages whose first attempt `accept` began, while nothing has touched their rows since: their settle knows them without looking.
import type { Target } from './targets.ts'

/** Whoever changes a row of work says so first; then its settle looks again. Emptied with the rest of memory after a rollback. */
export class Flights {
  readonly #byMessage = new Map<string, Target>()
  readonly #messages = new Map<number, string>()

  /** After the operation's last statement. */
  began(message: string, flight: Target): void {
    this.#byMessage.set(message, flight)
    this.#messages.set(flight.id, message)
  }

  of(message: string): Target | undefined {
    return this.#byMessage.get(message)
  }

  touched(id: number): void {
    const message = this.#messages.get(id)
    if (message === undefined) return
    this.#messages.delete(id)
    this.#byMessage.delete(message)
  }
}

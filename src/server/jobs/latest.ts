/**
 * One piece of work for many who ask. Each gets the result of a run that began after he asked, so that nobody is told what was
 * true before he was woken; all who ask while one is running share the next one.
 */
export class Latest<T> {
  readonly #work: () => Promise<T>
  #running: Promise<T> | null = null
  #next: Promise<T> | null = null

  constructor(work: () => Promise<T>) {
    this.#work = work
  }

  get idle(): boolean {
    return this.#running === null && this.#next === null
  }

  get(): Promise<T> {
    if (this.#running === null) return this.#run()
    this.#next ??= this.#running.then(
      () => this.#runNext(),
      () => this.#runNext(),
    )
    return this.#next
  }

  #runNext(): Promise<T> {
    this.#next = null
    return this.#run()
  }

  #run(): Promise<T> {
    const running = this.#work().finally(() => {
      this.#running = null
    })
    this.#running = running
    return running
  }
}

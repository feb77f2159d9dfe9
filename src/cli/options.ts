import { type Command, Help, InvalidArgumentError } from 'commander'

/** For options that may be repeated. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value]
}

/** An action that answers the exit code of the command. */
// biome-ignore lint/suspicious/noExplicitAny: commander hands over arguments and options untyped; each command types its own
export function exit(action: (...args: any[]) => Promise<number>) {
  return async (...args: unknown[]) => {
    process.exitCode = await action(...args)
  }
}

/** For commands that speak with a server itself, and never through a courier. */
export function server(command: Command): Command {
  return command.option('--server <url>', 'the server (default: WRIT_ADDR)').option('--json', 'print JSON')
}

/** A whole number, within bounds. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(
        `It is not a whole number from ${min}${max < Number.MAX_SAFE_INTEGER ? ` to ${max}` : ' on'}.`,
      )
    return value
  }
}

/** A number that may have a fraction. */
export function number(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('It is not a number.')
  return Number(text)
}

/** What commander says of a wrong command line looks as our own errors do, and is thrown instead of ending the process. */
export function sayProblemsAs(writ: Command): void {
  writ.exitOverride().configureOutput({
    outputError: (text, write) => write(text.replace(/^error: /, 'writ: ')),
  })
}

/** In the help: without a default that is an empty list, of an option that may be repeated. Before the commands are added, which take it over. */
export function sayNoEmptyDefaults(writ: Command): void {
  const usual = new Help()
  writ.configureHelp({
    optionDescription: option => {
      const empty = Array.isArray(option.defaultValue) && option.defaultValue.length === 0
      return empty ? option.description : usual.optionDescription(option)
    },
  })
}

/** Each command's own help is the next thing to try. */
export function helpIsNext(command: Command, path = command.name()): void {
  command.showHelpAfterError(`next: ${path} --help`)
  for (const sub of command.commands) helpIsNext(sub, `${path} ${sub.name()}`)
}

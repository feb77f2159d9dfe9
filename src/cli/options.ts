import type { Command } from 'commander'

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

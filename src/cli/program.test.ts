import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { program } from './program.ts'

const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)]

test.each(all(program()).map(command => [command.name(), command] as const))(
  '%s: what --help says',
  (_name, command) => {
    const help = command.helpInformation()
    // a list that is empty unless somebody adds to it
    expect(help).not.toContain('[])')
    expect(command.description()).not.toBe('')
    for (const option of command.options) expect(option.description, option.flags).not.toBe('')
  },
)

import type { Command } from 'commander'
import { bashScript } from '../completion/bash.ts'
import { fishScript } from '../completion/fish.ts'
import type { Shell } from '../completion/shells.ts'
import { treeOf } from '../completion/tree.ts'
import { zshScript } from '../completion/zsh.ts'

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const

/** Prints the script that completes the commands and options of this version. */
export function completion(shell: Shell, program: Command): void {
  process.stdout.write(SCRIPTS[shell](treeOf(program)))
}

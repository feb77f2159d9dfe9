/** As one word of sh, bash and zsh, whatever is in it. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** As `quote`, and as it is where no shell would act upon it. */
export function quoted(text: string): string {
  return /^[\w.:/@+-]+$/.test(text) ? text : quote(text)
}

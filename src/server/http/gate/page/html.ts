/** Text that is HTML already. */
class Html {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

export type { Html }

type Part = string | number | Html | readonly Html[] | null

/** A template whose values are escaped, unless they were made by this very function. */
export function html(texts: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(texts.reduce((sum, text, n) => sum + show(parts[n - 1] ?? null) + text))
}

function show(part: Part): string {
  if (part === null) return ''
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(item => item.text).join('')
  return String(part).replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)
}

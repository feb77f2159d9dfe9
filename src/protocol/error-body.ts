import Type, { type Static } from 'typebox'

/** The body of an error answer (gostint.md §2.3, with our `code` and `remedy` added). */
export const ErrorBody = Type.Object({
  status: Type.String({ description: "In GoStint's words." }),
  error: Type.String({ description: 'What happened.' }),
  code: Type.String({ description: 'Stable; docs/errors.md lists all.' }),
  remedy: Type.String({ description: 'What to do next.' }),
})
export type ErrorBody = Static<typeof ErrorBody>

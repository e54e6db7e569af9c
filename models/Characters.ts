/** Sets of characters, for models that count them. */

export const all = (text: string, chars: string): boolean =>
  [...text].every((c) => chars.includes(c))
export const digits = "0123456789"
export const hex = `${digits}abcdefABCDEF`
export const upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
export const letters = `${upper}${upper.toLowerCase()}`
export const alnum = digits + letters

/**
 * What no record may hold: credentials, by their form or by the key that they stand under.
 *
 * Patterns are matched against canonical JSON and match nothing that it escapes, so that a match is
 * one inside one string. What they cannot see: a secret without a form of its own under a key that
 * is not listed, one in another encoding, one cut in two.
 *
 * `native/core/src/secret.rs` has the same lists; a test compares them. Source: LEDGER A-206, C-82.
 */

/** Shape: the syntax that JavaScript and Rust's regex share; the parts of one alternation. */
export const secretPatterns: ReadonlyArray<readonly [what: string, pattern: string]> = [
  ["a private key in PEM", "-----BEGIN [A-Z0-9 ]*PRIVATE KEY"],
  ["a JSON web token", "eyJ[0-9A-Za-z_-]{8,}\\.eyJ[0-9A-Za-z_-]{8,}\\."],
  [
    "a bearer token",
    "[Bb]earer (?:[0-9A-Za-z._~+/-]{0,8}[0-9][0-9A-Za-z._~+/-]{6,}|[0-9A-Za-z._~+/-]{16,})",
  ],
  ["a signed URL of AWS", "X-Amz-S(?:ignature|ecurity-Token)=[0-9A-Za-z%+/]{16,}"],
  [
    "a secret access key of AWS",
    "(?:aws_secret_access_key|[Ss]ecretAccessKey)[ :=]+[0-9A-Za-z+/]{40}",
  ],
  ["a secret access key of AWS", "AWS_SECRET_ACCESS_KEY[ :=]+[0-9A-Za-z+/]{40}"],
  ["an API key of Google", "AIza[0-9A-Za-z_-]{35}"],
  ["a client secret of Google", "GOCSPX-[0-9A-Za-z_-]{20,}"],
  ["an access token of Google", "ya29\\.[0-9A-Za-z_-]{20,}"],
  ["an account key of Azure", "Key=[0-9A-Za-z+/]{40,}"],
  ["a shared access signature of Azure", "sig=[0-9A-Za-z%+/]{40,}"],
  ["a client secret of Azure", "[0-9]Q~[0-9A-Za-z_~.-]{31,34}"],
  ["a token of GitHub", "gh[oprsu]_[0-9A-Za-z]{36,}"],
  ["a personal token of GitHub", "github_pat_[0-9A-Za-z_]{22,}"],
  ["a token of Slack", "xox[abeprs]-[0-9A-Za-z-]{10,}"],
  ["an app token of Slack", "xapp-[0-9A-Za-z-]{10,}"],
  ["a webhook of Slack", "hooks\\.slack\\.com/(?:services|workflows)/[0-9A-Za-z/]{20,}"],
  ["a key of Stripe", "(?:[rs]k_(?:live|test)|whsec)_[0-9A-Za-z+/]{16,}"],
  ["a token of Vault", "hv[bs]\\.[0-9A-Za-z_-]{24,}"],
  ["a password in a URL", '://[^/?#@: "\\\\]*:[^/?#@ "\\\\]+@'],
]

/** A key that is one of these, upper and lower case alike, holds a secret. */
export const secretKeys: ReadonlyArray<string> = [
  "authorization",
  "bearer",
  "cookie",
  "credential",
  "credentials",
  "jwt",
  "passcode",
  "proxy-authorization",
  "pwd",
  "secret",
  "secretbinary",
  "secretstring",
  "set-cookie",
  "token",
]

/** And so does one that ends with one of these. */
export const secretKeyEnds: ReadonlyArray<string> = [
  "access-token",
  "access_token",
  "accesstoken",
  "api-key",
  "api_key",
  "apikey",
  "auth-token",
  "auth_token",
  "authtoken",
  "bearer-token",
  "bearer_token",
  "bearertoken",
  "client-secret",
  "client_secret",
  "clientsecret",
  "id-token",
  "id_token",
  "idtoken",
  "passphrase",
  "passwd",
  "password",
  "private-key",
  "private_key",
  "privatekey",
  "refresh-token",
  "refresh_token",
  "refreshtoken",
  "secret-access-key",
  "secret_access_key",
  "secret-key",
  "secret_key",
  "secretaccesskey",
  "secretkey",
  "session-token",
  "session_token",
  "sessiontoken",
]

/** Words that stand for a secret which was there. */
export const secretMasks: ReadonlyArray<string> = [
  "hidden",
  "hidden_due_to_security_reasons",
  "masked",
  "none",
  "null",
  "redacted",
  "removed",
]

const forms = new RegExp(secretPatterns.map(([, pattern]) => pattern).join("|"))
const keyForm = new RegExp(`^(?:${secretKeys.join("|")})$|(?:${secretKeyEnds.join("|")})$`)
const maskForm = new RegExp(`^(?:\\[[A-Za-z _-]{1,32}\\]|[*xX]*|(?:${secretMasks.join("|")}))$`)

const accessKeyId = /A(?:KIA|SIA)[0-9A-Z]{16}/
const accessKeySecret = /[:,[]"([0-9A-Za-z+/]{40})"[,\]}]/g

/** Of ASCII alone: a K of another alphabet stays what it is. */
export const lowerAscii = (text: string): string =>
  text.replace(/[A-Z]+/g, (upper) => upper.toLowerCase())

/** The secret half of an AWS access key has no form of its own, but its id has one. */
const hasAccessKey = (canonical: string): boolean => {
  const isMixed = (secret: string) =>
    /[A-Z]/.test(secret) && /[a-z]/.test(secret) && /[0-9]/.test(secret)
  const secrets = [...canonical.matchAll(accessKeySecret)]
  return secrets.some(([, secret]) => isMixed(secret as string)) && accessKeyId.test(canonical)
}

/** Whether a string of some canonical JSON holds a credential. */
export const holdsSecret = (canonical: string): boolean =>
  forms.test(canonical) || hasAccessKey(canonical)

/** Whether a key says that its value is a secret. */
export const isSecretKey = (key: string): boolean => keyForm.test(lowerAscii(key))

/** Whether a string under such a key only stands for what was there, or is empty. */
export const isSecretMask = (text: string): boolean =>
  maskForm.test(text) || maskForm.test(lowerAscii(text))

/** Addresses and secrets in all their forms, and what nearly is one. */
import fc from "fast-check"

const one = (chars: string, minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...chars), minLength, maxLength })

const octet = fc.oneof(fc.nat(300).map(String), fc.constantFrom("0", "00", "08", "255", "256"))
const quad = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join("."))
const group = fc.oneof(one("0123456789abcdefABCDEF", 1, 4), fc.constantFrom("0", "ffff", "fffff"))
const six = fc
  .tuple(
    fc.array(group, { maxLength: 8 }),
    fc.constantFrom("::", ":", ""),
    fc.array(group, { maxLength: 7 }),
    fc.option(quad, { nil: undefined, freq: 4 }),
  )
  .map(([head, middle, tail, end]) => {
    const after = end === undefined ? tail : [...tail.slice(0, 5), end]
    return `${head.join(":")}${middle}${after.join(":")}`
  })
const whole = fc.oneof(
  fc.array(group, { minLength: 8, maxLength: 8 }).map((groups) => groups.join(":")),
  fc.constantFrom("::1", "::", "fe80::1", "2001:db8::1", "::ffff:1.2.3.4", "::ffff:102:304"),
  fc.constantFrom("2001:db8:0:1::", "64:ff9b::1.2.3.4", "1::8", "0:0:0:0:0:ffff:0a00:0001"),
)
const host = fc.oneof(quad, six, whole)
const near = fc.tuple(
  host,
  fc.constantFrom("%eth0", "%", ":80", ":", ":123456", "/24", "/64", "/32"),
)

/** Texts that are an address, or look like one. */
export const addressLike: fc.Arbitrary<string> = fc.oneof(
  quad,
  whole,
  six,
  near.map(([text, end]) => `${text}${end}`),
  host.map((text) => `[${text}]`),
  near.map(([text, end]) => `[${text}]${end}`),
  host.map((text) => `[${text}%1]:8080`),
  fc.constantFrom(
    "10.0.0.0/8",
    "10.1.2.0/24",
    "10.1.2.128/25",
    "2001:db8::/32",
    "::/0",
    " 1.2.3.4",
  ),
  fc.constantFrom("iph:3:0123456789abcdef0123456789abcdef", "iph:3:01", "1.2.3.4, 5.6.7.8"),
  host.map((text) => text.padStart(60, "0")),
)

const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
const heads: ReadonlyArray<string> = [
  "AIza",
  "GOCSPX-",
  "ya29.",
  "AccountKey=",
  "sig=",
  "ghp_",
  "gho_",
  "ghu_",
  "ghs_",
  "ghr_",
  "github_pat_",
  "xoxb-",
  "xoxp-",
  "xapp-",
  "https://hooks.slack.com/services/",
  "sk_live_",
  "rk_test_",
  "whsec_",
  "hvs.",
  "hvb.",
  "Bearer ",
  "bearer ",
  "X-Amz-Signature=",
  "-----BEGIN ",
  "aws_secret_access_key = ",
  "SecretAccessKey:",
  "AWS_SECRET_ACCESS_KEY=",
  "x8Q~",
  "eyJ",
]
const tail = fc.oneof(
  one(alnum, 0, 45),
  one(`${alnum}_-`, 0, 45),
  one(`${alnum}+/`, 38, 44),
  one("ABC .-/1", 0, 30),
  fc.constantFrom("RSA PRIVATE KEY-----", "CERTIFICATE-----", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0."),
)
const url = fc
  .tuple(
    fc.constantFrom("https", "", "x "),
    fc.constantFrom("u", "", "u:", "é", "a b", "a/b", 'q"'),
    fc.constantFrom(":", ""),
    fc.constantFrom("p", "", "p:q", "p/q", "ü", "p\\", "p\n"),
    fc.constantFrom("@h", "", "@"),
  )
  .map(([scheme, user, colon, word, end]) => `${scheme}://${user}${colon}${word}${end}`)

/** Texts that hold a credential, or nearly. */
export const secretLike: fc.Arbitrary<string> = fc.oneof(
  fc
    .tuple(fc.constantFrom("", "x", " ", "é", '"'), fc.constantFrom(...heads), tail)
    .map((p) => p.join("")),
  fc
    .tuple(fc.constantFrom(...heads), tail, fc.constantFrom(" ", ".", '"', "."), tail)
    .map((p) => p.join("")),
  url,
)

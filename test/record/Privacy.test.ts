/** Privacy by examples: each row of the table in Privacy.ts. */
import { describe, expect, it } from "vitest"
import { utf8 } from "../../src/base/Bytes.ts"
import { format, parse } from "../../src/record/Canonical.ts"
import type { JsonObject } from "../../src/record/Json.ts"
import { hashAddress, type PrivacyPolicy, redactAttrs } from "../../src/record/Privacy.ts"
import { holdsSecret } from "../../src/record/Secret.ts"

const salt = { epoch: 3, key: new Uint8Array(32).fill(9) }
const modes: Record<"drop" | "prefix" | "hash", PrivacyPolicy> = {
  drop: { ipMode: "drop" },
  prefix: { ipMode: "prefix" },
  hash: { ipMode: "hash", salt },
}

const apply = (attrs: string, mode: keyof typeof modes): string => {
  const { attrs: kept, redacted } = redactAttrs(parse(utf8(attrs)) as JsonObject, modes[mode])
  return `${format(kept)} ${redacted}`
}

const isBlocked = (attrs: string): boolean => {
  const given = parse(utf8(attrs)) as JsonObject
  return redactAttrs(given, modes.drop).isBlocked || holdsSecret(format(given))
}

describe("addresses", () => {
  it("go by default, wherever in attrs they stand [A-206, A-207]", () => {
    const attrs = '{"a":{"b":["203.0.113.7","x",["::1"]],"c":"2001:db8::1"},"d":"ok"}'
    expect(apply(attrs, "drop")).toBe('{"a":{"b":[null,"x",[null]]},"d":"ok"} 3')
    expect(apply('{"a":"1.2.3.4"}', "drop")).toBe("{} 1")
  })

  it("become their /24 or /64 in RFC 5952 form in mode prefix [A-207]", () => {
    const rows = [
      ["203.0.113.7", "203.0.113.0/24"],
      ["203.0.113.007:8080", "203.0.113.0/24"],
      ["203.0.113.7/32", "203.0.113.0/24"],
      ["::ffff:203.0.113.7", "203.0.113.0/24"],
      ["::FFFF:CB00:7107", "203.0.113.0/24"],
      ["2001:DB8:0:1:2:3:4:5", "2001:db8:0:1::/64"],
      ["[2001:db8::1]:443", "2001:db8::/64"],
      ["fe80::1%eth0", "fe80::/64"],
      ["::1", "::/64"],
      ["0:0:1::", "0:0:1::/64"],
      ["2001:db8::1/128", "2001:db8::/64"],
    ]
    for (const [given, kept] of rows) {
      expect(apply(`{"a":"${given}"}`, "prefix"), given).toBe(`{"a":"${kept}"} 1`)
    }
  })

  it("become a token of the epoch in mode hash, the same for one address [A-207, A-209]", () => {
    const token = hashAddress("203.0.113.7", salt)
    expect(token).toMatch(/^iph:3:[0-9a-f]{32}$/)
    for (const given of ["203.0.113.7", "203.0.113.7:80", "::ffff:203.0.113.7"]) {
      expect(apply(`{"a":"${given}"}`, "hash")).toBe(`{"a":"${token}"} 1`)
    }
    expect(hashAddress("203.0.113.7", { ...salt, epoch: 4 })).not.toBe(token)
  })

  it("are not seen in what only looks like one", () => {
    const texts = ["1.2.3", "1.2.3.256", "1.2.3.4.5", "v1.2.3.4", "12:30:45", "10.0.0.0/8", "::/0"]
    const others = ["1.2.3.0/24", "2001:db8::/32", "1.2.3.4, 5.6.7.8", "http://1.2.3.4/", "a::b::c"]
    for (const text of [...texts, ...others]) {
      expect(apply(`{"a":"${text}"}`, "drop"), text).toBe(`{"a":"${text}"} 0`)
    }
  })

  it("under an address key go or are coarse, whatever they look like [A-206, A-207]", () => {
    for (const key of ["ip", "client_ip", "remote_ip", "peer_addr", "IP", "Client_Ip"]) {
      for (const value of [
        '"host-7"',
        "7",
        "null",
        '["1.2.3.4"]',
        '{"v4":"1.2.3.4"}',
        '"10.0.0.0/8"',
      ]) {
        expect(apply(`{"x":{"${key}":${value}}}`, "drop")).toBe('{"x":{}} 1')
      }
      expect(apply(`{"${key}":"host-7"}`, "prefix")).toBe("{} 1")
      expect(apply(`{"${key}":"1.2.3.0/24"}`, "prefix")).toBe(`{"${key}":"1.2.3.0/24"} 0`)
      expect(apply(`{"${key}":"1.2.3.4"}`, "prefix")).toBe(`{"${key}":"1.2.3.0/24"} 1`)
    }
    expect(apply('{"ips":"x","zip":1}', "drop")).toBe('{"ips":"x","zip":1} 0')
  })
})

const alnum36 = "0123456789abcdefghijABCDEFGHIJ012345"

describe("secrets", () => {
  it("are seen by their form, in values and in keys [A-206]", () => {
    const texts = [
      "-----BEGIN PRIVATE KEY-----\\nMIIE",
      "-----BEGIN OPENSSH PRIVATE KEY-----",
      "-----BEGIN PGP PRIVATE KEY BLOCK-----",
      "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln",
      "Authorization: Bearer mF_9.B5f-4.1JqM",
      `bearer ${alnum36}`,
      `AKIAIOSFODNN7EXAMPLE aws_secret_access_key = ${alnum36}wxyz`,
      `AIzaSy${alnum36.slice(3)}`,
      `ya29.${alnum36}`,
      `AccountKey=${alnum36}${alnum36}==`,
      `https://x.blob.core.windows.net/?sv=1&sig=${alnum36}${alnum36}%3D`,
      `abc8Q~${alnum36.slice(4)}`,
      `ghp_${alnum36}`,
      `github_pat_${alnum36}`,
      "xoxb-123456789012-abc",
      `https://hooks.slack.com/services/T0/B0/${alnum36}`,
      `sk_live_${alnum36}`,
      `hvs.${alnum36}`,
      "postgres://admin:hunter2@db/x",
      "https://:token@host",
      `https://b.s3.amazonaws.com/k?X-Amz-Signature=${alnum36}${alnum36.slice(8)}`,
    ]
    for (const text of texts) {
      expect(isBlocked(`{"a":["${text}"]}`), text).toBe(true)
      expect(isBlocked(`{"${text}":1}`), text).toBe(true)
    }
  })

  it("are the secret of an AWS access key where its id stands too [A-206]", () => {
    const secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    expect(isBlocked(`{"a":"${secret}","b":"AKIAIOSFODNN7EXAMPLE"}`)).toBe(true)
    expect(isBlocked(`{"a":"${secret}"}`)).toBe(false)
    expect(isBlocked('{"b":"AKIAIOSFODNN7EXAMPLE"}')).toBe(false)
    const sha1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
    expect(isBlocked(`{"a":"${sha1}","b":"AKIAIOSFODNN7EXAMPLE"}`)).toBe(false)
  })

  it("are what stands under a secret key, masks apart [A-206, A-222]", () => {
    const keys = [
      "password",
      "dbPassword",
      "API_KEY",
      "x-api-key",
      "token",
      "Authorization",
      "secret",
    ]
    for (const key of keys) {
      for (const value of ['"hunter2"', "1234", '["hunter2"]', '[["x",{}],"y"]']) {
        expect(isBlocked(`{"a":{"${key}":${value}}}`), `${key} ${value}`).toBe(true)
      }
      for (const value of [
        "null",
        "true",
        '""',
        '"***"',
        '"[secret]"',
        '"REDACTED"',
        '{"name":"x"}',
      ]) {
        expect(isBlocked(`{"a":{"${key}":${value}}}`), `${key} ${value}`).toBe(false)
      }
    }
  })

  it("are not seen in what only looks like one", () => {
    const values = [
      '"secretId":"arn:aws:secretsmanager:eu-west-1:903144391865:secret:db-4Rzn83"',
      '"nextToken":"eyJuZXh0IjoxMjM0NTY3ODkwMTIzNDU2Nzg5MH0="',
      '"passwordResetRequired":false',
      '"tokens":512',
      '"a":"-----BEGIN CERTIFICATE-----"',
      '"a":"the bearer authentication failed"',
      '"a":"https://host:8443/a@b"',
      '"a":"mailto:someone@example.org"',
      '"accessKey":{"accessKeyId":"AKIAIOSFODNN7EXAMPLE"}',
      '"sSHPublicKey":"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOtAlK45MAEWZ7MUY2QEmi3M6W"',
    ]
    for (const value of values) expect(isBlocked(`{${value}}`), value).toBe(false)
  })
})

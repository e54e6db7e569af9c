/**
 * The closed list of signature algorithms, their sizes, and the id of a public key.
 *
 * Source: FORMATS 6; FIPS 204 and 205 for the sizes.
 */
import { toHex } from "../base/Bytes.ts"
import { b3 } from "../base/Hash.ts"

export type Family = "ed25519" | "ecdsa" | "ml-dsa" | "slh-dsa"

interface Algorithm {
  readonly family: Family
  readonly isPostQuantum: boolean
  /** Shape: raw; for P-256 SEC1 uncompressed. */
  readonly publicKeyBytes: number
  readonly signatureBytes: number
}

export const algorithms = {
  ed25519: { family: "ed25519", isPostQuantum: false, publicKeyBytes: 32, signatureBytes: 64 },
  "ecdsa-p256-sha256": {
    family: "ecdsa",
    isPostQuantum: false,
    publicKeyBytes: 65,
    signatureBytes: 64,
  },
  "ml-dsa-44": {
    family: "ml-dsa",
    isPostQuantum: true,
    publicKeyBytes: 1312,
    signatureBytes: 2420,
  },
  "ml-dsa-65": {
    family: "ml-dsa",
    isPostQuantum: true,
    publicKeyBytes: 1952,
    signatureBytes: 3309,
  },
  "ml-dsa-87": {
    family: "ml-dsa",
    isPostQuantum: true,
    publicKeyBytes: 2592,
    signatureBytes: 4627,
  },
  "slh-dsa-sha2-128s": {
    family: "slh-dsa",
    isPostQuantum: true,
    publicKeyBytes: 32,
    signatureBytes: 7856,
  },
} as const satisfies Record<string, Algorithm>

export type AlgoId = keyof typeof algorithms

export const isAlgoId = (text: string): text is AlgoId => Object.hasOwn(algorithms, text)

/** The metric label of an algorithm. */
export const family = (algoId: AlgoId): Family => algorithms[algoId].family

export const isPostQuantum = (algoId: AlgoId): boolean => algorithms[algoId].isPostQuantum

/** Shape: `b3:` and 32 lower-case hex digits. */
export type KeyId = string

export const keyIdPattern = /^b3:[0-9a-f]{32}$/

/** Names a key; never proof that two keys are the same: trust is by the whole key. */
export const keyIdOf = (publicKey: Uint8Array): KeyId =>
  `b3:${toHex(b3(publicKey).subarray(0, 16))}`

/** Whether the bytes have the length, and for P-256 the form, of a public key. */
export const isPublicKey = (algoId: AlgoId, publicKey: Uint8Array): boolean =>
  publicKey.length === algorithms[algoId].publicKeyBytes &&
  (algoId !== "ecdsa-p256-sha256" || publicKey[0] === 4)

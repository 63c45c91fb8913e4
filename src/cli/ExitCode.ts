/**
 * What a run's end tells the shell.
 *
 * @since 0.1.0
 */

/** @since 0.1.0 @category constants */
export const exitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Done, some items skipped, each named. */
  skipped: 3,
  /** Input needed, and no terminal to ask. */
  inputNeeded: 4,
  damage: 5,
  notFound: 10,
  unreachable: 11,
  /** Wrong key, or not allowed. */
  denied: 12,
  contention: 13,
  interrupted: 130,
  terminated: 143
} as const

const byReason: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  BlobStoreError: {
    Missing: exitCode.damage,
    Damaged: exitCode.damage,
    Unreadable: exitCode.damage,
    Full: exitCode.failed,
    Denied: exitCode.denied,
    Unavailable: exitCode.unreachable
  },
  DamagedTree: {
    NotDecodable: exitCode.damage,
    WrongKey: exitCode.denied,
    Inconsistent: exitCode.damage,
    Unsupported: exitCode.failed
  },
  RegistryError: {
    Corrupt: exitCode.damage,
    Refused: exitCode.failed,
    Unreached: exitCode.unreachable,
    Denied: exitCode.denied,
    Unsupported: exitCode.denied,
    Full: exitCode.failed,
    Unavailable: exitCode.unreachable
  },
  HeadError: {
    NotForUs: exitCode.denied,
    Damaged: exitCode.damage,
    Substituted: exitCode.denied,
    RolledBack: exitCode.damage
  },
  VaultLocked: { WrongKey: exitCode.denied, Damaged: exitCode.damage },
  KeyringError: { Missing: exitCode.notFound, Damaged: exitCode.damage, Unavailable: exitCode.failed },
  VaultStateError: { Damaged: exitCode.damage },
  RegistryUnusable: { BadSetting: exitCode.usage, Damaged: exitCode.damage },
  ConfigFileError: {
    Missing: exitCode.usage,
    Unreadable: exitCode.failed,
    Unwritable: exitCode.failed,
    Busy: exitCode.contention
  },
  UnknownStore: { NotConfigured: exitCode.notFound, NotObjects: exitCode.usage, NotOpened: exitCode.unreachable },
  VaultSettingsError: { Store: exitCode.unreachable, Identity: exitCode.denied },
  IdentityError: {
    Unreachable: exitCode.unreachable,
    RolledBack: exitCode.damage,
    NotForUs: exitCode.denied,
    Damaged: exitCode.damage,
    Replaced: exitCode.denied,
    Contended: exitCode.contention
  },
  DeviceListError: { Unreachable: exitCode.unreachable, Unusable: exitCode.denied },
  RecoverError: {
    Unknown: exitCode.notFound,
    Replaced: exitCode.denied,
    Unreachable: exitCode.unreachable,
    Damaged: exitCode.damage,
    Older: exitCode.damage
  },
  AdoptVaultError: { Foreign: exitCode.damage, BadName: exitCode.damage },
  PairingError: {
    Used: exitCode.denied,
    Tampered: exitCode.denied,
    Refused: exitCode.denied,
    Expired: exitCode.notFound,
    NotConfirmed: exitCode.denied,
    Unreachable: exitCode.unreachable
  },
  JoiningError: { NoIdentity: exitCode.notFound, OtherIdentity: exitCode.usage, Damaged: exitCode.damage },
  DelegationError: { Refused: exitCode.denied, Unavailable: exitCode.unreachable },
  GaveUp: { Left: exitCode.interrupted },
  NoSuchSnapshot: { Ambiguous: exitCode.usage }
}

const byTag: Readonly<Record<string, number>> = {
  NoSuchVault: exitCode.notFound,
  NoSuchDevice: exitCode.notFound,
  NotListed: exitCode.notFound,
  NoSuchSnapshot: exitCode.notFound,
  NoSuchPath: exitCode.notFound,
  NoSources: exitCode.notFound,
  NothingPending: exitCode.notFound,
  Usage: exitCode.usage,
  FormatError: exitCode.usage,
  SourceCollision: exitCode.usage,
  ReadOnlyVault: exitCode.usage,
  ConfigInvalid: exitCode.usage,
  EditRefused: exitCode.usage,
  NoSuchTable: exitCode.notFound,
  StillUsed: exitCode.usage,
  NoPhrase: exitCode.usage,
  PhraseOvertaken: exitCode.contention,
  OtherIdentity: exitCode.usage,
  InputNeeded: exitCode.inputNeeded,
  ApprovalNeeded: exitCode.inputNeeded,
  IdentityUnusable: exitCode.denied,
  SecretUnavailable: exitCode.denied,
  NothingPublished: exitCode.denied,
  StoreAbsent: exitCode.unreachable,
  NothingReadable: exitCode.damage,
  PublishContended: exitCode.contention,
  TaskCancelled: exitCode.interrupted
}

/** The code for a tagged error. @since 0.1.0 @category conversions */
export const ofError = (error: { readonly _tag: string; readonly reason?: unknown }): number =>
  (typeof error.reason === "string" ? byReason[error._tag]?.[error.reason] : undefined) ??
  byTag[error._tag] ??
  exitCode.failed

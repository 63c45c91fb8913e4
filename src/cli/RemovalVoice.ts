/**
 * What is said of a removal of a device that is not complete.
 *
 * @since 0.1.0
 */
import type * as Devices from "../programs/Devices.ts"

/** What is still to be done for a vault. @since 0.1.0 @category conversions */
export const ofVault = (label: string, { lacksContent, lacksKeys, name }: Devices.Incomplete["vaults"][number]) => {
  const missing = [
    ...(lacksKeys ? [`it has the keys that ${label} knows`] : []),
    ...(lacksContent ? [`what ${label} published of it last was not taken in`] : [])
  ]
  return `vault ${name}: ${missing.join(", and ")}: \`cairn pull ${name}:\`, then \`cairn device remove ${label}\` once more`
}

/** What is still to be done of a removal, a line each. @since 0.1.0 @category conversions */
export const stillToDo = ({ hasIdentityKey, label, vaults }: Devices.Incomplete): ReadonlyArray<string> => [
  ...vaults.map((vault) => ofVault(label, vault)),
  // the one that takes the words
  ...(hasIdentityKey
    ? [
        `${label} was removed, but it has the identity's own key still: with that it could put itself back; \`cairn init --new-phrase\` makes another, and a new phrase with it`
      ]
    : [])
]

/**
 * What the system needs to know to run the daemon: a systemd user unit, or a launchd agent.
 *
 * @since 0.1.0
 */

/** How the daemon is started. @since 0.1.0 @category models */
export interface Start {
  /** The program and its words. */
  readonly command: ReadonlyArray<string>
  /** Variables that say where its files are. */
  readonly environment: Readonly<Record<string, string>>
}

// systemd takes % for its specifiers and $ for variables, and reads quotes and backslashes as a shell would
const quoted = (word: string): string =>
  `"${word.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%").replaceAll("$", "$$$$")}"`

const assignment = (name: string, value: string): string =>
  `Environment="${`${name}=${value}`.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`

/**
 * A unit for systemd's user manager. It keeps to what needs no privileges of a manager, so that it starts in containers and on
 * older systems; memory that is written and run is left to the engine, which needs it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const systemd = ({ command, environment }: Start): string =>
  [
    "[Unit]",
    "Description=Cairn: backups that run by themselves",
    "StartLimitIntervalSec=300",
    "StartLimitBurst=5",
    "",
    "[Service]",
    "Type=simple",
    `ExecStart=${command.map(quoted).join(" ")}`,
    ...Object.entries(environment).map(([name, value]) => assignment(name, value)),
    "Restart=on-failure",
    "RestartSec=5s",
    "# a wrong configuration is not mended by trying again",
    "RestartPreventExitStatus=2",
    "SuccessExitStatus=130 143",
    "KillSignal=SIGTERM",
    "TimeoutStopSec=120s",
    "Nice=10",
    "UMask=0077",
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "SystemCallArchitectures=native",
    "",
    "[Install]",
    "WantedBy=default.target",
    ""
  ].join("\n")

const xml = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** A launchd agent of one user. @since 0.1.0 @category constructors */
export const launchd = (label: string, log: string, { command, environment }: Start): string =>
  [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    "<dict>",
    `  <key>Label</key><string>${xml(label)}</string>`,
    "  <key>ProgramArguments</key>",
    "  <array>",
    ...command.map((word) => `    <string>${xml(word)}</string>`),
    "  </array>",
    "  <key>EnvironmentVariables</key>",
    "  <dict>",
    ...Object.entries(environment).map(([name, value]) => `    <key>${xml(name)}</key><string>${xml(value)}</string>`),
    "  </dict>",
    "  <key>RunAtLoad</key><true/>",
    "  <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>",
    "  <key>ThrottleInterval</key><integer>30</integer>",
    "  <key>ExitTimeOut</key><integer>120</integer>",
    "  <key>ProcessType</key><string>Background</string>",
    "  <key>Umask</key><integer>63</integer>",
    `  <key>StandardErrorPath</key><string>${xml(log)}</string>`,
    "</dict>",
    "</plist>",
    ""
  ].join("\n")

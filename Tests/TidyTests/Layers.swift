/// Who may import whom: the layers as data. A module that is not here may not exist.
enum Layers {
  /// What a module may import beside the Swift library. Lower layers know nothing of higher ones;
  /// processes never import each other; edge has no ledger, core and admin no TLS.
  static let imports: [String: Set<String>] = [
    "PMSystem": ["CLinux", "Glibc", "Synchronization"],
    "PMJSON": ["PMSystem"],
    "PMLog": ["PMSystem", "Glibc"],
    "PMHTTP": ["PMSystem", "CLinux", "Glibc"],
    "PMCrypto": ["PMSystem", "COpenSSL"],
    "PMTLS": ["PMSystem", "COpenSSL", "Glibc"],
    "PMStore": ["PMSystem", "CSQLite", "Synchronization"],
    "PMAttest": ["PMSystem", "PMCrypto", "PMJSON", "CLinux", "COpenSSL", "Glibc"],

    "PMWire": ["PMSystem", "PMJSON"],

    // The state machine of supervision touches no system: time and events are values.
    "PMSupervision": ["PMWire"],
    "PMSupervisor": [
      "PMSupervision", "PMWire", "PMAttest", "PMCrypto", "PMJSON", "PMLog", "PMSystem",
      "Synchronization",
    ],
    // Also pmctl, but never loaded by the supervisor: TLS and HTTP of others are read here.
    "PMVerify": ["PMWire", "PMAttest", "PMTLS", "PMHTTP", "PMCrypto", "PMJSON", "PMSystem"],
    "PMCommand": [
      "PMSupervisor", "PMVerify", "PMAttest", "PMWire", "PMCrypto", "PMHTTP", "PMJSON", "PMLog",
      "PMSystem",
    ],
    "PMLaunch": ["PMWire", "PMSystem", "CLinux", "Glibc"],
    "PMEdge": [
      "PMWire", "PMTLS", "PMCrypto", "PMHTTP", "PMJSON", "PMLog", "PMSystem", "Synchronization",
    ],
    "PMCore": [
      "PMWire", "PMStore", "PMCrypto", "PMHTTP", "PMJSON", "PMLog", "PMSystem", "Synchronization",
    ],
    "PMAdmin": ["PMWire", "PMCrypto", "PMHTTP", "PMJSON", "PMLog", "PMSystem", "Synchronization"],

    "pmctl": ["PMCommand", "PMSystem"],
    "pm-launch": ["PMLaunch", "PMSystem", "Glibc"],
    "pm-edge": ["PMEdge", "PMSystem"],
    "pm-core": ["PMCore", "PMSystem"],
    "pm-admin": ["PMAdmin", "PMSystem"],
  ]

  /// Modules that may say `unsafe`: system calls, C libraries, and the innermost reads of parsers.
  static let mayBeUnsafe: Set<String> = [
    "PMSystem", "PMHTTP", "PMJSON", "PMLog", "PMCrypto", "PMTLS", "PMStore", "PMAttest", "PMLaunch",
  ]

  /// Modules that talk to a terminal.
  static let mayPrint: Set<String> = ["PMCommand", "PMLaunch"]

  /// The module of a source file: `Sources/Base/PMHTTP/…`, `Sources/Processes/pmctl/PMCommand/…`.
  static func module(of path: String) -> String? {
    let parts = path.split(separator: "/").map(String.init)
    guard parts.count >= 4, parts[0] == "Sources" else { return nil }
    if parts[1] == "Processes" { return parts.count >= 5 ? parts[3] : nil }
    return parts[2]
  }
}

internal import PMWire

/// How the vendor's program is called: a pure function of the configuration. No
/// free list of arguments exists anywhere.
enum VendorCommand {
  /// The arguments, without the program's name.
  static func arguments(
    _ vendor: Vendor, keyFile: String, workspace: String
  ) -> [String] {
    var arguments = [
      "--apiKey=@\(keyFile)", "--port=\(vendor.port)", "--workspace=\(workspace)",
      "--log-format=json",
    ]
    if let manifest = vendor.manifestPath { arguments.append("--manifestPath=\(manifest)") }
    if vendor.nvidiaOCSP == .strict {
      arguments += ["--nvidiaOCSPAllowUnknown=false", "--nvidiaOCSPRevokedGracePeriod=0"]
    }
    return arguments
  }

  /// The environment: configured names and the defaults, nothing inherited.
  static func environment(_ vendor: Vendor, temporaryFolder: String) -> [String: String] {
    var values = vendor.environment
    values["GOMEMLIMIT"] = values["GOMEMLIMIT"] ?? RuntimeLimits.vendorMemoryLimit
    values["TMPDIR"] = values["TMPDIR"] ?? temporaryFolder
    return values
  }

  /// Names that must not be called in any spelling: they write prompts to disk, weaken the
  /// connection, share caches between customers, or are obsolete.
  static let refusedNames = [
    "--dumpRequests", "--insecureAPIConnection", "--cdnBaseURL", "--sharedPromptCache",
    "--promptCacheSalt", "--ssEndpoint", "--coordinatorEndpoint",
  ]

  /// Whether the finished list may be executed; the last look before exec.
  static func isAllowed(_ arguments: [String]) -> Bool {
    arguments.allSatisfy { argument in
      if argument == "--apiKey" { return false }
      if argument.hasPrefix("--apiKey=") { return argument.hasPrefix("--apiKey=@") }
      return !refusedNames.contains { argument == $0 || argument.hasPrefix($0 + "=") }
    }
  }
}

internal import PMSystem
internal import PMWire

/// Secrets on their way from the platform to the one process that needs each of them: files of mode
/// 0400 in a memory-backed folder, written anew at each start.
struct Credentials {
  private let folder: String
  private let profile: Profile
  private let secrets: EnvironmentSecrets
  /// Where systemd put what the unit loads.
  private let platformFolder: String?

  init(_ configuration: Configuration, _ secrets: EnvironmentSecrets) {
    folder = "\(configuration.runtimeDirectory)/credentials"
    profile = configuration.profile
    self.secrets = secrets
    platformFolder = Environment.value(Inheritance.credentialsDirectory)
  }

  func folder(of service: Service) -> String { "\(folder)/\(service.rawValue)" }
  func path(_ name: CredentialName, of service: Service) -> String {
    "\(folder(of: service))/\(name.rawValue)"
  }

  /// Writes what `service` needs and what is there; false if the vendor has no key.
  func provide(_ service: Service, _ configuration: Configuration) throws(SystemError) -> Bool {
    let owner = Self.owner(service.role, profile)
    try FileIO.makeFolder(folder, mode: 0o711)
    try FileIO.makeFolder(folder(of: service), mode: 0o700, owner: owner)
    switch service {
    case .vendor:
      guard let key = vendorKey(configuration) else { return false }
      try write(.vendorKey, key, service, owner)
    case .core:
      if let pepper = platform(.pepper) { try write(.pepper, pepper, service, owner) }
      if let keys = secrets.keys { try write(.keys, Array(keys.utf8), service, owner) }
    case .admin:
      let password =
        file(configuration.adminPasswordFile) ?? platform(.adminPassword)
        ?? secrets.adminPassword.map { Array($0.utf8) }
      if let password { try write(.adminPassword, password, service, owner) }
    case .edge: break
    }
    return true
  }

  private func vendorKey(_ configuration: Configuration) -> [UInt8]? {
    if let key = file(configuration.vendor.apiKeyFile) ?? platform(.vendorKey) { return key }
    if let key = secrets.vendorKey { return Array(key.utf8) }
    // The stand-in takes any key; there is nothing to protect.
    return profile == .development && configuration.vendor.binary == nil
      ? Array("stand-in".utf8) : nil
  }

  private func file(_ path: String?) -> [UInt8]? {
    guard let path else { return nil }
    return try? FileIO.read(path, bytesMax: RuntimeLimits.credentialBytesMax)
  }

  private func platform(_ name: CredentialName) -> [UInt8]? {
    file(platformFolder.map { "\($0)/\(name.rawValue)" })
  }

  private func write(
    _ name: CredentialName, _ bytes: [UInt8], _ service: Service, _ owner: Account?
  ) throws(SystemError) {
    try FileIO.replace(path(name, of: service), with: bytes, mode: 0o400, owner: owner)
  }

  /// Who a file of the role belongs to. Development has one user for all.
  static func owner(_ role: Role, _ profile: Profile) -> Account? {
    profile == .production ? Account(named: role.account) : nil
  }
}

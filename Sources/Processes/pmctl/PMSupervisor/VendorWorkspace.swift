internal import PMSystem
internal import PMWire

/// The folders of the vendor's program.
enum VendorWorkspace {
  static func path(_ configuration: Configuration) -> String {
    configuration.vendor.workspace ?? "\(configuration.stateDirectory)/vendor"
  }

  /// Makes them and removes old manifests; gives the folder for temporary files, which are parts of
  /// uploads in plain text and so must be in memory.
  static func prepare(_ configuration: Configuration) throws(SystemError) -> String {
    let owner = Credentials.owner(.vendor, configuration.profile)
    try FileIO.makeFolder(path(configuration), mode: 0o700, owner: owner)
    let temporary = "\(configuration.runtimeDirectory)/vendor-tmp"
    try FileIO.makeFolder(temporary, mode: 0o700, owner: owner)
    prune("\(path(configuration))/manifests")
    return temporary
  }

  /// Entries looked at; a restart loop adds three files per attempt.
  private static let entriesMax = 100_000

  /// Keeps the newest manifests and all of the log.
  private static func prune(_ folder: String) {
    // The vendor's user owns it and could put a link in its place: hence an open folder.
    guard let folder = try? Folder(folder) else { return }
    let numbers = folder.names(countMax: entriesMax).compactMap(number).sorted()
    for old in numbers.dropLast(RuntimeLimits.vendorManifestsMax) { folder.remove("\(old).json") }
  }

  /// The number of `17.json`; nil for every other name.
  static func number(_ name: String) -> Int? {
    guard name.hasSuffix(".json") else { return nil }
    let digits = name.dropLast(".json".count)
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      return nil
    }
    return Int(digits)
  }
}

internal import PMAttest
internal import PMCrypto
internal import PMSystem

/// Certificates that were fetched before, or that an operator without internet has put there: a
/// folder for each signing key, with `vek.der`, `mid.der` and `ark.der`. They are verified after
/// each read like any others.
struct CertificateCache {
  private let folder: String
  private static let certificateBytesMax = 4096
  /// Between two questions to AMD's service, answered or not.
  static let pauseSeconds: Int64 = 60

  init(_ folder: String) { self.folder = folder }

  /// Name of the folder: SHA-256 of chip, level and one byte for the kind (0 VCEK, 1 VLEK), hex.
  static func name(_ wanted: Wanted) -> String {
    let bytes = wanted.chip + wanted.tcb + [wanted.kind == .vcek ? 0 : 1]
    return Digest256(hashing: bytes.span).hex
  }

  func read(_ wanted: Wanted) -> FoundCertificates {
    var found = FoundCertificates()
    let name = Self.name(wanted)
    for certificate in FoundCertificates.Name.allCases {
      // What is not there is missing, and so is what cannot be read.
      found[certificate] = try? FileIO.read(
        "\(folder)/\(name)/\(certificate.rawValue).der", bytesMax: Self.certificateBytesMax,
        followingLink: false)
    }
    return found
  }

  /// Replaces what is there by what was found.
  func write(_ found: FoundCertificates, _ wanted: Wanted) throws(SystemError) {
    let path = "\(folder)/\(Self.name(wanted))"
    try FileIO.makeFolder(path, mode: 0o700)
    for certificate in FoundCertificates.Name.allCases {
      guard let der = found[certificate] else { continue }
      try FileIO.replace("\(path)/\(certificate.rawValue).der", with: der, mode: 0o600)
    }
  }

  // MARK: The pause between questions, kept over runs

  private var stamp: String { "\(folder)/asked" }
  private static let stampBytesMax = 32

  /// False within the pause. A stamp of a clock that was later than now does not count.
  func mayAsk(at now: WallTime) -> Bool {
    guard let bytes = try? FileIO.read(stamp, bytesMax: Self.stampBytesMax, followingLink: false),
      let last = Int64(String(decoding: bytes, as: UTF8.self))
    else { return true }
    return !(0..<Self.pauseSeconds).contains(now.seconds - last)
  }

  /// Begins the pause.
  func noteAsked(at now: WallTime) throws(SystemError) {
    try FileIO.replace(stamp, with: Array("\(now.seconds)".utf8), mode: 0o600)
  }
}

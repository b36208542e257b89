internal import PMCrypto
internal import PMLog
internal import PMSystem
internal import PMTLS
internal import PMWire

/// The TLS key of production: the operator's file, or one that is born here and never leaves. It is
/// made by `pm-edge --prepare-key`, before there is an edge; the edge only reads it.
enum EdgeKey {
  /// A self-signed certificate is made anew when it has fewer days left.
  private static let selfSignedDaysLeftMin = 30
  private static let commonName = "privatemode appliance"

  /// Where the edge finds the key and certificates for it. It must be the key that the gate has
  /// proved, and its public half is fixed from here on.
  static func paths(
    _ configuration: Configuration, proven: Digest256
  ) throws(EdgeEvent.KeyFault) -> CertificatePaths {
    let certificates = configuration.tls.certificate.map { [$0] } ?? []
    if let key = configuration.tls.key {
      return CertificatePaths(
        certificates, key: key, publicKey: try publicKey(of: try read(key), proven))
    }
    let folder = configuration.edgeKeyDirectory
    let key = path(.key, folder)
    return CertificatePaths(
      certificates, selfSigned: path(.certificate, folder), key: key,
      publicKey: try publicKey(of: try readOwn(key), proven))
  }

  private static func publicKey(
    of key: PrivateKey, _ proven: Digest256
  ) throws(EdgeEvent.KeyFault) -> [UInt8] {
    guard digest(key.publicKey) == proven else { throw .another }
    return key.publicKey
  }

  /// What names a key: the digest of its SubjectPublicKeyInfo.
  static func digest(_ publicKey: [UInt8]) -> Digest256 { Digest256(hashing: publicKey.span) }

  /// Reads the operator's key, or reads or makes the one of this machine with what belongs to it.
  /// However many do so at once, they get the same key. One that is there is never replaced.
  static func prepare(_ configuration: Configuration) throws -> Digest256 {
    if let key = configuration.tls.key { return digest(try read(key).publicKey) }
    let folder = configuration.edgeKeyDirectory
    let names = try alternativeNames(configuration.publicName)
    do throws(SystemError) {
      try FileIO.makeFolder(folder, mode: 0o700)
    } catch { throw EdgeEvent.KeyFault.notStored }
    guard let lock = try? FileIO.lock(path(.lock, folder), isWaiting: true) else {
      throw EdgeEvent.KeyFault.notStored
    }
    let key = try readOrMake(path(.key, folder))
    try certify(key, folder, configuration.publicName, names)
    _ = consume lock
    return digest(key.publicKey)
  }

  private static func path(_ file: EdgeKeyFile, _ folder: String) -> String {
    "\(folder)/\(file.rawValue)"
  }

  // MARK: Names

  /// In OpenSSL's notation; without a public name those of a machine that talks to itself.
  private static func alternativeNames(
    _ publicName: String?
  ) throws(ConfigurationError) -> [String] {
    guard let name = publicName else { return DevelopmentCertificate.alternativeNames }
    if InternetAddress(name) != nil { return ["IP:\(name)"] }
    // Anything else could mean more than one name there.
    let isHost = name.utf8.allSatisfy {
      switch $0 {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: true
      default: false
      }
    }
    guard isHost, (1...253).contains(name.utf8.count) else {
      throw ConfigurationError("publicName", .wrongType("a host name"))
    }
    return ["DNS:\(name)"]
  }

  // MARK: The key

  /// Reads a key of the operator's.
  static func read(_ path: String) throws(EdgeEvent.KeyFault) -> PrivateKey {
    do throws(SystemError) {
      return try parse(try FileIO.readSecret(path, bytesMax: EdgeBounds.keyFileBytesMax))
    } catch { throw error.call == .malformed ? .unusable : .unreadable }
  }

  private static func parse(_ text: consuming ByteBuffer) throws(SystemError) -> PrivateKey {
    defer { text.wipe() }
    guard let key = try? PrivateKey(pem: text.span) else { throw SystemError(.malformed, 0) }
    return key
  }

  /// Reads the key of this machine, which only the edge may be able to read.
  private static func readOwn(_ path: String) throws(EdgeEvent.KeyFault) -> PrivateKey {
    do throws(SystemError) {
      return try readPrivate(path)
    } catch { throw fault(error) }
  }

  private static func readPrivate(_ path: String) throws(SystemError) -> PrivateKey {
    let file = try FileIO.open(path, followingLink: false)
    guard FileIO.isOwnSecret(file) else { throw SystemError(.chmod, 0) }
    return try parse(try FileIO.readSecret(file, bytesMax: EdgeBounds.keyFileBytesMax))
  }

  private static func fault(_ error: SystemError) -> EdgeEvent.KeyFault {
    switch error.call {
    case .malformed: .unusable
    case .chmod: .exposed
    default: .unreadable
    }
  }

  private static func readOrMake(_ path: String) throws(EdgeEvent.KeyFault) -> PrivateKey {
    do throws(SystemError) {
      return try readPrivate(path)
    } catch {
      guard error.isAbsence else { throw fault(error) }
      return try make(path)
    }
  }

  private static func make(_ path: String) throws(EdgeEvent.KeyFault) -> PrivateKey {
    guard let key = try? PrivateKey(), var text = try? key.pem() else { throw .unusable }
    defer { text.wipe() }
    do throws(SystemError) {
      try FileIO.replace(path, with: text.span, mode: 0o600)
    } catch { throw .notStored }
    return key
  }

  // MARK: What belongs to it

  /// Writes the self-signed certificate and the request for a better one, unless those that are
  /// there still do.
  private static func certify(
    _ key: PrivateKey, _ folder: String, _ publicName: String?, _ names: [String]
  ) throws(EdgeEvent.KeyFault) {
    let certificate = path(.certificate, folder)
    let request = path(.request, folder)
    if doStill(certificate, key, publicName), FileIO.stamp(request) != nil { return }
    guard
      let signed = try? key.selfSignedCertificate(
        commonName: commonName, alternativeNames: names),
      let asked = try? key.certificateRequest(alternativeNames: names)
    else { throw .unusable }
    do throws(SystemError) {
      try FileIO.replace(request, with: asked, mode: 0o600)
      try FileIO.replace(certificate, with: signed, mode: 0o600)
    } catch { throw .notStored }
  }

  private static func doStill(_ path: String, _ key: PrivateKey, _ publicName: String?) -> Bool {
    guard let text = try? FileIO.read(path, bytesMax: EdgeBounds.certificateFileBytesMax),
      let pair = try? CertifiedKey(certificatePEM: text, key: key)
    else { return false }
    return pair.daysLeft >= selfSignedDaysLeftMin && pair.speaks(for: publicName ?? "localhost")
  }
}

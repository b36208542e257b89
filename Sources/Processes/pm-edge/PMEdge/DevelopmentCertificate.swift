internal import PMSystem
internal import PMTLS

/// In development without files of the operator's: a self-signed pair in the state folder, made
/// once, so that clients can be told to trust it.
enum DevelopmentCertificate {
  /// In OpenSSL's notation.
  static let alternativeNames = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]

  static func make(in stateDirectory: String) throws(SystemError) -> CertificatePaths {
    let folder = stateDirectory + "/tls"
    let (certificate, key) = (folder + "/certificate.pem", folder + "/key.pem")
    let paths = CertificatePaths([certificate], key: key)
    if isUsable(certificate, key) { return paths }
    let pair: SelfSignedCertificate
    do {
      pair = try SelfSignedCertificate(alternativeNames: alternativeNames)
    } catch {
      throw SystemError(.malformed, 0)
    }
    try FileIO.makeFolder(stateDirectory, mode: 0o700)
    try FileIO.makeFolder(folder, mode: 0o700)
    try FileIO.replace(key, with: pair.keyPEM, mode: 0o600)
    try FileIO.replace(certificate, with: pair.certificatePEM, mode: 0o644)
    return paths
  }

  private static func isUsable(_ certificate: String, _ key: String) -> Bool {
    let bytesMax = EdgeBounds.certificateFileBytesMax
    guard let certificate = try? FileIO.read(certificate, bytesMax: bytesMax),
      let key = try? FileIO.read(key, bytesMax: bytesMax)
    else { return false }
    return (try? CertifiedKey(certificatePEM: certificate, keyPEM: key)) != nil
  }
}

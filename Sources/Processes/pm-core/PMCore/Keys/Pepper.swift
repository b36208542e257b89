import PMCrypto
import PMSystem

/// The secret under which key digests are kept, so that a stolen ledger does not let anybody test
/// guesses.
enum Pepper {
  static let byteCount = 32
  static let fileName = "pepper"

  /// The credential, else the file in the state directory, which is made at the first start.
  static func load(
    stateDirectory: String, credentialsDirectory: String?
  ) throws(SystemError) -> [UInt8] {
    if let credentialsDirectory,
      let pepper = try read("\(credentialsDirectory)/\(fileName)")
    {
      return pepper
    }
    let path = "\(stateDirectory)/\(fileName)"
    if let pepper = try read(path) { return pepper }
    let pepper = randomBytes(byteCount)
    try FileIO.replace(path, with: pepper, mode: 0o600)
    return pepper
  }

  /// Nil if there is no such file.
  private static func read(_ path: String) throws(SystemError) -> [UInt8]? {
    do throws(SystemError) {
      let pepper = try FileIO.read(path, bytesMax: byteCount)
      guard pepper.count == byteCount else { throw SystemError(.malformed, 0) }
      return pepper
    } catch {
      if error == .noSuchFile { return nil }
      throw error
    }
  }
}

extension SystemError {
  /// ENOENT of open(2), by number because this module imports nothing of the system.
  static let noSuchFile = SystemError(.open, 2)
}

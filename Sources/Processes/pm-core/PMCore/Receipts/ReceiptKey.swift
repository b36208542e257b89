import PMCrypto
import PMSystem

/// The key that signs receipts: made once in the state directory, and never outside it but in
/// backups. Core reads it, and the process that tells its public half before there is a core.
enum ReceiptKey {
  static let fileName = "receipt.key"
  private static let lockName = "receipt.key.lock"

  /// Reads the key, or makes it. However many processes do so at once, they get the same one.
  static func load(stateDirectory: String) throws(SystemError) -> Ed25519Key {
    let path = "\(stateDirectory)/\(fileName)"
    if let key = try read(path) { return key }
    let lock = try FileIO.lock("\(stateDirectory)/\(lockName)", isWaiting: true)
    let key = try readOrMake(path)
    _ = consume lock
    return key
  }

  private static func readOrMake(_ path: String) throws(SystemError) -> Ed25519Key {
    if let key = try read(path) { return key }
    try FileIO.replace(path, with: randomBytes(Ed25519Key.seedBytes), mode: 0o600)
    guard let key = try read(path) else { throw .noSuchFile }
    return key
  }

  /// Nil if there is no such file. One that others can read is refused: who has it forges receipts.
  private static func read(_ path: String) throws(SystemError) -> Ed25519Key? {
    do throws(SystemError) {
      let file = try FileIO.open(path, followingLink: false)
      guard FileIO.isOwnSecret(file) else { throw SystemError(.chmod, 0) }
      var seed = try FileIO.readSecret(file, bytesMax: Ed25519Key.seedBytes)
      defer { seed.wipe() }
      guard let key = try? Ed25519Key(seed: seed.span) else { throw SystemError(.malformed, 0) }
      return key
    } catch {
      if error == .noSuchFile { return nil }
      throw error
    }
  }
}

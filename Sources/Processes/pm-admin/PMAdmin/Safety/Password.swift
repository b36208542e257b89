internal import PMCrypto
internal import PMSystem
internal import Synchronization

/// The one password of this version, kept as a slow salted hash.
final class Password: Sendable {
  private let hash: PasswordHash
  /// One at a time: each look takes 128 MiB, and the process has 256.
  private let turn = Mutex(())

  /// Takes the password over and wipes it; a line end at its end, as editors write it, is no part
  /// of it. Nil if nothing is left.
  init?(_ plain: consuming ByteBuffer) throws(CryptoError) {
    while let last = plain.span.last, last == 0x0A || last == 0x0D {
      plain.truncate(to: plain.count - 1)
    }
    if plain.isEmpty { return nil }
    defer { plain.wipe() }
    hash = try PasswordHash(plain.span)
  }

  func matches(_ password: [UInt8]) -> Bool { turn.withLock { _ in hash.matches(password.span) } }
}

extension Span where Element == UInt8 {
  fileprivate var last: UInt8? { isEmpty ? nil : self[count - 1] }
}

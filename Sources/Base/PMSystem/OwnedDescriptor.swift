internal import Glibc

/// A file descriptor with exactly one owner: leaving scope closes it.
public struct OwnedDescriptor: ~Copyable, Sendable {
  /// The descriptor's number, for system calls while the owner lives.
  public let number: Int32

  /// Takes over the result of a call that opens a descriptor; nil if the call failed.
  public init?(result: Int32) {
    guard result >= 0 else { return nil }
    number = result
  }

  /// Gives the number away without closing it.
  public consuming func surrender() -> Int32 {
    let number = self.number
    discard self
    return number
  }

  deinit { _ = Glibc.close(number) }
}

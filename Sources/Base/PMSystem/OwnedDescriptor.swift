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

  /// A descriptor of its own for what this process was given as standard input; nil if that is
  /// closed.
  public static func standardInput() -> OwnedDescriptor? {
    OwnedDescriptor(result: fcntl(0, F_DUPFD_CLOEXEC, 3))
  }

  /// Gives the number away without closing it.
  public consuming func surrender() -> Int32 {
    let number = self.number
    discard self
    return number
  }

  /// Another descriptor of the same open file, close-on-exec.
  public func duplicate() throws(SystemError) -> OwnedDescriptor {
    guard let copy = OwnedDescriptor(result: fcntl(number, F_DUPFD_CLOEXEC, 0)) else {
      throw .last(.fcntl)
    }
    return copy
  }

  deinit { _ = Glibc.close(number) }
}

extension Optional where Wrapped == OwnedDescriptor {
  /// Another descriptor of the same open file; nil for none.
  public func duplicate() throws(SystemError) -> OwnedDescriptor? {
    switch self {
    case .some(let descriptor): try descriptor.duplicate()
    case .none: nil
    }
  }
}

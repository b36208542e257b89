internal import CLinux
internal import Glibc

extension FileIO {
  /// Reads all of a file that holds a secret into one buffer, which the caller wipes; no other copy
  /// is made.
  public static func readSecret(_ path: String, bytesMax: Int) throws(SystemError) -> ByteBuffer {
    try readSecret(try open(path), bytesMax: bytesMax)
  }

  /// The same from an open file, whose offset moves.
  public static func readSecret(
    _ file: borrowing OwnedDescriptor, bytesMax: Int
  ) throws(SystemError) -> ByteBuffer {
    let number = file.number
    // Room for one byte more tells a longer file from one that fits.
    var secret = ByteBuffer(capacityBytes: bytesMax + 1)
    while secret.count <= bytesMax {
      let space = bytesMax + 1 - secret.count
      // The buffer has made room for `space` bytes.
      let n = unsafe secret.fill(upTo: space) {
        unsafe Glibc.read(number, $0.baseAddress, $0.count)
      }
      if n == 0 { return secret }
      if n < 0 {
        let error = SystemError.last(.read)
        if error.number == EINTR { continue }
        secret.wipe()
        throw error
      }
    }
    secret.wipe()
    throw SystemError(.tooLong, 0)
  }
}

extension FileIO {
  /// True if the file is a regular one of this process's own user, and closed to all others.
  public static func isOwnSecret(_ file: borrowing OwnedDescriptor) -> Bool {
    var status = stat()
    guard unsafe fstat(file.number, &status) == 0 else { return false }
    return status.st_mode & S_IFMT == S_IFREG && status.st_mode & 0o077 == 0
      && status.st_uid == geteuid()
  }

  /// Which file a path leads to, and its state; nil if it leads nowhere. Another value means that
  /// the file was replaced or written, but for writes within one tick of the kernel's clock.
  public static func stamp(_ path: String) -> FileStamp? {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { return nil }
    return FileStamp(
      device: status.st_dev, number: status.st_ino, bytes: status.st_size,
      seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
  }
}

/// Tells one state of a file from the next (stat(2)).
public struct FileStamp: Equatable, Sendable {
  let device: UInt
  let number: UInt
  let bytes: Int
  let seconds: Int
  let nanoseconds: Int
}

extension SystemError {
  /// True if the thing that was asked for is not there (ENOENT).
  public var isAbsence: Bool { number == ENOENT }
}

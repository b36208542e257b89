internal import CLinux
internal import Glibc

extension FileIO {
  /// Makes a file that must not be there yet, closed to other users, and opens it for writing.
  public static func makeNew(_ path: String) throws(SystemError) -> OwnedDescriptor {
    let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
    guard let file = OwnedDescriptor(result: unsafe Glibc.open(path, flags, 0o600)) else {
      throw .last(.open)
    }
    return file
  }

  /// Appends up to `bytesMax` bytes of a file from `offset` on; 0 at its end.
  public static func read(
    _ file: borrowing OwnedDescriptor, at offset: Int, upTo bytesMax: Int,
    into buffer: inout ByteBuffer
  ) throws(SystemError) -> Int {
    let number = file.number
    while true {
      // The buffer has made room for `bytesMax` bytes.
      let n = unsafe buffer.fill(upTo: bytesMax) {
        unsafe pread(number, $0.baseAddress, $0.count, offset)
      }
      if n >= 0 { return n }
      let error = SystemError.last(.read)
      guard error.number == EINTR else { throw error }
    }
  }

  /// Returns when the contents of a file are on disk; of a folder, the names in it (fsync(2)).
  public static func sync(_ file: borrowing OwnedDescriptor) throws(SystemError) {
    guard fsync(file.number) == 0 else { throw .last(.fsync) }
  }

  public static func syncFolder(_ path: String) throws(SystemError) {
    try sync(try open(path, followingLink: false))
  }

  /// Gives a file or folder another name in one step; a file that has the name is replaced.
  public static func rename(_ path: String, to newPath: String) throws(SystemError) {
    guard unsafe Glibc.rename(path, newPath) == 0 else { throw .last(.rename) }
  }

  public static func isThere(_ path: String) -> Bool {
    var status = stat()
    return unsafe lstat(path, &status) == 0
  }

  /// Removes a file, or nothing if it is not there.
  public static func remove(_ path: String) throws(SystemError) {
    guard unsafe unlink(path) != 0 else { return }
    let error = SystemError.last(.unlink)
    if !error.isAbsence { throw error }
  }

  /// Bytes that this process may still write to the disk of a path (statvfs(3)).
  public static func freeBytes(_ path: String) throws(SystemError) -> Int64 {
    var status = statvfs()
    guard unsafe statvfs(path, &status) == 0 else { throw .last(.statvfs) }
    let (bytes, overflow) = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize)
    return overflow ? .max : Int64(clamping: bytes)
  }
}

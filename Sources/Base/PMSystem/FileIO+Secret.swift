internal import Glibc

extension FileIO {
  /// Reads all of a file that holds a secret into one buffer, which the caller wipes; no other copy
  /// is made.
  public static func readSecret(_ path: String, bytesMax: Int) throws(SystemError) -> ByteBuffer {
    let file = try open(path)
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

extension SystemError {
  /// True if the thing that was asked for is not there (ENOENT).
  public var isAbsence: Bool { number == ENOENT }
}

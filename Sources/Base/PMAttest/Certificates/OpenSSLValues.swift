internal import COpenSSL
internal import PMSystem

// Values of OpenSSL as Swift ones; shared by the owners of its objects.

/// What an `i2d_…` function writes (i2d_X509(3)); nil if it fails.
func encoded(
  _ write: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32
) -> [UInt8]? {
  defer { ERR_clear_error() }
  let count = write(nil)
  guard count > 0 else { return nil }
  var bytes = [UInt8](repeating: 0, count: Int(count))
  // It writes as many bytes as it has announced, and moves a pointer that is a copy.
  let written = unsafe bytes.withUnsafeMutableBufferPointer { buffer in
    var position = buffer.baseAddress
    return unsafe write(&position)
  }
  return written == count ? bytes : nil
}

/// The content of a string of ASN.1, which stays its owner's.
func bytes(of string: UnsafePointer<ASN1_STRING>?) -> [UInt8]? {
  guard let string = unsafe string, let start = unsafe ASN1_STRING_get0_data(string) else {
    return nil
  }
  return unsafe [UInt8](
    UnsafeBufferPointer(start: start, count: Int(ASN1_STRING_length(string))))
}

/// Whether `time` is later than `other`, to the second; nil if it cannot be read.
func isLater(_ time: UnsafePointer<ASN1_TIME>?, than other: WallTime) -> Bool? {
  defer { ERR_clear_error() }
  guard let time = unsafe time else { return nil }
  var seconds = Int(other.seconds)
  // Equal counts as earlier, and 0 is an error (X509_cmp_time(3)).
  let order = unsafe X509_cmp_time(time, &seconds)
  return order == 0 ? nil : order > 0
}

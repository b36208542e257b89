internal import COpenSSL
internal import Glibc
public import PMSystem

/// What the TLS sessions of one loop read from and write to: the loop's own buffers, for whichever
/// connection is in hand. So TLS does no I/O, and an idle connection owns no buffer here.
@safe public final class TLSPipe {
  /// Ciphertext that sessions have produced; the loop sends it and clears the buffer.
  public var output = ByteBuffer()
  fileprivate var input: UnsafePointer<UInt8>?
  fileprivate var inputLeft = 0
  private let method: OpaquePointer

  public init() throws(TLSError) {
    let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
    guard let method = unsafe BIO_meth_new(type, "loop") else { throw .library }
    unsafe self.method = method
    unsafe input = nil
    unsafe BIO_meth_set_read_ex(method, readInput)
    unsafe BIO_meth_set_write_ex(method, writeOutput)
    unsafe BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
  }

  deinit { unsafe BIO_meth_free(method) }

  /// A BIO that points back here. The pipe must outlive it: sessions hold their pipe.
  func makeBIO() -> OpaquePointer? {
    guard let bio = unsafe BIO_new(method) else { return nil }
    unsafe BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
    unsafe BIO_set_init(bio, 1)
    return unsafe bio
  }

  /// Lends `ciphertext` to the session while `body` runs.
  func withInput<Result>(_ ciphertext: borrowing Span<UInt8>, _ body: () -> Result) -> Result {
    unsafe ciphertext.withUnsafeBufferPointer { bytes in
      // The pointer is withdrawn before the borrow ends.
      unsafe input = bytes.baseAddress
      inputLeft = bytes.count
      defer {
        unsafe input = nil
        inputLeft = 0
      }
      return body()
    }
  }

  /// Some of the lent ciphertext was not taken yet.
  var hasInput: Bool { inputLeft > 0 }

  fileprivate func take(_ buffer: UnsafeMutablePointer<CChar>, _ capacity: Int) -> Int {
    guard let from = unsafe input, inputLeft > 0 else { return 0 }
    let count = min(capacity, inputLeft)
    unsafe memcpy(buffer, from, count)
    unsafe input = from + count
    inputLeft -= count
    return count
  }
}

// BIO_set_retry_read and its like are macros over these flags.
private let retryFlags =
  BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_IO_SPECIAL | BIO_FLAGS_SHOULD_RETRY

private func pipe(of bio: OpaquePointer?) -> TLSPipe? {
  guard let data = unsafe BIO_get_data(bio) else { return nil }
  return unsafe Unmanaged<TLSPipe>.fromOpaque(data).takeUnretainedValue()
}

private let readInput:
  @convention(c) (OpaquePointer?, UnsafeMutablePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) ->
    Int32 = { bio, buffer, capacity, count in
      unsafe BIO_clear_flags(bio, retryFlags)
      guard let pipe = unsafe pipe(of: bio), let buffer = unsafe buffer else { return 0 }
      let taken = unsafe pipe.take(buffer, capacity)
      unsafe count?.pointee = taken
      if taken > 0 { return 1 }
      unsafe BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
      return 0
    }

private let writeOutput:
  @convention(c) (OpaquePointer?, UnsafePointer<CChar>?, Int, UnsafeMutablePointer<Int>?) -> Int32 =
    { bio, bytes, count, written in
      unsafe BIO_clear_flags(bio, retryFlags)
      guard let pipe = unsafe pipe(of: bio), let bytes = unsafe bytes else { return 0 }
      // OpenSSL hands over `count` readable bytes.
      let raw = unsafe UnsafeRawBufferPointer(start: bytes, count: count)
      unsafe pipe.output.append(Span(_unsafeElements: raw.bindMemory(to: UInt8.self)))
      unsafe written?.pointee = count
      return 1
    }

internal import COpenSSL

/// The password-based derivation of RFC 7914.
public struct Scrypt: Equatable, Sendable {
  /// CPU and memory cost, a power of two; block size; parallelisation. Memory: 128·cost·blockSize
  /// bytes.
  public let cost: UInt64
  public let blockSize: UInt64
  public let parallelism: UInt64

  /// The values that OWASP's password storage guidance names first: 128 MiB, about half a second.
  public static let password = Scrypt(cost: 1 << 17, blockSize: 8, parallelism: 1)

  public init(cost: UInt64, blockSize: UInt64, parallelism: UInt64) {
    (self.cost, self.blockSize, self.parallelism) = (cost, blockSize, parallelism)
  }

  /// More than the derivation of `password` needs; parameters that need more are refused.
  static let memoryBytesMax: UInt64 = 256 << 20

  /// `count` bytes derived from a password and a salt.
  public func derive(
    _ password: borrowing Span<UInt8>, salt: borrowing Span<UInt8>, count: Int
  ) throws(CryptoError) -> [UInt8] {
    let (passwordCount, saltCount) = (password.count, salt.count)
    var bytes = [UInt8](repeating: 0, count: count)
    let done = unsafe password.withUnsafeBufferPointer { password in
      unsafe password.withMemoryRebound(to: CChar.self) { password in
        unsafe salt.withUnsafeBufferPointer { salt in
          unsafe bytes.withUnsafeMutableBufferPointer { out in
            unsafe EVP_PBE_scrypt(
              password.baseAddress, passwordCount, salt.baseAddress, saltCount, cost, blockSize,
              parallelism, Self.memoryBytesMax, out.baseAddress, count)
          }
        }
      }
    }
    guard done == 1 else { throw .unavailable }
    return bytes
  }
}

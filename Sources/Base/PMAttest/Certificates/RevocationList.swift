internal import COpenSSL
public import PMSystem

/// AMD's list of revoked intermediates, signed by the root. It says nothing of single chips.
public struct RevocationList: Sendable {
  /// A list of a few intermediates; this is what may be fetched at most.
  public static let derBytesMax = 64 << 10

  private let der: [UInt8]

  /// Takes DER; `crlSig` if it is no list.
  public init(der: [UInt8]) throws(FailureToken) {
    guard ParsedList(der) != nil else { throw .crlSig }
    self.der = der
  }

  /// Throws if the list is not the root's, not of this time, or names the intermediate. The chain
  /// has been verified.
  public func check(_ chain: CertificateChain, at time: WallTime) throws(FailureToken) {
    guard let list = ParsedList(der), list.isSigned(by: chain.ark) else { throw .crlSig }
    guard list.isValid(at: time) else { throw .crlTime }
    guard !list.names(chain.intermediate) else { throw .crlRevoked }
  }
}

/// The owner of OpenSSL's form of a list; lives as long as one check.
@safe private final class ParsedList {
  private let pointer: OpaquePointer

  init?(_ der: [UInt8]) {
    defer { ERR_clear_error() }
    guard der.count <= RevocationList.derBytesMax else { return nil }
    // The function reads within the count and leaves its end in `position`.
    let parsed = unsafe der.withUnsafeBufferPointer { buffer -> OpaquePointer? in
      var position = buffer.baseAddress
      guard let list = unsafe d2i_X509_CRL(nil, &position, buffer.count) else { return nil }
      let isWhole = unsafe position == buffer.baseAddress?.advanced(by: buffer.count)
      if !isWhole { unsafe X509_CRL_free(list) }
      return unsafe isWhole ? list : nil
    }
    guard let parsed = unsafe parsed else { return nil }
    unsafe pointer = parsed
  }

  deinit { unsafe X509_CRL_free(pointer) }

  func isSigned(by root: X509Certificate) -> Bool {
    defer { ERR_clear_error() }
    guard let key = unsafe X509_get0_pubkey(root.pointer) else { return false }
    return unsafe X509_CRL_verify(pointer, key) == 1
  }

  /// Both ends belong to its time: the last second is later than the one before.
  func isValid(at time: WallTime) -> Bool {
    let before = WallTime(seconds: time.seconds - 1)
    return unsafe isLater(X509_CRL_get0_lastUpdate(pointer), than: time) == false
      && isLater(X509_CRL_get0_nextUpdate(pointer), than: before) == true
  }

  func names(_ certificate: X509Certificate) -> Bool {
    var entry: OpaquePointer?
    // 0 says that no entry has this number; the entry would belong to the list.
    return unsafe X509_CRL_get0_by_serial(
      pointer, &entry, X509_get0_serialNumber(certificate.pointer)) != 0
  }
}

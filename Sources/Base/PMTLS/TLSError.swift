/// Why a certificate, key or context was refused.
public enum TLSError: Error, Equatable, Sendable {
  case certificateUnusable
  case keyUnusable
  case keyDoesNotMatch
  case certificateExpired
  /// OpenSSL refused a setting or ran out of memory.
  case library
}

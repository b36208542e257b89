/// Bounds of the HTTP/1.1 codec.
public enum HTTPLimits {
  /// Start line and fields of a message; over it a request is answered 431.
  public static let headBytesMax = 32 * 1024
  /// Fields of a message; SDKs send about twenty.
  public static let fieldsMax = 96
  /// What a client may send ahead of the answer (pipelining) before it is not read any more: as
  /// much as one receive hands over.
  public static let aheadBytesMax = 64 * 1024
  /// Request target; over it a request is answered 414.
  public static let targetBytesMax = 4096
  /// Digits of a chunk size: 2^48 bytes, far above every body cap.
  public static let chunkSizeDigitsMax = 12
  /// Extensions of one chunk, which are dropped.
  public static let chunkExtensionBytesMax = 256
  /// Trailer fields of one message, which are dropped.
  public static let trailerBytesMax = 4096
}

/// Why a head or body was refused. Each case has one status; the connection is closed after it,
/// because where the next message begins is no longer known.
public enum HTTPError: Error, Equatable, Sendable {
  case malformedStartLine
  case malformedField
  case malformedTarget
  case headTooLarge
  case targetTooLong
  case unsupportedVersion
  case hostMissingOrRepeated
  /// Repeated, not a number, or beside Transfer-Encoding (RFC 9112, 6.3).
  case ambiguousLength
  case unsupportedTransferCoding
  case malformedChunk

  /// The status that tells a client about it.
  public var status: Int {
    switch self {
    case .headTooLarge: 431
    case .targetTooLong: 414
    case .unsupportedVersion: 505
    case .unsupportedTransferCoding: 501
    default: 400
    }
  }
}

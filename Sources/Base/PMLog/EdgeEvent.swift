/// What the edge logs.
public enum EdgeEvent: Sendable {
  case started(threads: Int)
  case draining(connections: Int)
  case stopped
  case certificateLoaded(daysLeft: Int)
  case certificateRefused(reason: CertificateFault)
  /// No certificate of the operator's can be used: the key vouches for itself.
  case selfSignedServed(daysLeft: Int)
  /// The process cannot begin: its key.
  case keyRefused(reason: KeyFault)
  /// The key file changed, and this process keeps the key it was proved with.
  case keyNotTaken(reason: KeyFault)
  /// What the supervisor sent went to no client.
  case evidenceRefused(reason: EvidenceFault)
  /// There is no way to the supervisor any more.
  case evidenceClosed
  case descriptorsExhausted
  case coreUnreachable(errno: Int32)
  case configurationRefused

  /// Why a certificate and key pair was not taken into use.
  public enum CertificateFault: Sendable {
    case unreadable, unusable, mismatch, expired
    var word: StaticString {
      switch self {
      case .unreadable: "unreadable"
      case .unusable: "unusable"
      case .mismatch: "mismatch"
      case .expired: "expired"
      }
    }
  }

  /// What is wrong with a file of the TLS key.
  public enum KeyFault: Error, Equatable, Sendable {
    case unreadable, unusable
    /// Others may read it, or it belongs to somebody else.
    case exposed
    /// It is a good key, but another one.
    case another
    /// A new one could not be written.
    case notStored
    var word: StaticString {
      switch self {
      case .unreadable: "unreadable"
      case .unusable: "unusable"
      case .exposed: "exposed"
      case .another: "another"
      case .notStored: "not-stored"
      }
    }
  }

  /// What is wrong with a document.
  public enum EvidenceFault: Equatable, Sendable {
    /// Broken pieces, or no such document.
    case damaged
    case foreignKey, foreignNonce
    var word: StaticString {
      switch self {
      case .damaged: "damaged"
      case .foreignKey: "foreign-key"
      case .foreignNonce: "foreign-nonce"
      }
    }
  }

  var record: LogRecord {
    switch self {
    case .started(let threads): LogRecord(.info, "started", [.number("threads", threads)])
    case .draining(let count): LogRecord(.info, "draining", [.number("connections", count)])
    case .stopped: LogRecord(.info, "stopped")
    case .certificateLoaded(let days):
      LogRecord(.info, "certificate-loaded", [.number("days_left", days)])
    case .certificateRefused(let fault):
      LogRecord(.error, "certificate-refused", [.word("reason", fault.word)])
    case .selfSignedServed(let days):
      LogRecord(.warning, "self-signed-served", [.number("days_left", days)])
    case .keyRefused(let fault): LogRecord(.error, "key-refused", [.word("reason", fault.word)])
    case .keyNotTaken(let fault):
      LogRecord(.warning, "key-not-taken", [.word("reason", fault.word)])
    case .evidenceRefused(let fault):
      LogRecord(.error, "evidence-refused", [.word("reason", fault.word)])
    case .evidenceClosed: LogRecord(.error, "evidence-closed")
    case .descriptorsExhausted: LogRecord(.error, "descriptors-exhausted")
    case .coreUnreachable(let number):
      LogRecord(.warning, "core-unreachable", [.number("errno", number)])
    case .configurationRefused: LogRecord(.error, "configuration-refused")
    }
  }
}

internal import PMSystem
internal import PMTLS

/// Whether our own clock may be to blame before a certificate is.
struct ClockWords {
  /// Clocks that are set differ by less; certificates are rarely younger.
  static let differenceSecondsMax: Int64 = 300

  let own: WallTime
  /// What the server's answer says, if it says anything.
  let server: WallTime?
  /// What the system's roots say about the connection.
  let trust: WebTrust?
  /// True if a certificate of the evidence is out of its time.
  let isChainOutOfTime: Bool

  var lines: [String] {
    if let server, abs(server.seconds - own.seconds) > Self.differenceSecondsMax {
      let line =
        "This computer's clock says \(own.civil.rfc3339), the server's \(server.civil.rfc3339). "
        + "One of them is wrong; no date of a certificate counts until yours is right."
      return [line]
    }
    let isOutOfTime = isChainOutOfTime || trust == .notYetValid || trust == .expired
    guard isOutOfTime else { return [] }
    let ground = server == nil ? "the server does not tell its time" : "the server's clock agrees"
    return ["This computer's clock says \(own.civil.rfc3339); \(ground)."]
  }
}

extension WebTrust {
  /// Why a browser would not trust the server, for people; nil if it would.
  var words: String? {
    switch self {
    case .trusted: nil
    case .notYetValid: "its certificate is not valid yet"
    case .expired: "its certificate has expired"
    case .otherName: "its certificate is for another name"
    case .selfSigned: "its certificate is signed by itself or by a root that this system lacks"
    case .unknownIssuer: "the issuer of its certificate is unknown here"
    case .other(let code): "its certificate is refused by OpenSSL (X509 error \(code))"
    }
  }
}

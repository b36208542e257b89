internal import PMSystem
internal import PMTLS

/// Why a server gave no usable answer.
public enum NetworkFault: Error, Equatable, Sendable {
  case unknownName
  case unreachable(errno: Int32)
  /// The proxy did not open a tunnel.
  case proxyRefused(status: Int)
  /// The proxy's variable is not `http://host:port`.
  case proxyUnusable
  /// No TLS 1.2 or later could be agreed on.
  case handshake
  /// The connection broke before the answer was whole.
  case truncated
  case timedOut
  /// The server answered with another status than 200; only where the caller needs that one.
  case refused(status: Int)
  /// The answer is longer than the caller allows.
  case oversized
  case notHTTP
  /// The system's roots do not vouch for the server; only where the caller demands it.
  case untrusted
  /// OpenSSL could not be set up.
  case library

  init(_ fault: StreamFault) {
    self =
      switch fault {
      case .unknownName: .unknownName
      case .unreachable(let errno): .unreachable(errno: errno)
      case .broken: .truncated
      case .timedOut: .timedOut
      }
  }

  init(_ error: TLSConnectionError) {
    self =
      switch error {
      case .stream(let fault): NetworkFault(fault)
      case .handshake: .handshake
      case .library: .library
      }
  }

  /// What went wrong, for people.
  public var words: String {
    switch self {
    case .unknownName: "the name has no address; is it spelt right, does DNS work here?"
    case .unreachable(let errno): "no connection to any of its addresses (errno \(errno))"
    case .proxyRefused(let status): "the proxy opens no tunnel there (it answered \(status))"
    case .proxyUnusable: "the variable https_proxy is not of the form http://host:port"
    case .handshake: "no TLS 1.2 or later could be agreed on"
    case .truncated: "the connection broke before the answer was whole"
    case .timedOut: "no whole answer within the time allowed"
    case .refused(let status): "the server answered \(status)"
    case .oversized: "the answer is longer than an attestation document may be"
    case .notHTTP: "the answer is not HTTP/1.1 with a length"
    case .untrusted: "the system's roots do not vouch for the server"
    case .library: "OpenSSL could not be set up"
    }
  }
}

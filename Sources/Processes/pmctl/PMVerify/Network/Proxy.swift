internal import PMHTTP
internal import PMSystem

/// The proxy that the environment names. It is used as a tunnel only (RFC 9110, 9.3.6): it sees
/// where the connection goes, and ciphertext.
public enum Proxy {
  /// Variables that are read, as curl and others read them; the first that is there counts.
  public static let environmentNames = ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"]

  /// Why a proxy's variable cannot be used.
  public enum Fault: Error, Equatable, Sendable { case notUnderstood }

  /// Nil if the server is to be reached directly. A literal loopback address and `localhost` always
  /// are.
  static func place(
    for server: Place, in environment: [String: String]
  ) throws(Fault) -> Place? {
    guard let text = environment["https_proxy"] ?? environment["HTTPS_PROXY"], !text.isEmpty,
      server.host != "localhost", InternetAddress(server.host)?.isLoopback != true,
      !isExempt(server.host, environment["no_proxy"] ?? environment["NO_PROXY"] ?? "")
    else { return nil }
    let scheme = "http://"
    var rest = text[...]
    if rest.lowercased().hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    guard let place = Place(authority: rest, defaultPort: 80) else { throw .notUnderstood }
    return place
  }

  /// Names in the list stand for themselves and all below them; `*` for everything.
  private static func isExempt(_ host: String, _ list: String) -> Bool {
    list.split(separator: ",").contains { item in
      let name = item.filter { $0 != " " }.drop { $0 == "." }.lowercased()
      let host = host.lowercased()
      return name == "*" || (!name.isEmpty && (host == name || host.hasSuffix(".\(name)")))
    }
  }

  /// Asks the proxy at the other end of `stream` to connect on to `server`.
  static func openTunnel(to server: Place, over stream: TCPStream) throws(NetworkFault) {
    var buffer = ByteBuffer()
    buffer.append(
      "CONNECT \(server.hostAndPort) HTTP/1.1\r\nHost: \(server.hostAndPort)\r\n\r\n")
    let plain = PlainStream(stream)
    try plain.send(buffer)
    buffer.clear()
    let (head, length) = try HTTPAnswer.readHead(from: plain, into: &buffer)
    guard (200..<300).contains(head.status) else { throw .proxyRefused(status: head.status) }
    // The server does not speak before it is greeted.
    guard length == buffer.count else { throw .notHTTP }
  }
}

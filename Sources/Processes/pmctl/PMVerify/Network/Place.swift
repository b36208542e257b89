internal import PMSystem

/// Where a server is: a name or address, and a port.
public struct Place: Equatable, Sendable {
  /// Without brackets.
  public let host: String
  public let port: UInt16
  private let defaultPort: UInt16

  init(host: String, port: UInt16, defaultPort: UInt16) {
    (self.host, self.port, self.defaultPort) = (host, port, defaultPort)
  }

  /// As in a URL and in the Host field: the port only where it is not the scheme's own.
  public var authority: String { port == defaultPort ? hostText : "\(hostText):\(port)" }
  /// With the port always, as CONNECT wants it (RFC 9110, 9.3.6).
  var hostAndPort: String { "\(hostText):\(port)" }
  private var hostText: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host }

  /// Longest name of DNS (RFC 1035, 2.3.4).
  private static let hostBytesMax = 253

  /// Reads `host`, `host:port`, `[address]` or `[address]:port`; nil if it is anything else. Only
  /// letters, digits, `-`, `.` and `_` make a name.
  init?(authority text: Substring, defaultPort: UInt16) {
    var (host, rest) = (text, Substring())
    if text.hasPrefix("[") {
      guard let end = text.firstIndex(of: "]") else { return nil }
      host = text[text.index(after: text.startIndex)..<end]
      rest = text[text.index(after: end)...]
      guard let address = InternetAddress(String(host)), !address.isIPv4 else { return nil }
    } else {
      if let colon = text.firstIndex(of: ":") { (host, rest) = (text[..<colon], text[colon...]) }
      guard (1...Self.hostBytesMax).contains(host.utf8.count), host.utf8.allSatisfy(Self.isName)
      else { return nil }
    }
    self.host = String(host)
    self.defaultPort = defaultPort
    if rest.isEmpty {
      port = defaultPort
    } else {
      guard rest.hasPrefix(":"), rest.utf8.dropFirst().allSatisfy({ (0x30...0x39).contains($0) }),
        let number = UInt16(rest.dropFirst()), number > 0
      else { return nil }
      port = number
    }
  }

  private static func isName(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }
}

/// The address of an appliance: `https://host[:port]`, and nothing behind it.
public struct ApplianceURL: Equatable, Sendable {
  public let place: Place
  public var text: String { "https://\(place.authority)" }

  private static let scheme = "https://"

  /// Nil if it is anything else: a path, a name and password, or another scheme.
  public init?(_ text: String) {
    guard text.lowercased().hasPrefix(Self.scheme) else { return nil }
    var rest = text.dropFirst(Self.scheme.count)
    if rest.hasSuffix("/") { rest = rest.dropLast() }
    guard let place = Place(authority: rest, defaultPort: 443) else { return nil }
    self.place = place
  }
}

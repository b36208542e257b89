/// One header field, its name as it was sent.
struct HeaderField: Sendable {
  let name: Bytes
  let value: Bytes

  init(_ name: Bytes, _ value: Bytes) {
    self.name = name
    self.value = value
  }

  init(_ name: String, _ value: String) {
    self.init(Bytes(name), Bytes(value))
  }
}

/// Why a head is refused, answered as Go's server does.
enum HeadFault: Error {
  case malformed
  case missingHost
  case tooLarge
  case badEncoding

  var answer: Bytes {
    let line =
      switch self {
      case .malformed: "400 Bad Request"
      case .missingHost: "400 Bad Request: missing required Host header"
      case .tooLarge: "431 Request Header Fields Too Large"
      case .badEncoding: "501 Not Implemented: unsupported transfer encoding"
      }
    let status = line.split(separator: ":")[0]
    return Bytes(
      "HTTP/1.1 \(status)\r\nContent-Type: text/plain; charset=utf-8\r\n"
        + "Connection: close\r\n\r\n\(line)")
  }
}

/// A request's head (RFC 9112, section 3), as far as the vendor looks at it.
struct RequestHead {
  enum Framing {
    case none
    case length(Int)
    case chunked
  }

  let method: Bytes
  let target: Bytes
  let path: Bytes
  let query: Bytes
  let isOldProtocol: Bool
  let fields: [HeaderField]
  let framing: Framing

  /// `bytes` is the head without its closing empty line.
  init(_ bytes: Bytes) throws(HeadFault) {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      .map { $0.last == UInt8(ascii: "\r") ? $0.dropLast() : $0 }
    let first = lines.removeFirst()
      .split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false).map(Bytes.init)
    guard first.count == 3, !first[0].isEmpty, first[2].starts(with: "HTTP/1.") else {
      throw .malformed
    }
    method = first[0]
    target = first[1]
    isOldProtocol = first[2].isEqual(to: "HTTP/1.0")
    let parts = target.split(
      separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
    path = Bytes(parts[0])
    query = parts.count == 2 ? Bytes(parts[1]) : []
    guard path.first == UInt8(ascii: "/") || path.isEqual(to: "*") else { throw .malformed }

    var fields: [HeaderField] = []
    for line in lines {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else {
        throw .malformed
      }
      let name = Bytes(line[..<colon])
      guard !name.contains(where: { $0 <= 0x20 }) else { throw .malformed }
      fields.append(HeaderField(name, Bytes(line[(colon + 1)...]).trimmed))
    }
    self.fields = fields
    framing = try Self.framing(fields)
    let hasHost = fields.contains { $0.name.isEqualIgnoringCase("host") }
    guard hasHost || isOldProtocol else { throw .missingHost }
  }

  private static func framing(_ fields: [HeaderField]) throws(HeadFault) -> Framing {
    let encodings = fields.filter { $0.name.isEqualIgnoringCase("transfer-encoding") }
    if let encoding = encodings.first {
      guard encodings.count == 1, encoding.value.isEqualIgnoringCase("chunked") else {
        throw .badEncoding
      }
      return .chunked
    }
    let lengths = Set(fields.filter { $0.name.isEqualIgnoringCase("content-length") }.map(\.value))
    guard let length = lengths.first else { return .none }
    guard lengths.count == 1, length.allSatisfy(\.isDigit), let count = Int(length.text) else {
      throw .malformed
    }
    return count == 0 ? .none : .length(count)
  }

  /// The first field of that name, in any letter case.
  subscript(_ name: String) -> Bytes? {
    fields.first { $0.name.isEqualIgnoringCase(name) }?.value
  }

  /// Whether the client wants the connection kept after this exchange.
  var keepsConnection: Bool {
    let wish = self["connection"] ?? []
    if isOldProtocol { return wish.isEqualIgnoringCase("keep-alive") }
    return !wish.isEqualIgnoringCase("close")
  }

  /// Whether the client waits for a word before it sends its body.
  var expectsContinue: Bool { self["expect"]?.isEqualIgnoringCase("100-continue") == true }

  /// The token of `Authorization: Bearer X`: exactly one space, as the vendor reads it.
  var bearer: Bytes? {
    guard let value = self["authorization"], value.starts(with: "Bearer ") else { return nil }
    let token = Bytes(value.dropFirst(7))
    return token.isEmpty || token.first == UInt8(ascii: " ") ? nil : token
  }
}

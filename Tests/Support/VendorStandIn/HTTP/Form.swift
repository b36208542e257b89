/// Why a body is not a form, in Go's words.
enum FormFault: Error {
  case notMultipart
  case noBoundary
  case truncated

  var goText: String {
    switch self {
    case .notMultipart: "request Content-Type isn't multipart/form-data"
    case .noBoundary: "no multipart boundary param in Content-Type"
    case .truncated: "multipart: NextPart: EOF"
    }
  }
}

/// A multipart form (RFC 7578): the first value and the first file of each name, as the binary
/// keeps them.
struct Form {
  private(set) var values: [String: Bytes] = [:]
  private(set) var files: [String: Bytes] = [:]

  init() {}

  init(_ body: Bytes, contentType: Bytes) throws(FormFault) {
    guard Bytes(contentType.prefix(19)).isEqualIgnoringCase("multipart/form-data") else {
      throw .notMultipart
    }
    guard let boundary = Self.parameter("boundary", of: contentType), !boundary.isEmpty else {
      throw .noBoundary
    }
    let delimiter = Bytes("--") + boundary
    guard var place = body.index(of: delimiter) else { throw .truncated }
    while true {
      place += delimiter.count
      if body[place...].starts(with: "--".utf8) { return }
      guard let headStart = body.index(of: Bytes("\r\n"), from: place),
        let headEnd = body.index(of: Bytes("\r\n\r\n"), from: headStart),
        let end = body.index(of: Bytes("\r\n") + delimiter, from: headEnd + 2)
      else { throw .truncated }
      let contentStart = headEnd + 4
      // An empty part: its closing line end is the second of the head's.
      let content = contentStart <= end ? Bytes(body[contentStart..<end]) : []
      take(Bytes(body[headStart..<headEnd]), content)
      place = end + 2
    }
  }

  private mutating func take(_ head: Bytes, _ content: Bytes) {
    for line in head.splitLines().map(\.trimmed) {
      guard Bytes(line.prefix(20)).isEqualIgnoringCase("content-disposition:"),
        let name = Self.parameter("name", of: line)?.text
      else { continue }
      if Self.parameter("filename", of: line) != nil {
        if files[name] == nil { files[name] = content }
      } else if values[name] == nil {
        values[name] = content
      }
    }
  }

  /// The value of `; name=value` or `; name="value"`.
  private static func parameter(_ name: String, of line: Bytes) -> Bytes? {
    for part in line.split(separator: UInt8(ascii: ";")).dropFirst() {
      let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1)
      guard pair.count == 2, Bytes(pair[0]).trimmed.isEqualIgnoringCase(name) else { continue }
      let value = Bytes(pair[1]).trimmed
      let isQuoted = value.count >= 2 && value.first == 0x22 && value.last == 0x22
      return isQuoted ? Bytes(value[1..<(value.count - 1)]) : value
    }
    return nil
  }
}

/// Reads one request after another from a connection.
struct RequestReader {
  /// Go's default limit of a head: 1 MiB and some slack.
  private static let headBytesMax = (1 << 20) + 4096
  /// A bound of ours, above anything the pretend gateway would take.
  private static let bodyBytesMax = 256 << 20
  /// How much of an unread body Go's server swallows to keep a connection.
  private static let discardBytesMax = 256 << 10
  private static let chunkLineBytesMax = 4096

  enum Arrival {
    case head(RequestHead)
    case bad(HeadFault)
    case end
  }

  /// The connection ended, or the framing is broken; there is nobody to answer.
  struct Broken: Error {}

  private let wire: Wire
  private var buffer: Bytes = []
  /// Offset of the first byte not yet taken.
  private var place = 0

  init(wire: Wire) { self.wire = wire }

  mutating func head() -> Arrival {
    buffer.removeFirst(place)
    place = 0
    while buffer.starts(with: "\r\n") { buffer.removeFirst(2) }
    var searched = 0
    while true {
      if let end = headEnd(from: searched) {
        place = end.next
        do throws(HeadFault) {
          return .head(try RequestHead(Bytes(buffer[..<end.head])))
        } catch {
          return .bad(error)
        }
      }
      guard buffer.count <= Self.headBytesMax else { return .bad(.tooLarge) }
      searched = max(0, buffer.count - 3)
      guard wire.read(into: &buffer) else { return .end }
    }
  }

  /// Where the head ends and what follows begins: at the first empty line, with or without CR.
  private func headEnd(from start: Int) -> (head: Int, next: Int)? {
    var place = start
    while let line = buffer[place...].firstIndex(of: UInt8(ascii: "\n")) {
      if line + 1 < buffer.count, buffer[line + 1] == UInt8(ascii: "\n") { return (line, line + 2) }
      if line + 2 < buffer.count, buffer[line + 1] == UInt8(ascii: "\r"),
        buffer[line + 2] == UInt8(ascii: "\n")
      {
        return (line, line + 3)
      }
      place = line + 1
    }
    return nil
  }

  /// The whole body. `arrived` is called as bytes come, for the recorder.
  mutating func body(of head: RequestHead, arrived: () -> Void) throws(Broken) -> Bytes {
    if head.expectsContinue, place == buffer.count {
      guard wire.write(Bytes("HTTP/1.1 100 Continue\r\n\r\n")) else { throw Broken() }
    }
    switch head.framing {
    case .none: return []
    case .length(let length):
      guard length <= Self.bodyBytesMax else { throw Broken() }
      return try take(length, arrived)
    case .chunked: return try chunks(arrived)
    }
  }

  /// Leaves an unread body behind; false when the connection cannot go on after it.
  mutating func discard(_ head: RequestHead) -> Bool {
    if head.expectsContinue { return false }
    switch head.framing {
    case .none: return true
    case .length(let length):
      guard length <= Self.discardBytesMax else { return false }
      return (try? take(length) {}) != nil
    case .chunked:
      return false
    }
  }

  private mutating func take(_ count: Int, _ arrived: () -> Void) throws(Broken) -> Bytes {
    if buffer.count > place { arrived() }
    buffer.reserveCapacity(place + count)
    while buffer.count - place < count {
      guard wire.read(into: &buffer) else { throw Broken() }
      arrived()
    }
    defer { place += count }
    return Bytes(buffer[place..<(place + count)])
  }

  private mutating func chunks(_ arrived: () -> Void) throws(Broken) -> Bytes {
    var body: Bytes = []
    while true {
      let size = try line().split(separator: UInt8(ascii: ";"), maxSplits: 1).first ?? []
      guard let count = Int(Bytes(size).trimmed.text, radix: 16), count >= 0,
        body.count + count <= Self.bodyBytesMax
      else { throw Broken() }
      if count == 0 { break }
      body += try take(count, arrived)
      guard try line().isEmpty else { throw Broken() }
      buffer.removeFirst(place)
      place = 0
    }
    while try !line().isEmpty {}
    return body
  }

  private mutating func line() throws(Broken) -> Bytes {
    while true {
      if let end = buffer[place...].firstIndex(of: UInt8(ascii: "\n")) {
        let line = Bytes(buffer[place..<end])
        place = end + 1
        return line.last == UInt8(ascii: "\r") ? Bytes(line.dropLast()) : line
      }
      guard buffer.count - place <= Self.chunkLineBytesMax, wire.read(into: &buffer) else {
        throw Broken()
      }
    }
  }
}

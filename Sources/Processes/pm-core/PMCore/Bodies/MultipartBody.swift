import PMHTTP
import PMSystem

/// A `multipart/form-data` body under way (RFC 7578), passed on as it is. Its parts are followed so
/// that the model is known and nothing is passed that could not be metered. Strict, because a laxer
/// reader behind us must not find parts that we did not: the body begins with its first delimiter,
/// each delimiter ends its line, heads are those of HTTP, and names are plain.
final class MultipartBody: BodyEditor {
  private enum State {
    case start, partHead
    /// No byte of a part's body has come. A delimiter here lacks its own line end, and readers
    /// differ on whether it is one.
    case partStart
    case partBody, epilogue
  }
  private enum Part {
    case model, stream, format, language, file, other
  }

  private let delimiter: [UInt8]
  private var state = State.start
  /// Bytes that may hold the start of a delimiter or of a part's head.
  private var tail: [UInt8] = []
  private var part = Part.other
  private var field: [UInt8] = []
  private var partCount = 0
  /// The parts that we know; each may come once, because readers differ on which one counts.
  private var seen: Set<Part> = []
  private var format: [UInt8] = []
  private var hasLanguage = false
  private var isStreamed = false
  private var wave = WaveHead()
  private var facts = RequestFacts()

  /// Takes the boundary from a `Content-Type` value; nil if it has none that is safe to repeat.
  init?(contentType: String) {
    guard let boundary = Self.boundary(in: contentType) else { return nil }
    delimiter = Array("\r\n--\(boundary)".utf8)
    // A body begins with the delimiter without its line end.
    tail = [0x0D, 0x0A]
  }

  /// `boundary=…`, quoted or not: 1 to 70 characters of RFC 2046, 5.1.1, without blanks.
  static func boundary(in contentType: String) -> String? {
    for parameter in contentType.split(separator: ";").dropFirst() {
      let trimmed = parameter.drop { $0 == " " || $0 == "\t" }
      guard trimmed.lowercased().hasPrefix("boundary=") else { continue }
      var value = trimmed.dropFirst(9)
      while value.last == " " { value = value.dropLast() }
      if value.first == "\"", value.last == "\"", value.count >= 2 {
        value = value.dropFirst().dropLast()
      }
      let isSafe = value.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x27...0x29, 0x2B...0x2F, 0x3A, 0x3D, 0x3F,
          0x5F:
          true
        default: false
        }
      }
      return isSafe && (1...70).contains(value.utf8.count) ? String(value) : nil
    }
    return nil
  }

  func take(
    _ bytes: borrowing Span<UInt8>, into out: inout ByteBuffer
  ) throws(BodyFault) {
    facts.bodyBytes += bytes.count
    if state == .epilogue { return }
    var position = 0
    while position < bytes.count, state != .epilogue {
      position =
        state == .partHead
        ? try takePartHead(bytes, from: position) : try takeText(bytes, from: position)
    }
    out.append(bytes.extracting(0..<position))
    // Behind the last delimiter nothing counts, and nothing goes on.
    if state == .epilogue { out.append("\r\n") }
  }

  /// Looks for the next delimiter. What cannot be part of one goes to the part.
  private func takeText(
    _ bytes: borrowing Span<UInt8>, from start: Int
  ) throws(BodyFault) -> Int {
    var position = start
    while position < bytes.count {
      if tail.isEmpty {
        guard let next = bytes.firstOffset(of: 0x0D, from: position) else {
          try keep(bytes.extracting(position..<bytes.count))
          return bytes.count
        }
        try keep(bytes.extracting(position..<next))
        position = next
      }
      // The tail is a true start of the delimiter.
      let byte = bytes[position]
      if byte == delimiter[tail.count] {
        tail.append(byte)
        position += 1
        if tail.count == delimiter.count {
          guard state != .partStart else { throw .badForm }
          tail.removeAll(keepingCapacity: true)
          try endPart()
          state = .partHead
          return position
        }
      } else {
        // Only the first byte of the delimiter is a carriage return, so nothing inside the tail
        // can start another one.
        guard state != .start else { throw .badForm }
        let broken = Array(state == .partStart ? tail.dropFirst(2) : tail[...])
        tail.removeAll(keepingCapacity: true)
        state = .partBody
        try keep(broken.span)
        if byte != 0x0D {
          try keep(bytes.extracting(position..<position + 1))
          position += 1
        }
      }
    }
    return position
  }

  /// The rest of the delimiter's line and the part's fields, up to the empty line.
  private func takePartHead(
    _ bytes: borrowing Span<UInt8>, from start: Int
  ) throws(BodyFault) -> Int {
    var position = start
    while position < bytes.count {
      tail.append(bytes[position])
      position += 1
      guard tail.count <= BodyBounds.partHeadBytesMax else { throw .badForm }
      if tail.count == 2, tail[0] != 0x0D || tail[1] != 0x0A {
        guard tail[0] == 0x2D, tail[1] == 0x2D else { throw .badForm }
        tail.removeAll(keepingCapacity: true)
        state = .epilogue
        return position
      }
      if tail.last == 0x0A, tail.suffix(4) == [0x0D, 0x0A, 0x0D, 0x0A] {
        try beginPart(Array(tail.dropFirst(2)))
        // The line end of the head stands for that of a delimiter.
        tail = [0x0D, 0x0A]
        state = .partStart
        return position
      }
    }
    return position
  }

  private func beginPart(_ head: [UInt8]) throws(BodyFault) {
    partCount += 1
    guard partCount <= BodyBounds.partsMax else { throw .badForm }
    field.removeAll(keepingCapacity: true)
    switch try FormPartName(head: head.span).text {
    case "model": part = .model
    case "file": part = .file
    case "stream": part = .stream
    case "response_format": part = .format
    case "language": part = .language
    default: part = .other
    }
    guard part == .other || seen.insert(part).inserted else { throw .badForm }
  }

  private func keep(_ bytes: borrowing Span<UInt8>) throws(BodyFault) {
    guard state == .partBody, !bytes.isEmpty else { return }
    switch part {
    case .file: wave.take(bytes)
    case .other: break
    default:
      guard field.count + bytes.count <= BodyBounds.fieldBytesMax else { throw .badForm }
      for offset in 0..<bytes.count { field.append(bytes[offset]) }
    }
  }

  private func endPart() throws(BodyFault) {
    guard state == .partBody else { return }
    switch part {
    case .model: facts.model = field
    case .stream:
      let text = String(decoding: field, as: UTF8.self)
      isStreamed = !["", "false", "False", "0"].contains(text)
    case .format: format = field
    case .language: hasLanguage = !field.isEmpty
    case .file, .other: break
    }
  }

  func check() throws(BodyFault) -> RequestFacts {
    guard state == .epilogue, seen.contains(.model), seen.contains(.file) else { throw .badForm }
    guard isModelName(facts.model) else { throw .modelMissing }
    if isStreamed { throw .streamedForm }
    switch String(decoding: format, as: UTF8.self) {
    case "", "json": break
    case "verbose_json": if !hasLanguage { throw .unknownFormat }
    default: throw .unknownFormat
    }
    facts.audioMilliseconds = wave.milliseconds
    return facts
  }
}

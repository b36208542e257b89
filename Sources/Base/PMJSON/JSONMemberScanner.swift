/// Follows one JSON object (RFC 8259) that arrives in pieces of any size, in constant memory, and
/// reports the members of the outermost object as they pass.
///
/// Method: a state machine over bytes; strings are skipped sixteen bytes at a time. What looks like
/// a member inside a string or a nested object is not one. Strict, the grammar is checked
/// throughout, UTF-8 included, so that what passes here means the same to every later reader;
/// otherwise nested values are only skimmed for their brackets and quotes.
///
/// Known holes: names of nested objects may repeat; numbers may be of any size; an escape may be
/// half of a surrogate pair, as the grammar allows.
public struct JSONMemberScanner: Sendable {
  /// Nesting that is followed; the request format of the API needs about ten.
  public static let depthMax = 64
  /// Names of the outermost object, where `isStrict`.
  public static let nameBytesMax = 64
  /// Members of the outermost object.
  public static let membersMax = 256

  private static let captureBytesFirst = 128

  /// What was found.
  public enum Event: Equatable, Sendable {
    /// The bytes are used up.
    case needsMore
    /// A name and its colon have passed; `nameIs` tells which, and the value follows.
    case name
    /// The value of that name has ended; `member` tells where it lay.
    case member
    /// The brace that ends the object; what follows may only be blanks.
    case end
  }

  /// Offsets from the start of the object's text.
  public struct Member: Equatable, Sendable {
    /// The brace or comma before the name.
    public var separator = 0
    public var nameStart = 0
    public var valueStart = 0
    public var valueEnd = 0
    /// Strings, arrays and objects directly inside the value, where `isStrict`.
    public var parts = 0

    public var value: Range<Int> { valueStart..<valueEnd }
  }

  fileprivate enum State: UInt8 {
    case start, nameOrEnd, nameStart, name, colon, value, valueOrEnd
    case string, escape, unicode, literal, afterValue, done
    // Within a nested value that is not checked.
    case skim, skimString, skimEscape
    // Numbers, by what was read last.
    case minus, zero, integer, point, fraction, exponent, exponentSign, exponentDigits
  }

  private let isStrict: Bool
  private var state = State.start
  private var depth = 0
  /// One bit for each open container: 1 for an object.
  private var containers: UInt64 = 0
  private var stringIsName = false
  private var unicodeDigitsLeft = 0
  private var literal: StaticString = ""
  private var literalPosition = 0
  private var utf8 = UTF8Sequence()
  private var name: InlineArray<64, UInt8> = .init(repeating: 0)
  private var nameLength = 0
  private var nameHash: UInt64 = 0
  private var nameHashes: [UInt64] = []
  private var memberCount = 0
  /// FNV-1a, 64 bits.
  private static let hashStart: UInt64 = 0xCBF2_9CE4_8422_2325
  /// Absolute offset of the byte in hand.
  private var offset = 0
  /// Absolute offset of the first byte of the present piece.
  private var base = 0
  private var captureBytesMax = 0
  public private(set) var member = Member()
  /// The value that `captureValue` asked for; whole after `.member`, unless it was too long.
  public private(set) var captured: [UInt8] = []
  public private(set) var isCaptureWhole = false

  /// With `isStrict`, names of the outermost object must be unique and of `A-Za-z0-9_-`, without
  /// escapes: a body must not mean one thing here and another at a laxer reader.
  public init(isStrict: Bool) { self.isStrict = isStrict }

  /// Starts over with the next object, keeping memory.
  public mutating func reset() {
    var fresh = JSONMemberScanner(isStrict: isStrict)
    swap(&fresh.captured, &captured)
    swap(&fresh.nameHashes, &nameHashes)
    fresh.captured.removeAll(keepingCapacity: true)
    fresh.nameHashes.removeAll(keepingCapacity: true)
    self = fresh
  }

  public var isComplete: Bool { state == .done }

  /// True if the name that passed last is `text`.
  @inline(__always)
  public func nameIs(_ text: StaticString) -> Bool {
    guard nameLength == text.utf8CodeUnitCount else { return false }
    let name = name.span
    for index in 0..<nameLength where unsafe name[index] != text.utf8Start[index] { return false }
    return true
  }

  /// True if the name that passed last is `text`, lower case, in any letter case.
  public func nameIs(ignoringCase text: StaticString) -> Bool {
    guard nameLength == text.utf8CodeUnitCount else { return false }
    let name = name.span
    for index in 0..<nameLength {
      var byte = name[index]
      if byte &- 0x41 < 26 { byte |= 0x20 }
      if unsafe byte != text.utf8Start[index] { return false }
    }
    return true
  }

  /// Asks, after `.name`, for the bytes of the value that follows.
  public mutating func captureValue(bytesMax: Int) {
    captureBytesMax = bytesMax
    captured.removeAll(keepingCapacity: true)
    // Most values asked for fit, so that they are not moved while they grow.
    captured.reserveCapacity(min(bytesMax, Self.captureBytesFirst))
    isCaptureWhole = true
  }

  /// Looks at `bytes` from `position` on, up to the next event. Give the next piece, from its
  /// start, only after `.needsMore`.
  public mutating func next(
    _ bytes: borrowing Span<UInt8>, _ position: inout Int
  ) throws(JSONError) -> Event {
    let start = position
    let event = try find(bytes, &position)
    if captureBytesMax > 0 { capture(bytes, start..<position, event) }
    if event == .needsMore { base += bytes.count }
    return event
  }

  private mutating func find(
    _ bytes: borrowing Span<UInt8>, _ position: inout Int
  ) throws(JSONError) -> Event {
    while position < bytes.count {
      switch state {
      case .string where !utf8.isWithin: position = bytes.plainTextEnd(from: position)
      case .name: try takeName(bytes, &position)
      case .skim: position = bytes.bracketOrQuote(from: position)
      case .skimString: position = bytes.quoteOrEscape(from: position)
      default: break
      }
      if position == bytes.count { break }
      let byte = bytes[position]
      offset = base + position
      // A number ends with the byte behind it, which is not part of it.
      if state.isNumber, !continuesNumber(byte) {
        guard state.mayEndNumber else { throw error(.invalidNumber) }
        if let event = endValue(at: offset) { return event }
        continue
      }
      position += 1
      if let event = try step(byte) { return event }
    }
    return .needsMore
  }

  /// Keeps what `range` holds of the value, without the blanks before it.
  private mutating func capture(
    _ bytes: borrowing Span<UInt8>, _ range: Range<Int>, _ event: Event
  ) {
    if event == .needsMore, depth == 1, state == .value { return }
    let start = max(range.lowerBound, member.valueStart - base)
    let room = captureBytesMax - captured.count
    if range.upperBound - start > room { isCaptureWhole = false }
    let kept = bytes.extracting(start..<min(range.upperBound, start + room))
    unsafe kept.withUnsafeBufferPointer { unsafe captured.append(contentsOf: $0) }
    if event == .member { captureBytesMax = 0 }
  }

  private func error(_ reason: JSONError.Reason) -> JSONError {
    JSONError(reason: reason, offset: offset)
  }

  @inline(__always)
  private func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }

  @inline(__always)
  private mutating func step(_ byte: UInt8) throws(JSONError) -> Event? {
    switch state {
    case .string: return try stepString(byte)
    case .name: return try stepName(byte)
    case .escape: try stepEscape(byte)
    case .unicode: try stepUnicode(byte)
    case .literal: return try stepLiteral(byte)
    case .skim: return try stepSkim(byte)
    case .skimString:
      if byte == UInt8(ascii: "\"") {
        state = .skim
      } else if byte == UInt8(ascii: "\\") {
        state = .skimEscape
      }
    case .skimEscape: state = .skimString
    case .start, .nameOrEnd, .nameStart, .colon, .value, .valueOrEnd, .afterValue, .done:
      if !isBlank(byte) { return try stepStructure(byte) }
    default: stepNumber(byte)
    }
    return nil
  }

  private mutating func stepStructure(_ byte: UInt8) throws(JSONError) -> Event? {
    switch state {
    case .afterValue:
      if byte != UInt8(ascii: ",") { return try close(byte) }
      if depth == 1 { member.separator = offset }
      state = containers & 1 == 1 ? .nameStart : .value
    case .nameOrEnd where byte == UInt8(ascii: "}"): return try close(byte)
    case .nameOrEnd, .nameStart:
      guard byte == UInt8(ascii: "\"") else { throw error(.unexpectedByte) }
      try beginName()
    case .colon:
      guard byte == UInt8(ascii: ":") else { throw error(.unexpectedByte) }
      state = .value
      if depth == 1 { return .name }
    case .valueOrEnd where byte == UInt8(ascii: "]"): return try close(byte)
    case .value, .valueOrEnd: try beginValue(byte)
    case .start:
      guard byte == UInt8(ascii: "{") else { throw error(.unexpectedByte) }
      depth = 1
      containers = 1
      member.separator = offset
      state = .nameOrEnd
    default: throw error(.trailingBytes)
    }
    return nil
  }

  private mutating func beginName() throws(JSONError) {
    if depth == 1 {
      memberCount += 1
      guard memberCount <= Self.membersMax else { throw error(.tooLong) }
      member.nameStart = offset
      (nameLength, nameHash) = (0, Self.hashStart)
      state = .name
    } else {
      stringIsName = true
      state = .string
    }
  }

  private mutating func beginValue(_ byte: UInt8) throws(JSONError) {
    if depth == 1 { (member.valueStart, member.parts) = (offset, 0) }
    switch byte {
    case UInt8(ascii: "\""):
      if depth == 2 { member.parts += 1 }
      stringIsName = false
      state = .string
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard depth < Self.depthMax else { throw error(.tooDeep) }
      let isObject = byte == UInt8(ascii: "{")
      if depth == 2 { member.parts += 1 }
      depth += 1
      if !isStrict {
        state = .skim
        return
      }
      containers = containers << 1 | (isObject ? 1 : 0)
      state = isObject ? .nameOrEnd : .valueOrEnd
    case UInt8(ascii: "t"): beginLiteral("rue")
    case UInt8(ascii: "f"): beginLiteral("alse")
    case UInt8(ascii: "n"): beginLiteral("ull")
    case UInt8(ascii: "-"): state = .minus
    case UInt8(ascii: "0"): state = .zero
    case UInt8(ascii: "1")...UInt8(ascii: "9"): state = .integer
    default: throw error(.unexpectedByte)
    }
  }

  /// Follows nesting by brackets alone.
  private mutating func stepSkim(_ byte: UInt8) throws(JSONError) -> Event? {
    switch byte {
    case UInt8(ascii: "\""): state = .skimString
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard depth < Self.depthMax else { throw error(.tooDeep) }
      depth += 1
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      depth -= 1
      if depth == 1 { return endValue(at: offset + 1) }
    default: break
    }
    return nil
  }

  private mutating func beginLiteral(_ rest: StaticString) {
    literal = rest
    literalPosition = 0
    state = .literal
  }

  private mutating func close(_ byte: UInt8) throws(JSONError) -> Event? {
    let end = containers & 1 == 1 ? UInt8(ascii: "}") : UInt8(ascii: "]")
    guard byte == end else { throw error(.unexpectedByte) }
    depth -= 1
    containers >>= 1
    if depth > 0 { return endValue(at: offset + 1) }
    state = .done
    member.separator = offset
    return .end
  }

  private mutating func endValue(at end: Int) -> Event? {
    state = .afterValue
    guard depth == 1 else { return nil }
    member.valueEnd = end
    return .member
  }

  private mutating func stepString(_ byte: UInt8) throws(JSONError) -> Event? {
    if utf8.isWithin || byte >= 0x80 {
      guard utf8.take(byte) else { throw error(.invalidUTF8) }
      return nil
    }
    switch byte {
    case UInt8(ascii: "\""):
      if stringIsName { state = .colon } else { return endValue(at: offset + 1) }
    case UInt8(ascii: "\\"): state = .escape
    case 0x00..<0x20: throw error(.unexpectedByte)
    default: break
    }
    return nil
  }

  /// Takes what is plain of a name, up to its quote or an odd byte.
  @inline(__always)
  private mutating func takeName(
    _ bytes: borrowing Span<UInt8>, _ position: inout Int
  ) throws(JSONError) {
    var (length, hash) = (nameLength, nameHash)
    while position < bytes.count, Self.isNameByte(bytes[position]) {
      if length < Self.nameBytesMax { name[length] = bytes[position] }
      hash = (hash ^ UInt64(bytes[position])) &* 0x100_0000_01B3
      length += 1
      position += 1
    }
    (nameLength, nameHash) = (length, hash)
    guard !isStrict || length <= Self.nameBytesMax else {
      offset = base + position
      throw error(.invalidName)
    }
  }

  /// `A-Za-z0-9_-`
  @inline(__always)
  private static func isNameByte(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x5F || byte == 0x2D
  }

  private mutating func stepName(_ byte: UInt8) throws(JSONError) -> Event? {
    if byte == UInt8(ascii: "\"") {
      state = .colon
      if isStrict { try noteName() }
      return nil
    }
    if isStrict { throw error(.invalidName) }
    // Nobody asks for such a name: it is skipped as a string is.
    nameLength = .max / 2
    stringIsName = true
    state = .string
    return try stepString(byte)
  }

  /// Two different names of one 64-bit hash would be refused as one; a client can only do that to
  /// its own request.
  private mutating func noteName() throws(JSONError) {
    guard nameLength > 0 else { throw error(.invalidName) }
    guard !nameHashes.contains(nameHash) else { throw error(.duplicateName) }
    nameHashes.append(nameHash)
  }

  private mutating func stepEscape(_ byte: UInt8) throws(JSONError) {
    switch byte {
    case UInt8(ascii: "u"):
      unicodeDigitsLeft = 4
      state = .unicode
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      state = .string
    default: throw error(.invalidEscape)
    }
  }

  private mutating func stepUnicode(_ byte: UInt8) throws(JSONError) {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "F"),
      UInt8(ascii: "a")...UInt8(ascii: "f"):
      unicodeDigitsLeft -= 1
      if unicodeDigitsLeft == 0 { state = .string }
    default: throw error(.invalidEscape)
    }
  }

  private mutating func stepLiteral(_ byte: UInt8) throws(JSONError) -> Event? {
    // The position is below the literal's length, checked at each step.
    guard unsafe byte == literal.utf8Start[literalPosition] else { throw error(.unexpectedByte) }
    literalPosition += 1
    return literalPosition == literal.utf8CodeUnitCount ? endValue(at: offset + 1) : nil
  }

  private func continuesNumber(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39: state != .zero
    case UInt8(ascii: "."): state == .zero || state == .integer
    case UInt8(ascii: "e"), UInt8(ascii: "E"):
      state == .zero || state == .integer || state == .fraction
    case UInt8(ascii: "+"), UInt8(ascii: "-"): state == .exponent
    default: false
    }
  }

  private mutating func stepNumber(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "."): state = .point
    case UInt8(ascii: "e"), UInt8(ascii: "E"): state = .exponent
    case UInt8(ascii: "+"), UInt8(ascii: "-"): state = .exponentSign
    default:
      switch state {
      case .minus: state = byte == 0x30 ? .zero : .integer
      case .point: state = .fraction
      case .exponent, .exponentSign: state = .exponentDigits
      default: break
      }
    }
  }
}

extension JSONMemberScanner.State {
  fileprivate var isNumber: Bool { rawValue >= Self.minus.rawValue }
  fileprivate var mayEndNumber: Bool {
    switch self {
    case .zero, .integer, .fraction, .exponentDigits: true
    default: false
    }
  }
}

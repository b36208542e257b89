/// Follows one JSON object (RFC 8259) that arrives in pieces of any size, in constant memory, and
/// reports the members of the outermost object as they pass.
///
/// Method: a state machine over bytes; strings and digits are passed in runs, strings sixteen bytes
/// at a time. What looks like a member inside a string or a nested object is not one. Strict, the
/// grammar is checked throughout, UTF-8 included, so that what passes here means the same to every
/// later reader; otherwise nested values are only skimmed for their brackets and quotes.
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
  /// Members of a usual body.
  private static let membersUsual = 16

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
  @usableFromInline var name = JSONName()
  private var nameHashes: [UInt64] = []
  private var memberCount = 0
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

  public var isComplete: Bool { state == .done }

  /// True if the name that passed last is `text`.
  @inlinable
  public func nameIs(_ text: StaticString) -> Bool {
    // In the caller, because of most names that alone tells that they differ, and a call would copy
    // the whole scanner.
    name.length == text.utf8CodeUnitCount && name.equals(text)
  }

  /// True if the name that passed last is `text`, lower case, in any letter case.
  @inlinable
  public func nameIs(ignoringCase text: StaticString) -> Bool {
    name.length == text.utf8CodeUnitCount && name.equals(ignoringCase: text)
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
    var at = position
    defer { position = at }
    while at < bytes.count {
      switch state {
      case .start, .nameOrEnd, .nameStart, .colon, .value, .valueOrEnd, .afterValue, .done:
        let byte = bytes[at]
        if !isBlank(byte), let event = try takeStructure(byte, base &+ at) {
          at &+= 1
          return event
        }
        at &+= 1
      case .string:
        if try takeString(bytes, &at), endValue(at: base &+ at) { return .member }
      case .name: try takeName(bytes, &at)
      case .skim, .skimString, .skimEscape:
        if try skim(bytes, &at), endValue(at: base &+ at) { return .member }
      case .escape, .unicode:
        try takeEscape(bytes[at], base &+ at)
        at &+= 1
      case .literal:
        if try takeLiteral(bytes, &at), endValue(at: base &+ at) { return .member }
      case .minus, .zero, .integer, .point, .fraction, .exponent, .exponentSign, .exponentDigits:
        if try takeNumber(bytes, &at), endValue(at: base &+ at) { return .member }
      }
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

  private func error(_ reason: JSONError.Reason, _ offset: Int) -> JSONError {
    JSONError(reason: reason, offset: offset)
  }

  @inline(__always)
  private func isBlank(_ byte: UInt8) -> Bool {
    byte <= 0x20 && (byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09)
  }

  // MARK: Structure

  @inline(__always)
  private mutating func takeStructure(
    _ byte: UInt8, _ offset: Int
  ) throws(JSONError) -> Event? {
    switch state {
    case .afterValue:
      if byte != UInt8(ascii: ",") { return try close(byte, offset) }
      state = containers & 1 == 1 ? .nameStart : .value
    case .nameOrEnd where byte == UInt8(ascii: "}"): return try close(byte, offset)
    case .nameOrEnd, .nameStart:
      guard byte == UInt8(ascii: "\"") else { throw error(.unexpectedByte, offset) }
      try beginName(offset)
    case .colon:
      guard byte == UInt8(ascii: ":") else { throw error(.unexpectedByte, offset) }
      state = .value
      if depth == 1 { return .name }
    case .valueOrEnd where byte == UInt8(ascii: "]"): return try close(byte, offset)
    case .value, .valueOrEnd: try beginValue(byte, offset)
    case .start:
      guard byte == UInt8(ascii: "{") else { throw error(.unexpectedByte, offset) }
      depth = 1
      containers = 1
      state = .nameOrEnd
    default: throw error(.trailingBytes, offset)
    }
    return nil
  }

  @inline(__always)
  private mutating func beginName(_ offset: Int) throws(JSONError) {
    if depth > 1 {
      stringIsName = true
      state = .string
      return
    }
    memberCount += 1
    guard memberCount <= Self.membersMax else { throw error(.tooLong, offset) }
    member.nameStart = offset
    name = JSONName()
    state = .name
  }

  @inline(__always)
  private mutating func beginValue(_ byte: UInt8, _ offset: Int) throws(JSONError) {
    if depth == 1 { (member.valueStart, member.parts) = (offset, 0) }
    switch byte {
    case UInt8(ascii: "\""):
      if depth == 2 { member.parts += 1 }
      stringIsName = false
      state = .string
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard depth < Self.depthMax else { throw error(.tooDeep, offset) }
      if depth == 2 { member.parts += 1 }
      depth += 1
      if !isStrict {
        state = .skim
        return
      }
      let isObject = byte == UInt8(ascii: "{")
      containers = containers << 1 | (isObject ? 1 : 0)
      state = isObject ? .nameOrEnd : .valueOrEnd
    case UInt8(ascii: "-"): state = .minus
    case UInt8(ascii: "0"): state = .zero
    case UInt8(ascii: "1")...UInt8(ascii: "9"): state = .integer
    case UInt8(ascii: "t"): beginLiteral("rue")
    case UInt8(ascii: "f"): beginLiteral("alse")
    case UInt8(ascii: "n"): beginLiteral("ull")
    default: throw error(.unexpectedByte, offset)
    }
  }

  private mutating func beginLiteral(_ rest: StaticString) {
    literal = rest
    literalPosition = 0
    state = .literal
  }

  @inline(__always)
  private mutating func close(_ byte: UInt8, _ offset: Int) throws(JSONError) -> Event? {
    let end = containers & 1 == 1 ? UInt8(ascii: "}") : UInt8(ascii: "]")
    guard byte == end else { throw error(.unexpectedByte, offset) }
    depth -= 1
    containers >>= 1
    if depth > 0 { return endValue(at: offset + 1) ? .member : nil }
    state = .done
    return .end
  }

  /// True if the value is that of a member.
  @inline(__always)
  private mutating func endValue(at end: Int) -> Bool {
    state = .afterValue
    guard depth == 1 else { return false }
    member.valueEnd = end
    return true
  }

  // MARK: Strings

  /// Takes what it can of a string; true if that ended a value.
  @inline(__always)
  private mutating func takeString(
    _ bytes: borrowing Span<UInt8>, _ at: inout Int
  ) throws(JSONError) -> Bool {
    if !utf8.isWithin {
      at = bytes.plainTextEnd(from: at)
      if at == bytes.count { return false }
      if bytes[at] == UInt8(ascii: "\"") {
        at &+= 1
        if stringIsName { state = .colon }
        return !stringIsName
      }
    }
    try takeOdd(bytes[at], base &+ at)
    at &+= 1
    return false
  }

  /// Takes a byte of a string that is neither plain nor its end.
  private mutating func takeOdd(_ byte: UInt8, _ offset: Int) throws(JSONError) {
    if utf8.isWithin || byte >= 0x80 {
      guard utf8.take(byte) else { throw error(.invalidUTF8, offset) }
    } else {
      guard byte == UInt8(ascii: "\\") else { throw error(.unexpectedByte, offset) }
      state = .escape
    }
  }

  private mutating func takeEscape(_ byte: UInt8, _ offset: Int) throws(JSONError) {
    if state == .unicode {
      guard isHexDigit(byte) else { throw error(.invalidEscape, offset) }
      unicodeDigitsLeft -= 1
      if unicodeDigitsLeft == 0 { state = .string }
      return
    }
    switch byte {
    case UInt8(ascii: "u"):
      unicodeDigitsLeft = 4
      state = .unicode
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      state = .string
    default: throw error(.invalidEscape, offset)
    }
  }

  private func isHexDigit(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 6
  }

  /// Takes what is plain of a name, and its quote.
  @inline(__always)
  private mutating func takeName(
    _ bytes: borrowing Span<UInt8>, _ at: inout Int
  ) throws(JSONError) {
    let start = at
    at = bytes.plainTextEnd(from: start)
    if isStrict { try checkName(bytes, start..<at) }
    name.append(bytes, start..<at)
    if at == bytes.count { return }
    if bytes[at] == UInt8(ascii: "\"") {
      if isStrict { try noteName(base &+ at) }
      at &+= 1
      state = .colon
    } else {
      if isStrict { throw error(.invalidName, base &+ at) }
      // Nobody asks for such a name: it is skipped as a string is.
      name.forget()
      stringIsName = true
      state = .string
    }
  }

  /// A strict name is of `A-Za-z0-9_-`, and not too long.
  @inline(__always)
  private func checkName(
    _ bytes: borrowing Span<UInt8>, _ range: Range<Int>
  ) throws(JSONError) {
    for at in range {
      let byte = bytes[at]
      let isPlain =
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10 || byte == 0x5F || byte == 0x2D
      guard isPlain else { throw error(.invalidName, base &+ at) }
    }
    let room = Self.nameBytesMax - name.length
    guard range.count <= room else {
      throw error(.invalidName, base &+ range.lowerBound &+ room)
    }
  }

  /// Two different names of one 64-bit hash would be refused as one; a client can only do that to
  /// its own request.
  private mutating func noteName(_ offset: Int) throws(JSONError) {
    guard name.length > 0 else { throw error(.invalidName, offset) }
    let hash = name.hash
    for known in nameHashes where known == hash { throw error(.duplicateName, offset) }
    if nameHashes.isEmpty { nameHashes.reserveCapacity(Self.membersUsual) }
    nameHashes.append(hash)
  }

  // MARK: What is not checked

  /// Follows nesting by brackets alone; true if the value has ended.
  @inline(__always)
  private mutating func skim(
    _ bytes: borrowing Span<UInt8>, _ at: inout Int
  ) throws(JSONError) -> Bool {
    if state == .skim {
      at = bytes.bracketOrQuote(from: at)
      if at == bytes.count { return false }
      let byte = bytes[at]
      at &+= 1
      if byte == UInt8(ascii: "\"") {
        state = .skimString
      } else if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
        guard depth < Self.depthMax else { throw error(.tooDeep, base &+ at &- 1) }
        depth += 1
      } else {
        depth -= 1
        if depth == 1 { return true }
      }
      return false
    }
    if state == .skimString {
      at = bytes.quoteOrEscape(from: at)
      if at == bytes.count { return false }
      state = bytes[at] == UInt8(ascii: "\"") ? .skim : .skimEscape
    } else {
      state = .skimString
    }
    at &+= 1
    return false
  }

  // MARK: Literals and numbers

  /// Takes what there is of a literal; true if that ended it.
  @inline(__always)
  private mutating func takeLiteral(
    _ bytes: borrowing Span<UInt8>, _ at: inout Int
  ) throws(JSONError) -> Bool {
    while at < bytes.count {
      // The position is below the literal's length, checked at each step.
      guard unsafe bytes[at] == literal.utf8Start[literalPosition] else {
        throw error(.unexpectedByte, base &+ at)
      }
      at &+= 1
      literalPosition += 1
      if literalPosition == literal.utf8CodeUnitCount { return true }
    }
    return false
  }

  /// Takes what there is of a number; true if it has ended. That is known from the byte behind it,
  /// which is not part of it.
  @inline(__always)
  private mutating func takeNumber(
    _ bytes: borrowing Span<UInt8>, _ at: inout Int
  ) throws(JSONError) -> Bool {
    while at < bytes.count {
      guard let next = state.afterNumber(bytes[at]) else {
        guard state.mayEndNumber else { throw error(.invalidNumber, base &+ at) }
        return true
      }
      state = next
      at &+= 1
    }
    return false
  }
}

extension JSONMemberScanner.State {
  /// The state after one more byte of a number; nil if the byte cannot be part of it.
  @inline(__always)
  fileprivate func afterNumber(_ byte: UInt8) -> Self? {
    switch byte {
    case 0x30...0x39:
      switch self {
      case .zero: nil
      case .minus: byte == 0x30 ? .zero : .integer
      case .point: .fraction
      case .exponent, .exponentSign: .exponentDigits
      default: self
      }
    case UInt8(ascii: "."): self == .zero || self == .integer ? .point : nil
    case UInt8(ascii: "e"), UInt8(ascii: "E"):
      self == .zero || self == .integer || self == .fraction ? .exponent : nil
    case UInt8(ascii: "+"), UInt8(ascii: "-"): self == .exponent ? .exponentSign : nil
    default: nil
    }
  }

  fileprivate var mayEndNumber: Bool {
    switch self {
    case .zero, .integer, .fraction, .exponentDigits: true
    default: false
    }
  }
}

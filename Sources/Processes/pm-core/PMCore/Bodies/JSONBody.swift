import PMHTTP
import PMJSON
import PMSystem
import PMWire

/// A JSON body under way. Members that core has a say in are lifted out of the passing bytes, and
/// written anew before the last brace, when all is known; whatever else there is passes as it is.
struct JSONBody: BodyEditor {
  private enum Interest {
    case none, model, stream, streamOptions, tokens, completionTokens, choices, prompts, cacheSalt
  }
  /// What the bytes at hand belong to.
  private enum Place {
    case start
    /// Between two values: whether these bytes pass is known with the name at their end.
    case gap
    case passing, lifted, end
  }

  private let route: Route
  private let edits: BodyEdits
  private var scanner = JSONMemberScanner(isStrict: true)
  private var facts = RequestFacts()
  private var interest = Interest.none
  private var place = Place.start
  /// Of a gap what came in earlier pieces.
  private var gap: [UInt8] = []
  /// Some member has gone on, so that the next one needs a comma.
  private var hasPassed = false

  // What was lifted.
  private var streamOptions: [UInt8]?
  private var outputTokens: Int64?
  private var completionTokens: Int64?
  private var ownSalt: [UInt8]?

  init(_ route: Route, edits: BodyEdits = BodyEdits()) {
    self.route = route
    self.edits = edits
  }

  private var takesStreamOptions: Bool { route == .chat || route == .completions }
  /// It answers with text that the model makes, from a prompt that can be cached.
  private var isGenerative: Bool { takesStreamOptions || route == .messages }
  private var takesPrompts: Bool { route == .completions }
  /// On other routes it is a member like any other, and caps nothing.
  private var takesCompletionTokens: Bool { route == .chat }

  mutating func take(
    _ bytes: borrowing Span<UInt8>, into out: inout ByteBuffer
  ) throws(BodyFault) {
    facts.bodyBytes += bytes.count
    if !facts.hasImages { facts.hasImages = bytes.firstOffset(of: #""image"#) != nil }
    // Up to `passed` this piece is dealt with, up to `valueEnd` it may go on.
    var (position, passed, valueEnd) = (0, 0, 0)
    if place == .start, let brace = bytes.firstOffset(of: UInt8(ascii: "{")) {
      (place, valueEnd) = (.gap, brace + 1)
    }
    while true {
      switch try nextEvent(bytes, &position) {
      case .needsMore:
        switch place {
        case .start, .passing: out.append(bytes.extracting(passed..<bytes.count))
        case .gap:
          out.append(bytes.extracting(passed..<valueEnd))
          hold(bytes.extracting(valueEnd..<bytes.count))
        case .lifted, .end: break
        }
        return
      case .name:
        try noteName()
        place = isLifting ? .lifted : .passing
        if place == .lifted {
          out.append(bytes.extracting(passed..<valueEnd))
          gap.removeAll(keepingCapacity: true)
        } else {
          if !gap.isEmpty || !hasPassed {
            out.append(bytes.extracting(passed..<valueEnd))
            hold(bytes.extracting(valueEnd..<position))
            // A comma there follows members that were all lifted.
            if !hasPassed, let comma = gap.firstIndex(of: UInt8(ascii: ",")) {
              gap.remove(at: comma)
            }
            passGap(into: &out)
            passed = position
          }
          hasPassed = true
        }
      case .member:
        try noteValue()
        if place == .lifted { passed = position }
        (place, valueEnd) = (.gap, position)
      case .end:
        out.append(bytes.extracting(passed..<valueEnd))
        hold(bytes.extracting(valueEnd..<position - 1))
        passGap(into: &out)
        place = .end
      }
    }
  }

  private mutating func nextEvent(
    _ bytes: borrowing Span<UInt8>, _ position: inout Int
  ) throws(BodyFault) -> JSONMemberScanner.Event {
    do {
      return try scanner.next(bytes, &position)
    } catch {
      throw error.reason == .duplicateName || error.reason == .invalidName ? .ambiguous : .notJSON
    }
  }

  private mutating func hold(_ bytes: borrowing Span<UInt8>) {
    gap += Array(copying: bytes)
    // No name is that long, and it holds no blanks.
    if gap.count > BodyBounds.gapBytesMax { gap.removeAll { $0 <= UInt8(ascii: " ") } }
  }

  private mutating func passGap(into out: inout ByteBuffer) {
    out.append(gap)
    gap.removeAll(keepingCapacity: true)
  }

  mutating func check() throws(BodyFault) -> RequestFacts {
    guard scanner.isComplete else { throw .notJSON }
    guard isModelName(facts.model) else { throw .modelMissing }
    guard
      !isClamping
        || facts.choices <= CoreBounds.choicesMax && facts.prompts <= CoreBounds.promptsMax
    else { throw .tooManyAnswers }
    if facts.isStream, takesStreamOptions { try askForUsage() }
    return facts
  }

  /// Writes what was lifted or is added, and the last brace; once, after `check`. `outputTokensMax`
  /// lowers the client's own caps, or stands in for one; it acts only where the edits say so.
  func finish(outputTokensMax: Int64?, into out: inout ByteBuffer) {
    if let streamOptions {
      out.append(#","stream_options":"#)
      out.append(streamOptions)
    }
    let hasOwnCap = outputTokens != nil || completionTokens != nil
    let cap = isClamping ? outputTokensMax : nil
    if let tokens = outputTokens ?? (hasOwnCap ? nil : cap) {
      out.append(#","max_tokens":"#)
      out.append(decimal: Int(min(tokens, cap ?? tokens)))
    }
    if let tokens = completionTokens {
      out.append(#","max_completion_tokens":"#)
      out.append(decimal: Int(min(tokens, cap ?? tokens)))
    }
    if isGenerative, let salt = edits.cacheSalt {
      out.append(#","cache_salt":""#)
      out.append(salt.text(own: ownSalt))
      out.append(byte: UInt8(ascii: "\""))
    }
    out.append(byte: UInt8(ascii: "}"))
  }

  private var isClamping: Bool { edits.clampsOutput && isGenerative }

  private var isLifting: Bool {
    switch interest {
    case .streamOptions, .cacheSalt: true
    case .tokens, .completionTokens: isClamping
    case .none, .model, .stream, .choices, .prompts: false
    }
  }

  // MARK: Names

  /// The vendor's proxy reads some names in any letter case; one that differs from ours in case
  /// only could be priced as one thing and run as another.
  private mutating func noteName() throws(BodyFault) {
    interest = .none
    if scanner.nameIs("model") {
      capture(.model, bytesMax: BodyBounds.modelBytesMax * 2)
    } else if scanner.nameIs("stream") {
      capture(.stream, bytesMax: 8)
    } else if takesStreamOptions, scanner.nameIs("stream_options") {
      capture(.streamOptions, bytesMax: BodyBounds.streamOptionsBytesMax)
    } else if scanner.nameIs("max_tokens") {
      capture(.tokens, bytesMax: 24)
    } else if takesCompletionTokens, scanner.nameIs("max_completion_tokens") {
      capture(.completionTokens, bytesMax: 24)
    } else if scanner.nameIs("n") || scanner.nameIs("best_of") {
      capture(.choices, bytesMax: 24)
    } else if takesPrompts, scanner.nameIs("prompt") {
      interest = .prompts
    } else if isGenerative, scanner.nameIs("cache_salt") {
      capture(.cacheSalt, bytesMax: BodyBounds.saltBytesMax)
    } else if isLookalike() {
      throw .ambiguous
    }
  }

  private mutating func capture(_ interest: Interest, bytesMax: Int) {
    self.interest = interest
    scanner.captureValue(bytesMax: bytesMax)
  }

  private func isLookalike() -> Bool {
    scanner.nameIs(ignoringCase: "model") || scanner.nameIs(ignoringCase: "stream")
      || isLookalike("stream_options") || isLookalike("cache_salt")
      || isLookalike("max_completion_tokens") || scanner.nameIs(ignoringCase: "max_tokens")
      || scanner.nameIs(ignoringCase: "n")
      || scanner.nameIs(ignoringCase: "best_of")
      || (takesPrompts && scanner.nameIs(ignoringCase: "prompt"))
  }

  /// For a name that other routes have no interest in.
  private func isLookalike(_ name: StaticString) -> Bool {
    scanner.nameIs(ignoringCase: name) && !scanner.nameIs(name)
  }

  // MARK: Values

  private mutating func noteValue() throws(BodyFault) {
    let kind = interest
    interest = .none
    if kind == .none { return }
    // Each text, or list of tokens, is a prompt of its own; a list of numbers is one.
    if kind == .prompts { return facts.prompts = max(1, Int64(scanner.member.parts)) }
    guard scanner.isCaptureWhole else { throw kind == .model ? .modelMissing : .notJSON }
    switch kind {
    case .model: facts.model = try modelName()
    case .stream: try noteStream()
    case .streamOptions: streamOptions = scanner.captured
    case .tokens: outputTokens = try cap()
    case .completionTokens: completionTokens = try cap()
    case .choices: facts.choices = max(facts.choices, try choices())
    case .cacheSalt: if !isNull { ownSalt = scanner.captured }
    case .prompts, .none: break
    }
  }

  private var isNull: Bool { scanner.captured == Array("null".utf8) }

  private var integer: Int64? { Int64(String(decoding: scanner.captured, as: UTF8.self)) }

  /// Only the words of JSON: `"true"` or `1` would mean a stream to a laxer reader.
  private mutating func noteStream() throws(BodyFault) {
    switch String(decoding: scanner.captured, as: UTF8.self) {
    case "true": facts.isStream = true
    case "false", "null": break
    default: throw .ambiguous
    }
  }

  /// What is to be written anew; nil unless the cap is lifted.
  private mutating func cap() throws(BodyFault) -> Int64? {
    let number = integer
    if let number {
      // Both names given: the smaller one is safe to assume for neither, so the larger counts.
      facts.outputTokensMax = max(number, facts.outputTokensMax ?? number)
    }
    guard isClamping, !isNull else { return nil }
    // What a laxer reader may take for a number, or for no cap, is not to be lowered.
    guard let number, number > 0 else { throw .ambiguous }
    return number
  }

  private func choices() throws(BodyFault) -> Int64 {
    if isNull { return 1 }
    // A laxer reader takes `5.0` and `"5"` for five; a reservation for one would be too small.
    guard let number = integer else { throw .ambiguous }
    return max(1, number)
  }

  private func modelName() throws(BodyFault) -> [UInt8] {
    let quoted = scanner.captured
    guard quoted.count >= 2, quoted[0] == 0x22 else { throw .modelMissing }
    if !quoted.contains(0x5C) { return Array(quoted[1..<quoted.count - 1]) }
    // Some encoders escape slashes.
    guard let name = (try? JSONReader.read(quoted))?.string else { throw .modelMissing }
    return Array(name.utf8)
  }

  /// The client's options with usage asked for.
  private mutating func askForUsage() throws(BodyFault) {
    guard let own = streamOptions, own != Array("null".utf8) else {
      return streamOptions = Array(#"{"include_usage":true}"#.utf8)
    }
    // Not an object: the vendor refuses it in its own words.
    guard own.first == UInt8(ascii: "{") else { return }
    guard case .object(var options)? = try? JSONReader.read(own) else { throw .ambiguous }
    facts.asksForUsage = options["include_usage"] == .bool(true)
    options["include_usage"] = true
    streamOptions = Array(JSONValue.object(options).text.utf8)
  }
}

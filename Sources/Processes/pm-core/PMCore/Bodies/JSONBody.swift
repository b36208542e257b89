import PMHTTP
import PMJSON
import PMSystem
import PMWire

/// A JSON body under way. Only one thing is changed: a stream is asked to report its usage, as a
/// splice in the passing bytes. Whatever we do not know passes as it is.
struct JSONBody: BodyEditor {
  private enum Interest {
    case none, model, stream, streamOptions, outputTokensMax, choices, prompts
  }

  private let takesStreamOptions: Bool
  private let takesPrompts: Bool
  private var scanner = JSONMemberScanner(isStrict: true)
  private var facts = RequestFacts()
  private var interest = Interest.none
  private var hasStreamOptions = false
  private var passedNullOptions = false
  private var isWithholding = false

  init(_ route: Route) {
    takesStreamOptions = route == .chat || route == .completions
    takesPrompts = route == .completions
  }

  mutating func take(
    _ bytes: borrowing Span<UInt8>, into out: inout ByteBuffer
  ) throws(BodyFault) {
    facts.bodyBytes += bytes.count
    if !facts.hasImages { facts.hasImages = bytes.firstOffset(of: #""image"#) != nil }
    var (position, passed) = (0, 0)
    while true {
      let event: JSONMemberScanner.Event
      do {
        event = try scanner.next(bytes, &position)
      } catch {
        throw error.reason == .duplicateName || error.reason == .invalidName ? .ambiguous : .notJSON
      }
      switch event {
      case .needsMore:
        // Behind the object only blanks can come; they are left out.
        if !isWithholding && !scanner.isComplete {
          out.append(bytes.extracting(passed..<bytes.count))
        }
        return
      case .name:
        try noteName()
        if isWithholding {
          out.append(bytes.extracting(passed..<position))
          passed = position
        }
      case .member:
        try noteValue()
        if isWithholding {
          out.append(try mergedStreamOptions())
          passed = position
          isWithholding = false
        }
      case .end:
        // Up to the brace, then what we add, then the brace.
        out.append(bytes.extracting(passed..<position - 1))
        if facts.isStream && takesStreamOptions && !hasStreamOptions {
          out.append(#","stream_options":{"include_usage":true}"#)
        }
        out.append(byte: UInt8(ascii: "}"))
        passed = bytes.count
      }
    }
  }

  mutating func finish() throws(BodyFault) -> RequestFacts {
    guard scanner.isComplete else { throw .notJSON }
    guard isModelName(facts.model) else { throw .modelMissing }
    return facts
  }

  /// The vendor's proxy reads some names in any letter case; one that differs from ours in case
  /// only could be priced as one thing and run as another.
  private mutating func noteName() throws(BodyFault) {
    interest = .none
    if scanner.nameIs("model") {
      interest = .model
      scanner.captureValue(bytesMax: BodyBounds.modelBytesMax * 2)
    } else if scanner.nameIs("stream") {
      interest = .stream
      scanner.captureValue(bytesMax: 8)
    } else if scanner.nameIs("stream_options") {
      hasStreamOptions = true
      if takesStreamOptions {
        interest = .streamOptions
        isWithholding = true
        scanner.captureValue(bytesMax: BodyBounds.streamOptionsBytesMax)
      }
    } else if scanner.nameIs("max_tokens") || scanner.nameIs("max_completion_tokens") {
      interest = .outputTokensMax
      scanner.captureValue(bytesMax: 24)
    } else if scanner.nameIs("n") || scanner.nameIs("best_of") {
      interest = .choices
      scanner.captureValue(bytesMax: 24)
    } else if takesPrompts, scanner.nameIs("prompt") {
      interest = .prompts
    } else if isLookalike() {
      throw .ambiguous
    }
  }

  private func isLookalike() -> Bool {
    scanner.nameIs(ignoringCase: "model") || scanner.nameIs(ignoringCase: "stream")
      || scanner.nameIs(ignoringCase: "stream_options")
      || scanner.nameIs(ignoringCase: "max_tokens")
      || scanner.nameIs(ignoringCase: "max_completion_tokens") || scanner.nameIs(ignoringCase: "n")
      || scanner.nameIs(ignoringCase: "best_of")
      || (takesPrompts && scanner.nameIs(ignoringCase: "prompt"))
      || (scanner.nameIs(ignoringCase: "cache_salt") && !scanner.nameIs("cache_salt"))
  }

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
    case .outputTokensMax:
      // Both names given: the smaller one is safe to assume for neither, so the larger counts.
      if let cap = Int64(String(decoding: scanner.captured, as: UTF8.self)) {
        facts.outputTokensMax = max(cap, facts.outputTokensMax ?? cap)
      }
    case .choices: facts.choices = max(facts.choices, try choices())
    case .streamOptions, .prompts, .none: break
    }
  }

  /// Only the words of JSON: `"true"` or `1` would mean a stream to a laxer reader.
  private mutating func noteStream() throws(BodyFault) {
    switch String(decoding: scanner.captured, as: UTF8.self) {
    case "true":
      // The null has gone on, and usage can no more be asked for.
      if passedNullOptions { throw .ambiguous }
      facts.isStream = true
    case "false", "null": break
    default: throw .ambiguous
    }
  }

  private func choices() throws(BodyFault) -> Int64 {
    let text = String(decoding: scanner.captured, as: UTF8.self)
    if text == "null" { return 1 }
    // A laxer reader takes `5.0` and `"5"` for five; a reservation for one would be too small.
    guard let number = Int64(text) else { throw .ambiguous }
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
  private mutating func mergedStreamOptions() throws(BodyFault) -> String {
    let text = String(decoding: scanner.captured, as: UTF8.self)
    if text == "null" {
      // As if absent; without a stream the vendor refuses anything else here.
      passedNullOptions = !facts.isStream
      return facts.isStream ? #"{"include_usage":true}"# : text
    }
    // Not an object: the vendor refuses it in its own words.
    guard text.hasPrefix("{") else { return text }
    guard case .object(var options)? = try? JSONReader.read(scanner.captured) else {
      throw .ambiguous
    }
    facts.asksForUsage = options["include_usage"] == .bool(true)
    options["include_usage"] = true
    return JSONValue.object(options).text
  }
}

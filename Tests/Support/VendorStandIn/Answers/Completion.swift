/// What the pretend model says, cut into pieces, with the bytes said up to each.
struct Completion {
  struct Piece {
    enum Kind { case reasoning, content, toolName, toolArguments }
    let kind: Kind
    let bytes: Bytes
    let bytesSoFar: Int
  }

  enum Finish: String {
    case stop, length
    case toolCalls = "tool_calls"
  }

  private static let choicesMax = 128
  private static let tokensMax = 1 << 24
  private static let argumentPieceBytes = 8
  private static let bigPieceBytes = 4096

  private(set) var pieces: [Piece] = []
  private(set) var finish = Finish.stop
  let choices: Int

  init(_ prompt: Prompt, call: Call, fault: Fault, scenario: Scenario) throws(ModelError) {
    let request = call.json
    let cap = try Self.cap(request)
    choices =
      call.route == .messages ? 1 : try Self.count("n", in: request, max: Self.choicesMax) ?? 1
    let isTool = prompt.lastUserText.starts(with: "call:") && request["tools"] != nil
    // The limit of completion tokens, as bytes.
    var left = fault.ignoresCap ? Int.max : cap.map { $0 * 4 } ?? Int.max
    for word in Self.words(fault.reasoning ?? scenario.reasoning ?? []) {
      append(.reasoning, word, &left)
    }
    if isTool {
      appendToolCall(prompt.lastUserText.dropFirst(5), &left)
    } else {
      for word in Self.content(prompt, fault, scenario) { append(.content, word, &left) }
    }
    if finish != .length && isTool { finish = .toolCalls }
  }

  private static func cap(_ request: JSON) throws(ModelError) -> Int? {
    let old = try count("max_tokens", in: request, max: tokensMax)
    return try count("max_completion_tokens", in: request, max: tokensMax) ?? old
  }

  private static func count(
    _ name: String, in request: JSON, max: Int
  ) throws(ModelError) -> Int? {
    guard let value = request[name], !value.isNull else { return nil }
    guard let count = value.integer, (1...max).contains(count) else {
      throw ModelError.badRequest("\(name) must be from 1 to \(max)")
    }
    return count
  }

  private static func content(_ prompt: Prompt, _ fault: Fault, _ scenario: Scenario) -> [Bytes] {
    if let count = fault.contentBytes {
      let starts = stride(from: 0, to: count, by: bigPieceBytes)
      return starts.map {
        Bytes(repeating: UInt8(ascii: "x"), count: min(bigPieceBytes, count - $0))
      }
    }
    let text = fault.text ?? scenario.text ?? Bytes("Echo: ") + prompt.lastUserText
    var words = words(text)
    guard let chunks = fault.chunks else { return words }
    while words.count < chunks { words.append(Bytes(" w\(words.count)")) }
    return Array(words.prefix(chunks))
  }

  /// Cut before each space, so that the pieces join to the whole.
  private static func words(_ text: Bytes) -> [Bytes] {
    var words: [Bytes] = []
    var start = 0
    while start < text.count {
      let end = text[(start + 1)...].firstIndex(of: UInt8(ascii: " ")) ?? text.count
      words.append(Bytes(text[start..<end]))
      start = end
    }
    return words
  }

  /// `NAME` or `NAME ARGUMENTS`.
  private mutating func appendToolCall(_ text: ArraySlice<UInt8>, _ left: inout Int) {
    let parts = text.split(separator: UInt8(ascii: " "), maxSplits: 1)
    let arguments = parts.count == 2 ? Bytes(parts[1]) : Bytes("{}")
    append(.toolName, Bytes(parts.first ?? []), &left)
    for start in stride(from: 0, to: arguments.count, by: Self.argumentPieceBytes) {
      let end = min(start + Self.argumentPieceBytes, arguments.count)
      append(.toolArguments, Bytes(arguments[start..<end]), &left)
    }
  }

  private mutating func append(_ kind: Piece.Kind, _ bytes: Bytes, _ left: inout Int) {
    guard finish != .length else { return }
    let kept = kind == .toolArguments ? Bytes(bytes.prefix(left)) : bytes.prefixOfCharacters(left)
    if kept.count < bytes.count { finish = .length }
    left -= kept.count
    guard !kept.isEmpty else { return }
    let before = pieces.last?.bytesSoFar ?? 0
    pieces.append(Piece(kind: kind, bytes: kept, bytesSoFar: before + kept.count))
  }

  var tokenCount: Int { tokens(pieces.last?.bytesSoFar ?? 0) * choices }

  /// Tokens said when `choice` has just said piece `index`, all choices going in step.
  func tokenCount(choice: Int, piece index: Int) -> Int {
    let now = tokens(pieces[index].bytesSoFar)
    let before = index > 0 ? tokens(pieces[index - 1].bytesSoFar) : 0
    return now * (choice + 1) + before * (choices - choice - 1)
  }

  /// All bytes of one kind.
  func joined(_ kind: Piece.Kind) -> Bytes {
    pieces.reduce(into: []) { if $1.kind == kind { $0 += $1.bytes } }
  }
}

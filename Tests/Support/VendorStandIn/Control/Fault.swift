/// What shall happen to a request: the `do` of a rule. Empty, it is an ordinary answer.
struct Fault: Sendable {
  /// An error from upstream instead of an answer.
  struct Status: Sendable {
    var code = 500
    var body: Bytes?
    var message: Bytes?
    var integerCode: Int?
    var isEncrypted = false
  }

  /// Where a stream leaves its ordinary course.
  enum Turn: Sendable {
    case cleanEnd
    case reset
    case longLine
    case errorEvent(isMarked: Bool)
    case hang
    case death(Death)
  }

  enum Death: Sendable {
    case code(Int32)
    case signal(Int32)
  }

  var status: Status?
  var headers: [HeaderField] = []
  var pageStatus: Int?
  var losesSecretOnce = false
  var losesConnectionOnce = false
  var firstByteMilliseconds = 0
  var chunkMilliseconds = 0
  var chunks: Int?
  /// After how many content events of a stream `turn` is taken.
  var turnAfter = 0
  var turn: Turn?
  var hangsBeforeHead = false
  var usage: UsageMode?
  var isTruncated = false
  var answersUnary = false
  var contentBytes: Int?
  var isModelRenamed = false
  var ignoresCap = false
  var binaryError: Bytes?
  var event: LifeEvent?
  var death: Death?
  var text: Bytes?
  var reasoning: Bytes?
  /// The names given, for the recorder.
  private(set) var names: [Bytes] = []

  init() {}

  init(_ value: JSON) throws(FieldFault) {
    guard value.isObject else { throw .notAnObject }
    for member in value.members {
      names.append(member.name)
      try take(member)
    }
  }

  private mutating func take(_ member: JSON.Member) throws(FieldFault) {
    if try takeStatus(member) { return }
    if try takeStream(member) { return }
    switch member.name.text {
    case "headers": headers = try member.fields()
    case "html": pageStatus = try member.count(preset: 502)
    case "no_secret_once": losesSecretOnce = try member.truth()
    case "reset_once": losesConnectionOnce = try member.truth()
    case "first_byte_ms": firstByteMilliseconds = try member.count(preset: 1000)
    case "hang_before_headers": hangsBeforeHead = try member.truth()
    case "usage": usage = try UsageMode(member)
    case "truncated_json": isTruncated = try member.truth()
    case "chat_as_json": answersUnary = try member.truth()
    case "big_response": contentBytes = try member.count(preset: 1 << 20)
    case "model_renamed": isModelRenamed = try member.truth()
    case "ignores_cap": ignoresCap = try member.truth()
    case "text": text = try member.text()
    case "reasoning": reasoning = try member.text()
    case "binary_error": binaryError = try member.text()
    case "secret_error": binaryError = Bytes(BinaryText.secretFailed)
    case "unreachable": binaryError = Bytes(BinaryText.unreachable)
    case "gpu_policy": binaryError = Bytes(BinaryText.gpuPolicy)
    case "die":
      let (death, after) = try Self.death(member)
      if let after { (turn, turnAfter) = (.death(death), after) } else { self.death = death }
    case let name:
      guard let event = LifeEvent(rawValue: name) else { throw .unknown(member.name) }
      self.event = event
    }
  }

  private mutating func takeStatus(_ member: JSON.Member) throws(FieldFault) -> Bool {
    var status = self.status ?? Status()
    switch member.name.text {
    case "status": status.code = try member.count(preset: 500)
    case "body": status.body = member.value.string ?? member.value.rendered()
    case "message": status.message = try member.text()
    case "code": status.integerCode = try member.count()
    case "encrypted": status.isEncrypted = try member.truth()
    default: return false
    }
    self.status = status
    return true
  }

  private mutating func takeStream(_ member: JSON.Member) throws(FieldFault) -> Bool {
    switch member.name.text {
    case "chunk_ms": chunkMilliseconds = try member.count(preset: 100)
    case "chunks": chunks = try member.count(preset: 10)
    case "abort_after_chunks": try takeTurn(.cleanEnd, member)
    case "hard_abort_after_chunks": try takeTurn(.reset, member)
    case "long_line": try takeTurn(.longLine, member)
    case "hang_mid_stream": try takeTurn(.hang, member)
    case "stream_error_event":
      let isMarked = member.value.string?.isEqual(to: "done") == true
      (turn, turnAfter) = (.errorEvent(isMarked: isMarked), 1)
    default: return false
    }
    return true
  }

  private mutating func takeTurn(_ turn: Turn, _ member: JSON.Member) throws(FieldFault) {
    self.turn = turn
    turnAfter = try member.count(preset: 1)
  }

  /// `{"code":N}` or `{"signal":N}`, with `after_chunks` to die in mid-stream; a bare number is a
  /// code, `true` is code 2.
  static func death(_ member: JSON.Member) throws(FieldFault) -> (Death, after: Int?) {
    guard member.value.isObject else {
      return (.code(Int32(clamping: try member.count(preset: 2))), nil)
    }
    var death = Death.code(2)
    var after: Int?
    for part in member.value.members {
      switch part.name.text {
      case "code": death = .code(Int32(clamping: try part.count()))
      case "signal": death = .signal(Int32(clamping: try part.count()))
      case "after_chunks": after = try part.count()
      default: throw .unknown(part.name)
      }
    }
    return (death, after)
  }

  /// The fault that a model id asks for: `standin-NAME` or `standin-NAME-VALUE`.
  static func trigger(model: Bytes) -> Fault? {
    guard model.starts(with: "standin-") else { return nil }
    let parts = model.dropFirst(8).split(
      separator: UInt8(ascii: "-"), maxSplits: 1, omittingEmptySubsequences: false)
    let value: JSON
    if parts.count < 2 {
      value = true
    } else {
      let word = Bytes(parts[1])
      value = Int(word.text).map(JSON.int) ?? .text(word)
    }
    return try? Fault(.object([JSON.Member(name: Bytes(parts[0]), value: value)]))
  }
}

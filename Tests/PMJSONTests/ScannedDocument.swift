import PMJSON

/// What a scanner said of one document, however it was cut into pieces.
struct ScannedDocument: Equatable {
  enum Step: Equatable {
    case name
    case member(JSONMemberScanner.Member, captured: [UInt8]?)
    case end
  }
  var steps: [Step] = []
  var isComplete = false
  var error: JSONError?

  /// Valid, and nothing is missing.
  var isWhole: Bool { error == nil && isComplete }

  var members: [JSONMemberScanner.Member] {
    steps.compactMap { if case .member(let member, _) = $0 { member } else { nil } }
  }
  var captures: [[UInt8]?] {
    steps.compactMap { if case .member(_, let captured) = $0 { .some(captured) } else { nil } }
  }

  init(_ pieces: [ArraySlice<UInt8>], isStrict: Bool, capturing bytesMax: Int = 0) {
    var scanner = JSONMemberScanner(isStrict: isStrict)
    do throws(JSONError) {
      for piece in pieces { try take(Array(piece), with: &scanner, capturing: bytesMax) }
    } catch let fault {
      error = fault
    }
    isComplete = scanner.isComplete
  }

  init(_ bytes: [UInt8], isStrict: Bool, capturing bytesMax: Int = 0) {
    self.init([bytes[...]], isStrict: isStrict, capturing: bytesMax)
  }

  init(_ text: String, isStrict: Bool, capturing bytesMax: Int = 0) {
    self.init(Array(text.utf8), isStrict: isStrict, capturing: bytesMax)
  }

  private mutating func take(
    _ piece: [UInt8], with scanner: inout JSONMemberScanner, capturing bytesMax: Int
  ) throws(JSONError) {
    var position = 0
    while true {
      switch try scanner.next(piece.span, &position) {
      case .needsMore: return
      case .name:
        steps.append(.name)
        if bytesMax > 0 { scanner.captureValue(bytesMax: bytesMax) }
      case .member:
        let captured = bytesMax > 0 && scanner.isCaptureWhole ? scanner.captured : nil
        steps.append(.member(scanner.member, captured: captured))
      case .end: steps.append(.end)
      }
    }
  }
}

/// All ways to cut bytes in two, and the cut into single bytes with an empty piece between.
func splits(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
  var ways = (0...bytes.count).map { [bytes[..<$0], bytes[$0...]] }
  ways.append(bytes.indices.flatMap { [bytes[$0...$0], bytes[0..<0]] })
  return ways
}

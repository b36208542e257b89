/// One event of a stream as it leaves.
struct StreamEvent {
  /// Framing goes out whatever happens to the content; closing only after all of it.
  enum Part { case framing, content, closing }

  /// Each is one write.
  let lines: [Bytes]
  let part: Part
  /// The usage that the event reports.
  var usage: Usage?
}

/// The order of events, and who words them.
struct StreamScript {
  enum Step {
    case open(choice: Int)
    case blockStart(Int, Completion.Piece.Kind)
    case piece(choice: Int, index: Int, block: Int)
    case blockStop(Int)
    case close(choice: Int)
    case usage
    case done
  }

  let steps: [Step]
  let dialect: any Dialect
}

/// Words the steps of a stream.
protocol Dialect {
  func event(_ step: StreamScript.Step) -> StreamEvent
}

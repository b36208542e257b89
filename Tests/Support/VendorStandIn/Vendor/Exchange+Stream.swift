/// A stream as the binary passes it on: one write per line, until its end or its turn.
extension Exchange {
  func play(_ script: StreamScript, _ fault: Fault) {
    for step in script.steps {
      let event = script.dialect.event(step)
      let isDue = event.part == .closing || record.contentEvents >= fault.turnAfter
      if isDue, event.part != .framing, let turn = fault.turn {
        return take(turn, script.dialect)
      }
      if event.part == .content {
        guard wire.waits(milliseconds: fault.chunkMilliseconds) else { return noteLeaving() }
      }
      guard send(event) else { return noteLeaving() }
    }
    if responder.endStream() { record.isComplete = true } else { noteLeaving() }
  }

  private func send(_ event: StreamEvent) -> Bool {
    for line in event.lines {
      guard responder.piece(line) else { return false }
    }
    if event.part == .content { record.contentEvents += 1 }
    record.reported = event.usage ?? record.reported
    return true
  }

  private func take(_ turn: Fault.Turn, _ dialect: any Dialect) {
    switch turn {
    case .cleanEnd: endCleanly("streaming response body: unexpected EOF")
    case .longLine: endCleanly("streaming response body: bufio.Scanner: token too long")
    case .reset: cut()
    case .hang:
      standIn.recorder.update(record)
      wire.waitsForLeaving()
      noteLeaving()
    case .death(let death): StandIn.die(death)
    case .errorEvent(let isMarked):
      let error = ModelError(
        status: 500, type: "InternalServerError", message: "stand-in error in a stream")
      let event = StreamEvent(lines: [Bytes("data: ") + error.body + Bytes("\n\n")], part: .closing)
      guard send(event) else { return noteLeaving() }
      if isMarked, !send(dialect.event(.done)) { return noteLeaving() }
      if !responder.endStream() { noteLeaving() }
    }
  }

  /// The binary's fatal habit: a broken upstream stream ends as if it were whole (3.6).
  private func endCleanly(_ error: String) {
    log("Failed sending response to downstream client", level: .error, error: error)
    if !responder.endStream() { noteLeaving() }
  }
}

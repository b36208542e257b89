import PMWire
import Testing

@Suite struct NotifyMessageTests {
  @Test func whatIsWrittenIsRead() {
    var message = NotifyMessage()
    message.isReady = true
    message.isHeartbeat = true
    message.phase = .meterWrite
    message.loopLagMicroseconds = 400
    message.inFlight = 3
    message.sandbox = SandboxProof(refused: 7, tried: 9)
    message.vendor = .keyRejected
    #expect(NotifyMessage(text: message.lines.joined(separator: "\n")) == message)
  }

  @Test(arguments: [
    "", "=", "READY", "READY=0", "X_PM_IN_FLIGHT=-1", "X_PM_SANDBOX=9/7", "X_PM_SANDBOX=9",
    "X_PM_VENDOR=fine", "STATUS=prompt text", "X_PM_LOOP_LAG_USEC=1e9", "\n\n",
  ])
  func whatCannotBeReadIsAbsent(_ text: String) {
    #expect(NotifyMessage(text: text) == NotifyMessage())
  }
}

@Suite struct InstructionTests {
  @Test(arguments: Instruction.allCases)
  func aLineIsReadBack(_ instruction: Instruction) {
    #expect(Instruction(line: String(instruction.line.dropLast())) == instruction)
    #expect(instruction.line.utf8.count <= Instruction.lineBytesMax)
  }

  @Test func anythingElseIsNoInstruction() {
    #expect(Instruction(line: #"{"order":"exec"}"#) == nil)
    #expect(Instruction(line: "") == nil)
  }
}

@Suite struct ControlRequestTests {
  @Test(arguments: ControlVerb.allCases)
  func aRequestIsReadBack(_ verb: ControlVerb) throws {
    let request = ControlRequest(
      id: 7, verb: verb, service: verb.takesService ? .edge : nil, deadlineMilliseconds: 1000)
    #expect(try ControlRequest(line: Array(request.line.utf8)) == request)
    #expect(request.line.utf8.count < ControlLimits.lineBytesMax)
  }

  @Test(arguments: [
    (#"{"v":2,"id":1,"verb":"status"}"#, ControlRequest.Fault.malformed),
    (#"{"v":1,"verb":"status"}"#, .malformed),
    (#"{"v":1,"id":1,"verb":"status","service":"edge"}"#, .malformed),
    (#"{"v":1,"id":1,"verb":"restart"}"#, .unknownService),
    (#"{"v":1,"id":1,"verb":"status","deadline_ms":0}"#, .malformed),
    (#"{"v":1,"id":1,"verb":"status","deadline_ms":600001}"#, .malformed),
    (#"{"v":1,"id":1,"verb":"status"} x"#, .notJSON), ("[]", .malformed), ("", .notJSON),
  ])
  func aWrongLineIsAFault(_ line: String, _ fault: ControlRequest.Fault) {
    #expect(throws: fault) { try ControlRequest(line: Array(line.utf8)) }
  }

  @Test func lookingIsNotOperating() {
    #expect(ControlVerb.status.access == .read)
    #expect(ControlVerb.restart.access == .operate)
    #expect(ControlVerb.reload.access == .admin)
    #expect(ControlAccess.read < .operate && ControlAccess.operate < .admin)
  }
}

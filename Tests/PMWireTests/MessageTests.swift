import PMWire
import Testing

@Suite struct MessageTests {
  @Test func aNotifyMessageIsReadBack() {
    var message = NotifyMessage()
    #expect(NotifyMessage(text: "") == message)
    message.isReady = true
    message.isHeartbeat = true
    message.isStopping = true
    message.loopLagMicroseconds = .max
    message.inFlight = 3
    message.sandbox = SandboxProof(refused: 8, tried: 9)
    for phase in Phase.allCases {
      message.phase = phase
      for health in VendorHealth.allCases {
        message.vendor = health
        #expect(NotifyMessage(text: message.lines.joined(separator: "\n")) == message)
      }
    }
  }

  @Test(arguments: [
    "READY", "READY=0", "READY=true", "ready=1", " READY=1", "=1", "\n\n", "X_PM_IN_FLIGHT=-1",
    "X_PM_IN_FLIGHT=x", "X_PM_SANDBOX=9/8", "X_PM_SANDBOX=9", "X_PM_SANDBOX=1/2/3",
    "X_PM_SANDBOX=-1/2",
    "X_PM_LOOP_LAG_USEC=-1", "X_PM_VENDOR=fine", "STATUS=a lot of words", "MAINPID=1", "FDSTORE=1",
  ])
  func whatCannotBeReadIsAbsent(_ text: String) {
    #expect(NotifyMessage(text: text) == NotifyMessage())
  }

  @Test func aValueMayHoldAnEqualsSign() {
    #expect(NotifyMessage(text: "STATUS=x=y\nREADY=1").isReady)
  }

  @Test func anInstructionIsItsExactLine() {
    for instruction in Instruction.allCases {
      #expect(instruction.line.utf8.count <= Instruction.lineBytesMax)
      #expect(Instruction(line: String(instruction.line.dropLast())) == instruction)
      #expect(Instruction(line: instruction.line) == nil)
      #expect(Instruction(line: " " + instruction.line.dropLast()) == nil)
    }
    #expect(Instruction(line: "") == nil)
    #expect(Instruction(line: #"{"order":"exec"}"#) == nil)
  }
}

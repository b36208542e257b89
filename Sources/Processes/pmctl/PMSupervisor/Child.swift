internal import PMCrypto
internal import PMSupervision
internal import PMSystem
internal import PMWire

/// One live generation, and what the supervisor holds of it.
final class Child {
  let service: Service
  let number: Int
  let handle: PidHandle
  let digest: Digest256
  /// Its end tells the child that nobody is there any more.
  private let lifeline: HeldDescriptor?
  private let orders: HeldDescriptor?
  let group: ControlGroup?
  /// The listener that only probes of this generation reach.
  let probePath: String?
  /// Where an edge has its key from.
  let keySource: String?
  /// Answers an edge that asks for evidence.
  var evidence: EvidenceConnection?
  /// Our end of its socket pair, on its way into `evidence`.
  private(set) var evidenceEnd: HeldDescriptor?

  var output: PipeReader?
  var vendorOutput = VendorOutput()
  /// The last of each field that it sent.
  var report = NotifyMessage()

  /// What is made before the process and belongs to it.
  struct Parts {
    var lifeline: HeldDescriptor?
    var orders: HeldDescriptor?
    var group: ControlGroup?
    var probePath: String?
    var keySource: String?
    var evidence: HeldDescriptor?
  }

  init(
    _ service: Service, _ number: Int, _ handle: PidHandle, _ digest: Digest256,
    _ parts: Parts
  ) {
    self.service = service
    self.number = number
    self.handle = handle
    self.digest = digest
    lifeline = parts.lifeline
    orders = parts.orders
    group = parts.group
    probePath = parts.probePath
    keySource = parts.keySource
    evidenceEnd = parts.evidence
  }

  /// Kills it with all it has started.
  func kill() {
    if let group { group.kill() } else { handle.killGroup() }
  }

  func tell(_ instruction: Instruction) {
    guard let orders else { return }
    // A child that takes no orders for so long that its socket is full is the watchdog's case.
    _ = send(Array(instruction.line.utf8).span, to: orders.descriptor)
  }

  /// How the status of the process is to be understood.
  func exit(_ status: PidHandle.Status) -> Exit {
    switch status {
    case .signal(let number):
      return (group?.outOfMemoryCount() ?? 0) > 0 ? .outOfMemory : .signal(number)
    case .code(let code):
      return vendorOutput.fault?.isSlowToHeal == true ? .slowToHeal(code) : .code(code)
    }
  }

  /// Takes in a message; what it does not name stays as it was.
  func take(_ message: NotifyMessage) {
    report.phase = message.phase ?? report.phase
    report.loopLagMicroseconds = message.loopLagMicroseconds ?? report.loopLagMicroseconds
    report.inFlight = message.inFlight ?? report.inFlight
    report.sandbox = message.sandbox ?? report.sandbox
    report.vendor = message.vendor ?? report.vendor
  }
}

public import PMSystem

/// A child's side of its supervisor: what it was given, how it says that it lives, how it learns
/// that it should leave. Works by hand, too: without a supervisor there is simply nobody to tell.
public final class SupervisorLink {
  /// The largest configuration part a child reads.
  private static let configurationBytesMax = 1 << 20

  public private(set) var inherited: InheritedDescriptors
  public let configuration: Configuration
  private let notifier: Notifier?
  private let watchdogMicroseconds: UInt64?
  private var sources: [EventSource] = []
  private var isLeaving = false

  /// Called once, when the process should finish what it does and end.
  public var onDrain: () -> Void = {}
  public var onInstruction: (Instruction) -> Void = { _ in }
  /// Lines added to each heartbeat, such as `X_PM_IN_FLIGHT=3`.
  public var heartbeatFields: () -> [String] = { [] }

  /// Takes what the supervisor left: call first thing in `main`, before anything opens a
  /// descriptor. `arguments` may be `--configuration FILE`, for running by hand.
  public init(arguments: [String]) throws(ConfigurationError) {
    SignalSource.block([.terminate, .interrupt])
    inherited = InheritedDescriptors.fromEnvironment()
    notifier = Notifier.fromEnvironment()
    watchdogMicroseconds = Environment.value(Inheritance.watchdogMicroseconds).flatMap {
      UInt64($0)
    }
    let bytes: [UInt8]
    do throws(SystemError) {
      if let given = inherited.take(Inheritance.Name.configuration.rawValue) {
        bytes = try FileIO.read(given, bytesMax: Self.configurationBytesMax)
      } else if arguments.count == 2, arguments[0] == "--configuration" {
        bytes = try FileIO.read(arguments[1], bytesMax: Self.configurationBytesMax)
      } else {
        throw SystemError(.open, 2)
      }
    } catch {
      throw ConfigurationError("--configuration", .unreadable(errno: error.number))
    }
    configuration = try Configuration.read(bytes)
  }

  public func take(_ name: Inheritance.Name) -> OwnedDescriptor? { inherited.take(name.rawValue) }

  /// Watches lifeline, signals and orders, and starts the heartbeat.
  public func attach(to loop: EventLoop) throws(SystemError) {
    var added: [EventSource] = [
      try SignalSource([.terminate, .interrupt]) { [unowned self] _ in leave() }
    ]
    if let lifeline = take(.lifeline) {
      added.append(Lifeline(lifeline, in: loop) { [unowned self] in leave() })
    }
    if let orders = take(.orders) {
      added.append(OrderReader(orders, in: loop) { [unowned self] order in onInstruction(order) })
    }
    if let watchdogMicroseconds, notifier != nil {
      // Twice in each period, so that one late turn is no death.
      let beat = Heartbeat(everyMilliseconds: max(1, watchdogMicroseconds / 2000)) {
        [unowned self, unowned loop] in heartbeat(loop)
      }
      beat.loop = loop
      added.append(beat)
    }
    for source in added { try loop.add(source) }
    for case let beat as Heartbeat in added { beat.start() }
    sources = added
  }

  private func leave() {
    if isLeaving { return }
    isLeaving = true
    notifier?.send(["STOPPING=1"])
    onDrain()
  }

  private func heartbeat(_ loop: EventLoop) {
    notifier?.send(
      ["WATCHDOG=1", "X_PM_LOOP_LAG_USEC=\(loop.lastTurnMicroseconds)"] + heartbeatFields())
  }

  /// Says that requests can be served.
  public func ready() { notifier?.send(["READY=1"] + heartbeatFields()) }

  /// Says something between heartbeats.
  public func tell(_ lines: [String]) { notifier?.send(lines) }
}

/// End of file means that the supervisor is gone.
private final class Lifeline: EventSource {
  private unowned let loop: EventLoop
  private let onEnd: () -> Void

  init(_ descriptor: consuming OwnedDescriptor, in loop: EventLoop, _ onEnd: @escaping () -> Void) {
    self.loop = loop
    self.onEnd = onEnd
    super.init(consume descriptor)
  }

  override func onReady(_ readiness: Readiness) {
    // At its end it is ready for ever, and would keep the loop awake while it drains.
    loop.remove(self)
    onEnd()
  }
}

/// Takes the lines of `orders`; a line that is none of ours is dropped.
final class OrderReader: EventSource {
  private unowned let loop: EventLoop
  private let onInstruction: (Instruction) -> Void
  private var buffer = ByteBuffer()

  init(
    _ descriptor: consuming OwnedDescriptor, in loop: EventLoop,
    _ onInstruction: @escaping (Instruction) -> Void
  ) {
    self.loop = loop
    self.onInstruction = onInstruction
    super.init(consume descriptor)
  }

  override func onReady(_ readiness: Readiness) {
    switch receive(from: self, into: &buffer, upTo: Instruction.lineBytesMax) {
    case .bytes: takeLines()
    case .wouldBlock: return
    case .ended, .failed: loop.remove(self)
    }
  }

  /// Whole lines only; the rest waits for its end, unless it is too long to be one of ours.
  private func takeLines() {
    let bytes = buffer.bytes
    var start = 0
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      let line = String(decoding: bytes[start..<end], as: UTF8.self)
      if let instruction = Instruction(line: line) { onInstruction(instruction) }
      start = end + 1
    }
    buffer.consume(start)
    if buffer.count > Instruction.lineBytesMax { buffer.clear() }
  }
}

private final class Heartbeat: EventSource {
  private let everyMilliseconds: UInt64
  private let onBeat: () -> Void
  weak var loop: EventLoop?

  init(everyMilliseconds: UInt64, _ onBeat: @escaping () -> Void) {
    self.everyMilliseconds = everyMilliseconds
    self.onBeat = onBeat
    super.init(nil)
  }

  func start() {
    guard let loop else { return }
    loop.setDeadline(self, loop.now.adding(milliseconds: everyMilliseconds))
  }

  override func onDeadline() {
    onBeat()
    start()
  }
}

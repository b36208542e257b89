internal import PMSupervision
internal import PMSystem
internal import PMWire

/// Something that another process does once, because this one should not: it has a role without
/// rights, a bounded time, and a bounded output that nobody believes.
struct OneShot {
  enum Program { case ourselves, edge, core }

  let role: Role
  var program = Program.ourselves
  var arguments: [String] = []
  /// Standard input; nil for none.
  var input: [UInt8]?
  /// Given as the descriptor `configuration`; nil for none.
  var configuration: [UInt8]?
  /// More descriptors, by name.
  var given: [(name: Inheritance.Name, descriptor: HeldDescriptor)] = []
  var secondsMax: UInt64
  /// Standard output up to this is kept; 0 to leave it where ours goes.
  var outputBytesMax = 0

  struct End {
    /// What it exited with; `ExitCode.failed` if a signal ended it, `transient` if it never began.
    let code: Int32
    let output: [UInt8]
    /// False if it said more than it may.
    let isWhole: Bool

    static let notBegun = End(code: ExitCode.transient, output: [], isWhole: false)
    /// Its output, if it ended well.
    var result: [UInt8]? { code == ExitCode.done && isWhole ? output : nil }
  }
}

/// Runs one-shots and waits for their ends.
final class OneShots {
  private let launcher: Launcher
  private let loop: EventLoop
  private var running: [Int32: Running] = [:]

  init(_ launcher: Launcher, _ loop: EventLoop) { (self.launcher, self.loop) = (launcher, loop) }

  var pids: [Int32] { Array(running.keys) }

  /// Calls `done` once. One that takes too long is killed.
  func run(
    _ task: OneShot, _ configuration: Configuration, done: @escaping (OneShot.End) -> Void
  ) {
    guard running.count < RuntimeLimits.oneShotsMax else { return done(.notBegun) }
    do throws(SystemError) {
      var pid: Int32 = 0
      let started = try launcher.start(task, configuration) { [unowned self] status in
        if let ended = running.removeValue(forKey: pid) { done(ended.end(status, loop)) }
      }
      let one = Running(started.handle, bytesMax: task.outputBytesMax)
      pid = one.handle.pid
      do throws(SystemError) {
        try one.join(loop, started.output)
      } catch {
        one.handle.end()
        throw error
      }
      running[pid] = one
      loop.setDeadline(one.handle, loop.now.adding(seconds: task.secondsMax))
    } catch {
      done(.notBegun)
    }
  }

  func killAll() { for one in running.values { one.handle.killGroup() } }
}

/// One that has not ended yet.
private final class Running {
  let handle: PidHandle
  private let bytesMax: Int
  private var reader: PipeReader?
  private var output: [UInt8] = []
  private var hasEnded = false

  init(_ handle: PidHandle, bytesMax: Int) {
    (self.handle, self.bytesMax) = (handle, bytesMax)
    handle.onOverdue = { [unowned handle] in handle.killGroup() }
  }

  func join(_ loop: EventLoop, _ pipe: HeldDescriptor?) throws(SystemError) {
    try loop.add(handle)
    guard let pipe else { return }
    let reader = PipeReader(
      try pipe.descriptor.duplicate(),
      onBytes: { [unowned self] bytes in
        // What is too much is read and dropped, so that its writer does not wait.
        if output.count <= bytesMax { output += bytes }
      },
      onEnd: { [unowned self] in
        hasEnded = true
        // A pipe at its end would wake the loop again and again while its process lives on.
        if let reader = self.reader { loop.remove(reader) }
      })
    try loop.add(reader)
    self.reader = reader
  }

  func end(_ status: PidHandle.Status, _ loop: EventLoop) -> OneShot.End {
    loop.remove(handle)
    if let reader {
      handle.killGroup()
      // What it wrote is in the pipe. Whoever it gave the writing end to is not waited for.
      while !hasEnded, output.count <= bytesMax, reader.readOnce() {}
      loop.remove(reader)
    }
    var code = ExitCode.failed
    if case .code(let own) = status { code = own }
    return OneShot.End(code: code, output: output, isWhole: output.count <= bytesMax)
  }
}

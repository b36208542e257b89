internal import PMSupervision
internal import PMSystem
internal import PMWire

/// Runs this program as the prober and waits for its exit code; root reads no answer.
final class Prober {
  private let launcher: Launcher
  private let loop: EventLoop
  private var running: [Int32: PidHandle] = [:]

  init(_ launcher: Launcher, _ loop: EventLoop) { (self.launcher, self.loop) = (launcher, loop) }

  var pids: [Int32] { Array(running.keys) }

  /// Calls `done` with the exit code, once. A probe that takes too long is killed.
  func run(_ arguments: [String], seconds: UInt64, done: @escaping (Int32) -> Void) {
    guard running.count < RuntimeLimits.probesMax else { return done(ExitCode.transient) }
    do throws(SystemError) {
      var pid: Int32 = 0
      let handle = try launcher.startProber(arguments) { [unowned self] status in
        if let ended = running.removeValue(forKey: pid) { loop.remove(ended) }
        if case .code(let code) = status { done(code) } else { done(ExitCode.failed) }
      }
      pid = handle.pid
      handle.onOverdue = { [unowned handle] in handle.killGroup() }
      do throws(SystemError) {
        try loop.add(handle)
      } catch {
        handle.end()
        throw error
      }
      running[pid] = handle
      loop.setDeadline(handle, loop.now.adding(seconds: seconds))
    } catch {
      done(ExitCode.transient)
    }
  }

  func killAll() { for handle in running.values { handle.killGroup() } }
}

/// What a probe asks. The words are arguments of `pmctl ask`, which is not for people.
public enum ProbeTarget: String, CaseIterable, Sendable {
  /// `GET /health` at a generation's own listener.
  case edge
  /// `GET /health/ready` there: through core to the vendor.
  case path
  case core, admin, vendor
}

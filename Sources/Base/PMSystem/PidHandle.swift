internal import CLinux
internal import Glibc

/// A child process by its pidfd: its number cannot come to mean another process.
public final class PidHandle: EventSource {
  /// How a process ended (wait(2)).
  public enum Status: Equatable, Sendable {
    case code(Int32)
    case signal(Int32)
  }

  public let pid: Int32
  private let onExit: (Status) -> Void
  /// Called when the deadline of this source passes while the process lives.
  public var onOverdue: () -> Void = {}

  /// For a child that was just started and not waited for, so that the pid is still its own. If
  /// there is no descriptor left for it, the child is killed: nobody could watch it.
  public init(pid: Int32, onExit: @escaping (Status) -> Void) throws(SystemError) {
    guard let descriptor = OwnedDescriptor(result: pm_pidfd_open(pid)) else {
      let error = SystemError.last(.pidfdOpen)
      Self.end(pid)
      throw error
    }
    self.pid = pid
    self.onExit = onExit
    super.init(descriptor)
  }

  /// Sends a signal; false if the process has ended.
  @discardableResult public func send(signal: Int32) -> Bool {
    pm_pidfd_send_signal(number, signal) == 0
  }

  /// Kills the process group that the child leads; for where there is no cgroup. Only while the
  /// child has not been waited for: then the number is still its own.
  public func killGroup() { _ = kill(-pid, SIGKILL) }

  /// Kills the child and waits for its end; for one that could not be put into a loop.
  public func end() { Self.end(pid) }

  private static func end(_ pid: Int32) {
    _ = kill(-pid, SIGKILL)
    _ = kill(pid, SIGKILL)
    var status: Int32 = 0
    // A killed process ends soon; only then its number is free.
    while unsafe waitpid(pid, &status, 0) < 0, pm_errno() == EINTR {}
  }

  public override func onDeadline() { onOverdue() }

  /// Takes the status once the process has ended; then it is gone.
  public override func onReady(_ readiness: Readiness) {
    guard isInLoop, let status = Self.reap(pid) else { return }
    onExit(status)
  }

  static func reap(_ pid: Int32) -> Status? {
    var status: Int32 = 0
    guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return nil }
    return pm_did_exit(status) != 0
      ? .code(pm_exit_code(status)) : .signal(pm_signal_number(status))
  }

  /// Waits for children that are not ours by birth but came to us (PR_SET_CHILD_SUBREAPER), except
  /// those in `known`. Gives how many there were.
  public static func reapStrangers(except known: Set<Int32>) -> Int {
    var count = 0
    while count < strangersPerTurnMax {
      var news = unsafe siginfo_t()
      // WNOWAIT looks without taking: a known child is its handle's to take.
      guard unsafe waitid(P_ALL, 0, &news, WEXITED | WNOHANG | WNOWAIT) == 0 else { break }
      let pid = unsafe pm_siginfo_pid(news)
      guard pid > 0, !known.contains(pid), reap(pid) != nil else { break }
      count += 1
    }
    return count
  }

  /// Bounds the work of one turn; the next SIGCHLD or turn takes the rest.
  private static let strangersPerTurnMax = 64
}

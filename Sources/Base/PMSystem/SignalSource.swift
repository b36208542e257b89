internal import CLinux
internal import Glibc

/// Signals as events of a loop (signalfd(2)).
public final class SignalSource: EventSource {
  /// The signals that our processes listen to.
  public enum Signal: Int32, CaseIterable, Sendable {
    case terminate = 15, interrupt = 2, hangUp = 1, child = 17
  }

  private let onSignal: (Signal) -> Void

  /// Keeps these signals for the loop, and ignores SIGPIPE. Call first thing in `main`: threads
  /// that exist already would still take them.
  public static func block(_ signals: [Signal]) {
    var set = Self.set(signals)
    // Both calls cannot fail with valid arguments.
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    // tidy:allow banned-call: this is what the others are told to use
    _ = signal(SIGPIPE, SIG_IGN)
  }

  public init(
    _ signals: [Signal], _ onSignal: @escaping (Signal) -> Void
  ) throws(SystemError) {
    var set = Self.set(signals)
    let flags = Int32(SFD_CLOEXEC | SFD_NONBLOCK)
    guard let descriptor = OwnedDescriptor(result: unsafe signalfd(-1, &set, flags)) else {
      throw .last(.signalfd)
    }
    self.onSignal = onSignal
    super.init(descriptor)
  }

  private static func set(_ signals: [Signal]) -> sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for signal in signals { unsafe sigaddset(&set, signal.rawValue) }
    return set
  }

  public override func onReady(_ readiness: Readiness) {
    let number = number
    var news = signalfd_siginfo()
    // The kernel writes whole structures only.
    while unsafe read(number, &news, MemoryLayout<signalfd_siginfo>.size)
      == MemoryLayout<signalfd_siginfo>.size
    {
      if let signal = Signal(rawValue: Int32(news.ssi_signo)) { onSignal(signal) }
    }
  }
}

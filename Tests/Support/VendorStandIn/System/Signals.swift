import Glibc

/// The signals the vendor handles: SIGINT asks it to stop, SIGQUIT makes it dump and die.
/// SIGTERM and SIGHUP keep their deadly defaults.
enum Signals {
  /// Routes SIGINT and SIGQUIT to `react` on a thread of its own. Call before any other thread
  /// starts, so that all inherit the mask. A second SIGINT finds the default action again.
  static func watch(_ react: @escaping @Sendable (Int32) -> Void) -> Bool {
    // A write to a lost client must not kill us under TLS; stderr is treated apart, in `Log`.
    ignore(SIGPIPE)
    // A background shell hands SIGINT down ignored; Go's Notify enables it all the same.
    restore(SIGINT)
    mask(SIG_BLOCK, [SIGINT, SIGQUIT])
    return Threads.start {
      while true {
        let number = wait([SIGINT, SIGQUIT])
        mask(SIG_UNBLOCK, [SIGINT])
        react(number)
      }
    }
  }

  /// Dies by `number`, whatever was set for it.
  static func die(by number: Int32) -> Never {
    restore(number)
    mask(SIG_UNBLOCK, [number])
    raise(number)
    _exit(128 + number)
  }

  static func ignore(_ number: Int32) { _ = signal(number, SIG_IGN) }
  static func restore(_ number: Int32) { _ = signal(number, SIG_DFL) }

  private static func set(of numbers: [Int32]) -> sigset_t {
    var set = sigset_t()
    // Safe: a local set, filled by the calls made for it.
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
    return set
  }

  private static func mask(_ how: Int32, _ numbers: [Int32]) {
    var set = set(of: numbers)
    _ = unsafe pthread_sigmask(how, &set, nil)
  }

  private static func wait(_ numbers: [Int32]) -> Int32 {
    var set = set(of: numbers)
    var number: Int32 = 0
    _ = unsafe sigwait(&set, &number)
    return number
  }
}

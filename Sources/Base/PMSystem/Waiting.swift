internal import CLinux
internal import Glibc

/// Waiting for one descriptor, for threads that may wait.
enum Waiting {
  enum Event { case readable, writable }

  /// True when the descriptor is ready, broken or at its end; false if the deadline comes first
  /// (poll(2)).
  static func isReady(_ number: Int32, _ event: Event, until deadline: Instant) -> Bool {
    let events = Int16(event == .readable ? POLLIN : POLLOUT)
    while true {
      let now = Instant.now()
      guard now < deadline else { return false }
      var entry = pollfd(fd: number, events: events, revents: 0)
      // Rounded up: a wait of zero would spin through the last millisecond.
      let milliseconds = Int32(clamping: deadline.millisecondsSince(now) + 1)
      let count = unsafe poll(&entry, 1, milliseconds)
      if count > 0 || (count < 0 && pm_errno() != EINTR) { return true }
    }
  }
}

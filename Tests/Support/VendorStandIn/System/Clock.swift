import Glibc

/// Points in time from the kernel, and waiting.
enum Clock {
  private static func read(_ clock: clockid_t) -> timespec {
    var time = timespec()
    // Safe: the kernel fills a local value of the right type.
    _ = unsafe clock_gettime(clock, &time)
    return time
  }

  /// Microseconds on the monotonic clock.
  static func microseconds() -> Int {
    let time = read(CLOCK_MONOTONIC)
    return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
  }

  /// The wall clock, for log lines and the manifest log: evidence must tell the true time.
  static func wall() -> CivilTime {
    let time = read(CLOCK_REALTIME)
    return CivilTime(epochSeconds: time.tv_sec, nanoseconds: time.tv_nsec)
  }

  static func sleep(milliseconds: Int) {
    guard milliseconds > 0 else { return }
    _ = poll(nil, 0, Int32(clamping: milliseconds))
  }

  /// Sleeps for ever; only a signal or another thread's exit ends it.
  static func sleepForever() -> Never {
    while true { sleep(milliseconds: 3_600_000) }
  }
}

import PMSystem

/// Detached threads. One per connection keeps every dialogue a straight line of blocking calls.
enum Threads {
  /// Enough for a JSON body at `JSONReader.depthMax` in a debug build. Only touched pages cost.
  static let stackBytes = 512 * 1024

  /// Runs `body` on a thread of its own; false when the kernel gives none.
  static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    do {
      try startThread(stackBytes: stackBytes, body)
      return true
    } catch {
      return false
    }
  }
}

import Glibc

/// Detached threads. One per connection keeps every dialogue a straight line of blocking calls.
enum Threads {
  /// Enough for a JSON body at `JSONReader.depthMax` in a debug build. Only touched pages cost.
  static let stackBytes = 512 * 1024

  private final class Errand: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Runs `body` on a thread of its own; false when the kernel gives none.
  static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    var attributes = pthread_attr_t()
    // Safe: the attributes live through the call; the retained errand is released by the thread,
    // or here when no thread came to be.
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setstacksize(&attributes, stackBytes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let errand = unsafe Unmanaged.passRetained(Errand(body))
    let result = unsafe pthread_create(
      &thread, &attributes,
      { opaque in
        guard let opaque = unsafe opaque else { return nil }
        unsafe Unmanaged<Errand>.fromOpaque(opaque).takeRetainedValue().run()
        return nil
      }, errand.toOpaque())
    if result != 0 { unsafe errand.release() }
    return result == 0
  }
}

internal import Glibc

/// Starts a thread that nobody joins. Objects of a loop are made inside `body`, on their thread.
public func startThread(
  stackBytes: Int = 1 << 20, _ body: @escaping @Sendable () -> Void
) throws(SystemError) {
  final class Start: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  var attributes = pthread_attr_t()
  unsafe pthread_attr_init(&attributes)
  defer { unsafe pthread_attr_destroy(&attributes) }
  unsafe pthread_attr_setstacksize(&attributes, stackBytes)
  unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  var thread = pthread_t()
  let start = unsafe Unmanaged.passRetained(Start(body))
  // The new thread takes over the retained box.
  let result = unsafe pthread_create(
    &thread, &attributes,
    { box in
      guard let box = unsafe box else { return nil }
      unsafe Unmanaged<Start>.fromOpaque(box).takeRetainedValue().body()
      return nil
    }, start.toOpaque())
  if result != 0 {
    unsafe start.release()
    throw SystemError(.thread, result)
  }
}

/// Lets threads run first that wait for the processor of the calling one; if none does, it goes on
/// (sched_yield(2)).
public func yieldThread() { sched_yield() }

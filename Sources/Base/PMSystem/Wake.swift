internal import CLinux
internal import Glibc

/// Wakes a loop from another thread: rung from anywhere, heard on the loop.
public final class Wake: EventSource {
  private let onRing: () -> Void

  public init(_ onRing: @escaping () -> Void) throws(SystemError) {
    guard
      let descriptor = OwnedDescriptor(
        result: eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)))
    else { throw .last(.eventfd) }
    self.onRing = onRing
    super.init(descriptor)
  }

  /// A handle that other threads may ring. The wake must outlive it, as those of a process do.
  public var bell: Bell { Bell(number: number) }

  public struct Bell: Sendable {
    fileprivate let number: Int32
    public func ring() { eventfd_write(number, 1) }
  }

  public override func onReady(_ readiness: Readiness) {
    var count: eventfd_t = 0
    unsafe eventfd_read(number, &count)
    onRing()
  }
}

/// Something an `EventLoop` watches: a descriptor, a deadline, or both. Subclasses say what to do.
/// All members belong to the thread of the loop.
open class EventSource {
  /// The watched descriptor; a source made without one only has a deadline.
  public let descriptor: OwnedDescriptor?
  let number: Int32
  /// What the loop keeps of a source. Not public as it is stored: the compiler then sees all uses,
  /// and proves them free of conflicts instead of checking each at run time.
  struct Watch {
    var slot: Int32 = -1
    var isReading: Bool
    var isWriting = false
    var armedTick: UInt64 = .max
    var deadline: Instant = .never
  }
  final var watch: Watch

  public final var deadline: Instant { watch.deadline }
  public final var isReading: Bool { watch.isReading }
  public final var isWriting: Bool { watch.isWriting }

  public init(_ descriptor: consuming OwnedDescriptor?, reading: Bool = true) {
    number = descriptor.number
    self.descriptor = descriptor
    watch = Watch(isReading: reading)
  }

  /// True between `EventLoop.add` and `remove`.
  public var isInLoop: Bool { watch.slot >= 0 }

  open func onReady(_ readiness: Readiness) {}
  open func onDeadline() {}
}

extension Optional where Wrapped == OwnedDescriptor {
  fileprivate var number: Int32 {
    switch self {
    case .some(let descriptor): descriptor.number
    case .none: -1
    }
  }
}

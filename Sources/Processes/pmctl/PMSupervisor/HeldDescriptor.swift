internal import PMSystem

/// A descriptor that several values hold; it is closed with the last of them.
final class HeldDescriptor {
  let descriptor: OwnedDescriptor
  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  /// Nil stays nil.
  convenience init?(_ descriptor: consuming OwnedDescriptor?) {
    guard let descriptor else { return nil }
    self.init(descriptor)
  }
}

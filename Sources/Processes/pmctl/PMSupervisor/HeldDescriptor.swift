internal import PMSystem

/// A descriptor that several values hold; it is closed with the last of them.
final class HeldDescriptor {
  let descriptor: OwnedDescriptor
  init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  /// A descriptor of its own for the same thing.
  func duplicate() throws(SystemError) -> OwnedDescriptor { try descriptor.duplicate() }

  /// Nil stays nil.
  convenience init?(_ descriptor: consuming OwnedDescriptor?) {
    guard let descriptor else { return nil }
    self.init(descriptor)
  }
}

internal import PMWire

/// A key that was just made: the only time its secret is seen.
struct IssuedKey: Equatable, Sendable {
  var id: KeyID
  var secret: String
}

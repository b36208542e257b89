internal import PMWire

/// Everything the pages can ask of other processes, and all they can change.
protocol Appliance: Sendable {
  func keys() throws(ControlError) -> [CoreControl.KeyEntry]
  func makeKey(_ wish: CoreControl.NewKey) throws(ControlError) -> IssuedKey
  func revokeKey(_ id: KeyID) throws(ControlError)
  func enableKey(_ id: KeyID) throws(ControlError)
  func deleteKey(_ id: KeyID) throws(ControlError)
  func changeKey(_ id: KeyID, _ change: CoreControl.KeyChange) throws(ControlError)
  func limits() throws(ControlError) -> CoreControl.LimitSettings
  func setLimits(_ limits: CoreControl.LimitSettings) throws(ControlError)
  func prices() throws(ControlError) -> CoreControl.PriceList
  func addPrice(_ price: CoreControl.NewPrice) throws(ControlError)
  func usage(_ period: Period) throws(ControlError) -> Usage
  func standing() throws(ControlError) -> Standing
  func attestation() throws(ControlError) -> GateRecord
}

/// Why core or pmctl did not do what was asked.
enum ControlError: Error, Equatable, Sendable {
  /// No connection, or it broke, or the answer did not come in time; with errno where there is one.
  case unreachable(errno: Int32)
  /// There is no such key.
  case unknownKey
  /// Asked, understood and refused.
  case refused
  /// The answer was not what the two processes agreed on.
  case notUnderstood
}
